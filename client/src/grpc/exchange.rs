//! The stream over which small objects are put, got and released: what is asked at the same time
//! travels in one message.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawloom_proto::v1::object_reply::Reply;
use drawloom_proto::v1::object_request::Request;
use drawloom_proto::v1::scheduler_client::SchedulerClient;
use drawloom_proto::{Rejection, v1};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::error;
use crate::Error;

/// Requests in one message at most: the largest objects fill half of what a message may have.
const BATCH: usize = 128;
/// Requests and messages that may wait to be sent.
const WAITING: usize = 4 * BATCH;
const MESSAGES: usize = 4;

/// Opens the stream when it is first needed, and again after it broke.
pub(super) struct Exchange {
    scheduler: SchedulerClient<Channel>,
    endpoint: Arc<str>,
    next: AtomicU64,
    stream: AsyncMutex<Option<Stream>>,
}

#[derive(Clone)]
struct Stream {
    requests: mpsc::Sender<v1::ObjectRequest>,
    waiting: Waiting,
}

/// Where replies go, by the numbers of their requests; nothing once the stream has ended.
type Table = Option<HashMap<u64, oneshot::Sender<Result<Reply, Error>>>>;

/// Those who wait for replies, by number; nothing once the stream has ended.
#[derive(Clone)]
struct Waiting(Arc<Mutex<Table>>);

impl Exchange {
    pub(super) fn new(scheduler: SchedulerClient<Channel>, endpoint: Arc<str>) -> Self {
        let (next, stream) = (AtomicU64::new(0), AsyncMutex::new(None));
        Exchange { scheduler, endpoint, next, stream }
    }

    /// Asks and waits for the reply.
    pub(super) async fn ask(&self, request: Request) -> Result<Reply, Error> {
        let stream = self.stream().await?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        let broken = || Error::Unreachable {
            endpoint: self.endpoint.to_string(),
            reason: "the stream has ended".to_owned(),
        };
        if !stream.waiting.insert(number, sender) {
            return Err(broken());
        }
        let request = v1::ObjectRequest { number, request: Some(request) };
        // When the stream breaks, its reader answers everybody.
        let _ = stream.requests.send(request).await;
        match reply.await.map_err(|_| broken())?? {
            Reply::Rejected(rejected) => Err(Rejection::from(rejected).into()),
            reply => Ok(reply),
        }
    }

    async fn stream(&self) -> Result<Stream, Error> {
        let mut slot = self.stream.lock().await;
        if let Some(stream) = slot.as_ref().filter(|stream| !stream.requests.is_closed()) {
            return Ok(stream.clone());
        }
        let (requests, waiting_requests) = mpsc::channel(WAITING);
        let (batches, outgoing) = mpsc::channel(MESSAGES);
        tokio::spawn(gather(waiting_requests, batches));
        let replies = self.scheduler.clone().exchange_objects(ReceiverStream::new(outgoing)).await;
        let replies = replies.map_err(|status| error(&self.endpoint, &status))?.into_inner();
        let waiting = Waiting(Arc::new(Mutex::new(Some(HashMap::new()))));
        tokio::spawn(read(replies, waiting.clone(), Arc::clone(&self.endpoint)));
        Ok(slot.insert(Stream { requests, waiting }).clone())
    }
}

/// Puts what waits at the same time into one message.
async fn gather(
    mut requests: mpsc::Receiver<v1::ObjectRequest>,
    batches: mpsc::Sender<v1::ObjectRequestBatch>,
) {
    loop {
        let mut batch = Vec::with_capacity(BATCH.min(requests.len().max(1)));
        if requests.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        if batches.send(v1::ObjectRequestBatch { requests: batch }).await.is_err() {
            return;
        }
    }
}

/// Hands out replies until the stream ends.
async fn read(mut replies: Streaming<v1::ObjectReplyBatch>, waiting: Waiting, endpoint: Arc<str>) {
    let status = loop {
        match replies.message().await {
            Ok(Some(batch)) => {
                let mut waiting = waiting.lock();
                let Some(waiting) = waiting.as_mut() else { return };
                for reply in batch.replies {
                    let sender = waiting.remove(&reply.number);
                    if let (Some(sender), Some(reply)) = (sender, reply.reply) {
                        // Whoever asked may have gone.
                        let _ = sender.send(Ok(reply));
                    }
                }
            }
            Ok(None) => break Status::unavailable("the scheduler has ended the stream"),
            Err(status) => break status,
        }
    };
    let left = waiting.lock().take();
    let error = error(&endpoint, &status);
    // Every one gets the same, so the order does not matter.
    #[allow(clippy::iter_over_hash_type)]
    for sender in left.into_iter().flat_map(HashMap::into_values) {
        let _ = sender.send(Err(error.clone()));
    }
}

impl Waiting {
    /// Whether the stream still lives.
    fn insert(&self, number: u64, sender: oneshot::Sender<Result<Reply, Error>>) -> bool {
        match self.lock().as_mut() {
            Some(waiting) => {
                waiting.insert(number, sender);
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
