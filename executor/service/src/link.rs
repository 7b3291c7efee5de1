//! The connection to a scheduler in another process.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use drawloom_model::{ExecutorInfo, FromExecutor, ObjectReport, Outcome, ToExecutor};
use drawloom_proto::v1::executor_link_client::ExecutorLinkClient;
use drawloom_proto::{MAX_MESSAGE_BYTES, TemplateReceiver, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::driver::End;
use crate::start::ExecutorError;
use crate::transfer::endpoint;
use crate::{Config, Handle, start};

/// How often the first connection is tried, and how long to wait in between.
const TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(200);
/// Inline data in one batch, beyond which another is begun: far below the limit on messages.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;
/// News in one batch at most, for the same reason.
const BATCH_NEWS: usize = 16 * 1024;

/// Runs an executor that serves the scheduler at `endpoint` until that says `Stop`. When
/// `shutdown` comes true the executor asks to leave, and goes on until the scheduler lets it; when
/// `abandon` does, it ends at once, with whatever it runs.
///
/// # Errors
/// When it cannot start, when no scheduler is reached within some seconds, and when the
/// connection is lost.
pub async fn run_remote(
    config: Config,
    endpoint: &str,
    shutdown: impl Future<Output = ()>,
    abandon: impl Future<Output = ()>,
) -> Result<(), ExecutorError> {
    let (outbox, news) = mpsc::unbounded_channel();
    let (orders, inbox) = mpsc::unbounded_channel();
    let config = Config { endpoint: Some(endpoint.to_owned()), ..config };
    let mut handle = start(config, outbox, inbox).await?;
    let link = Link { endpoint, news, orders, handle: &mut handle };
    let result = tokio::select! {
        result = link.serve(shutdown) => result,
        () = abandon => Err(ExecutorError::Abandoned),
    };
    // Whatever still runs goes before the process does.
    handle.abandon();
    handle.ended().await;
    result
}

struct Link<'l> {
    endpoint: &'l str,
    news: mpsc::UnboundedReceiver<Vec<FromExecutor>>,
    orders: mpsc::UnboundedSender<Vec<ToExecutor>>,
    handle: &'l mut Handle,
}

impl Link<'_> {
    async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ExecutorError> {
        let Link { endpoint, news, orders, handle } = self;
        let lost = |status: Status| lost(endpoint, &status);
        let mut shutdown = pin!(shutdown);
        let channel = tokio::select! {
            channel = connect(endpoint) => channel?,
            () = &mut shutdown => return Ok(()),
        };
        let mut incoming = attach(channel, &handle.info, news).await.map_err(lost)?;
        let mut draining = false;
        let mut templates = TemplateReceiver::default();
        loop {
            tokio::select! {
                batch = incoming.next() => {
                    let batch = batch.unwrap_or_else(|| Err(Status::unavailable("it hung up")));
                    let decoded = batch.and_then(|batch| decode(batch, &mut templates));
                    // The loop has ended when nobody takes orders: that is noticed below.
                    let _ = orders.send(decoded.map_err(lost)?);
                }
                end = handle.wait() => return farewell(end, endpoint),
                () = &mut shutdown, if !draining => {
                    draining = true;
                    handle.drain();
                }
            }
        }
    }
}

/// Joins the cluster.
async fn attach(
    channel: Channel,
    info: &ExecutorInfo,
    news: mpsc::UnboundedReceiver<Vec<FromExecutor>>,
) -> Result<Streaming<v1::ToExecutorBatch>, Status> {
    let join = v1::FromExecutorBatch { join: Some(info.into()), messages: Vec::new() };
    let news = UnboundedReceiverStream::new(news);
    let outgoing = tokio_stream::once(join).chain(Batches { news, pending: VecDeque::new() });
    // A template that just fitted a client's message comes in one of the scheduler's.
    let mut client =
        ExecutorLinkClient::new(channel).max_decoding_message_size(2 * MAX_MESSAGE_BYTES);
    let mut incoming = client.attach(outgoing).await?.into_inner();
    welcome(&mut incoming).await?;
    Ok(incoming)
}

fn farewell(end: Option<End>, endpoint: &str) -> Result<(), ExecutorError> {
    match end {
        Some(End::Stopped) => Ok(()),
        Some(End::Disconnected) | None => {
            Err(lost(endpoint, &Status::unavailable("the connection was closed")))
        }
    }
}

fn lost(endpoint: &str, status: &Status) -> ExecutorError {
    let (endpoint, message) = (endpoint.to_owned(), status.message());
    let reason = match status.code() {
        Code::Unavailable | Code::Unknown if message.is_empty() => "no answer".to_owned(),
        _ => message.to_owned(),
    };
    ExecutorError::Lost { endpoint, reason }
}

/// Connects; a scheduler that is just starting is waited for.
async fn connect(address: &str) -> Result<Channel, ExecutorError> {
    let endpoint = endpoint(address).map_err(|error| ExecutorError::Endpoint {
        endpoint: address.to_owned(),
        reason: error.to_string(),
    })?;
    let mut tries = 0;
    loop {
        match endpoint.connect().await {
            Ok(channel) => return Ok(channel),
            Err(error) if tries == TRIES => {
                let source = std::error::Error::source(&error);
                let reason = source.map_or_else(|| error.to_string(), ToString::to_string);
                let endpoint = address.to_owned();
                return Err(ExecutorError::Unreachable { endpoint, reason });
            }
            Err(error) => {
                if tries == 0 {
                    let patience = PAUSE * TRIES;
                    tracing::info!("no scheduler at {address} yet; trying for {patience:?}");
                }
                tracing::debug!(%error, address, "no scheduler yet");
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn welcome(incoming: &mut Streaming<v1::ToExecutorBatch>) -> Result<(), Status> {
    let first = incoming.message().await?.and_then(|batch| batch.welcome);
    let welcome = first.ok_or_else(|| Status::unavailable("it did not welcome this executor"))?;
    tracing::info!(executor = welcome.executor, "joined");
    Ok(())
}

/// News as it goes over the wire.
struct Batches {
    news: UnboundedReceiverStream<Vec<FromExecutor>>,
    pending: VecDeque<v1::FromExecutorBatch>,
}

impl Stream for Batches {
    type Item = v1::FromExecutorBatch;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.pending.is_empty() {
            match Pin::new(&mut self.news).poll_next(context) {
                Poll::Ready(Some(messages)) => self.pending = encode(messages),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(self.pending.pop_front())
    }
}

fn encode(messages: Vec<FromExecutor>) -> VecDeque<v1::FromExecutorBatch> {
    let mut batches = VecDeque::new();
    let mut batch = v1::FromExecutorBatch::default();
    let mut bytes = 0;
    for message in messages {
        bytes += inline_bytes(&message);
        batch.messages.push(message.into());
        if bytes > BATCH_BYTES || batch.messages.len() >= BATCH_NEWS {
            batches.push_back(std::mem::take(&mut batch));
            bytes = 0;
        }
    }
    if !batch.messages.is_empty() {
        batches.push_back(batch);
    }
    batches
}

fn inline_bytes(message: &FromExecutor) -> u64 {
    let FromExecutor::Ended(end) = message else { return 0 };
    let Outcome::Succeeded(reports) = &end.outcome else { return 0 };
    let inline = reports.iter().filter(|report| matches!(report, ObjectReport::Inline(_)));
    inline.map(ObjectReport::size_bytes).sum()
}

fn decode(
    batch: v1::ToExecutorBatch,
    templates: &mut TemplateReceiver,
) -> Result<Vec<ToExecutor>, Status> {
    let messages = batch.messages.into_iter().map(|message| templates.decode(message).transpose());
    let messages = messages.flatten().collect::<Result<Vec<_>, _>>();
    messages.map_err(|error| drawloom_proto::Rejection::from(error).into())
}
