//! Objects on their way to clients. Large ones pass through from an executor, piece by piece.

use std::time::Duration;

use drawloom_proto::{Rejection, split_object, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::locate::{self, Located};
use super::{Clients, Sending};

/// How many pieces may wait for a client that does not read.
const PIECES: usize = 2;
/// How long an executor has to answer: it reads all of the object for the checksum first.
const ANSWER: Duration = Duration::from_secs(60);
/// How long it has for each piece.
const PIECE: Duration = Duration::from_secs(10);

/// Sends an object.
pub(super) async fn get(
    clients: &Clients,
    request: v1::GetObjectRequest,
) -> Result<Sending<v1::ObjectChunk>, Rejection> {
    let mut located = locate::find(&clients.handle, request.object).await?;
    let (sender, receiver) = mpsc::channel(PIECES);
    match located.object.inline.take() {
        Some(value) => {
            tokio::spawn(async move {
                for chunk in split_object(None, value) {
                    if sender.send(Ok(chunk)).await.is_err() {
                        return;
                    }
                }
            });
        }
        None => {
            let pieces = fetch(clients, &located).await?;
            tokio::spawn(pass_on(pieces, sender));
        }
    }
    Ok(ReceiverStream::new(receiver))
}

/// Begins to fetch an object from the first executor that answers.
async fn fetch(
    clients: &Clients,
    located: &Located,
) -> Result<Streaming<v1::ObjectChunk>, Rejection> {
    let mut failure =
        Rejection::new(Code::Unavailable, "no executor that holds the object can be reached");
    for address in &located.addresses {
        let request = v1::FetchRequest { object: Some(located.object.key.into()), offset: 0 };
        match within(ANSWER, clients.stores.at(address)?.fetch(request)).await {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) => {
                failure.message =
                    format!("the executor at {address} does not send the object: {status}");
            }
        }
    }
    Err(failure)
}

async fn pass_on(
    mut pieces: Streaming<v1::ObjectChunk>,
    client: mpsc::Sender<Result<v1::ObjectChunk, Status>>,
) {
    while let Some(piece) = within(PIECE, pieces.message()).await.transpose() {
        if client.send(piece).await.is_err() {
            return;
        }
    }
}

/// What an executor sends, unless that takes too long.
async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let late = |_| {
        let message = format!("the executor has sent nothing for {patience:?}");
        Err(Status::unavailable(message))
    };
    tokio::time::timeout(patience, answer).await.unwrap_or_else(late)
}
