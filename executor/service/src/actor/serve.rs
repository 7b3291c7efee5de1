//! Calls that come straight from their callers over gRPC.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use drawloom_model::{AttemptId, Call, CallArgument, CallFault, Failure, FailureKind, Value};
use drawloom_proto::v1::actor_calls_server::ActorCalls;
use drawloom_proto::{CallReceiver, FieldError, Rejection, encode_reply, v1};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::delivery::{CallResult, Delivery, ReplyTo};
use super::host::Actors;
use super::mailbox::Mailbox;
use crate::transfer::Peers;

/// Replies taken up at a time.
const BATCH: usize = 1024;
/// Bytes in one message of replies, beyond which another is begun.
const BATCH_BYTES: usize = 1024 * 1024;

/// Serves calls of the actors that live here.
pub(crate) struct CallServer {
    pub actors: Actors,
    pub peers: Peers,
}

type Replies = mpsc::UnboundedSender<(u64, CallResult)>;

#[tonic::async_trait]
impl ActorCalls for CallServer {
    type CallStream = ReplyStream;

    async fn call(
        &self,
        request: Request<Streaming<v1::CallBatch>>,
    ) -> Result<Response<ReplyStream>, Status> {
        let mut batches = request.into_inner();
        let first = batches.message().await?.unwrap_or_default();
        let incarnation = opened(&first).map_err(Rejection::from)?;
        let mailbox = self.actors.find(incarnation).ok_or_else(|| {
            let fault = CallFault::NotHere { incarnation };
            Rejection::new(Code::NotFound, fault.to_string()).with_field("open.actor")
        })?;
        let (replies, receiver) = mpsc::unbounded_channel();
        let limit = mailbox.limit;
        let caller = Caller { mailbox, replies, peers: self.peers.clone() };
        tokio::spawn(caller.serve(first, batches));
        Ok(Response::new(ReplyStream::new(limit, receiver)))
    }
}

fn opened(first: &v1::CallBatch) -> Result<AttemptId, FieldError> {
    let open = first.open.as_ref().and_then(|open| open.actor);
    open.map(Into::into).ok_or_else(|| FieldError::new("open.actor", "must be set at first"))
}

/// One caller's stream.
struct Caller {
    mailbox: Arc<Mailbox>,
    replies: Replies,
    peers: Peers,
}

impl Caller {
    /// Takes calls in until the caller has no more, or sends what means nothing.
    async fn serve(self, first: v1::CallBatch, mut batches: Streaming<v1::CallBatch>) {
        let mut receiver = CallReceiver::default();
        let mut batch = first;
        loop {
            if let Err(error) = self.take_in(batch, &mut receiver).await {
                tracing::debug!(%error, "a caller sent what means nothing");
                return;
            }
            match batches.message().await {
                Ok(Some(next)) => batch = next,
                Ok(None) | Err(_) => return,
            }
        }
    }

    async fn take_in(
        &self,
        batch: v1::CallBatch,
        receiver: &mut CallReceiver,
    ) -> Result<(), FieldError> {
        let mut deliveries = VecDeque::with_capacity(batch.calls.len());
        for part in batch.calls {
            let Some((id, call)) = receiver.add(part).map_err(|error| error.within("calls"))?
            else {
                continue;
            };
            deliveries.extend(self.delivery(id, call).await);
        }
        self.submit(deliveries).await;
        if !batch.cancels.is_empty() {
            let wanted = |reply: &ReplyTo| reply.is_remote(&self.replies, &batch.cancels);
            self.mailbox.withdraw(wanted, &CallFault::Cancelled);
        }
        Ok(())
    }

    /// The call with its arguments at hand; where one cannot be had, the caller is told.
    async fn delivery(&self, id: u64, call: Call) -> Option<Delivery> {
        let reply = ReplyTo::Remote { id, replies: self.replies.clone() };
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in call.arguments {
            match self.argument(argument).await {
                Ok(value) => arguments.push(value),
                Err(message) => {
                    let failure = Failure::new(FailureKind::ObjectLost, message);
                    reply.fail(CallFault::Failed(failure));
                    return None;
                }
            }
        }
        Some(Delivery {
            method: call.method.into(),
            attributes: Arc::new(call.attributes),
            arguments,
            deadline: call.timeout.map(|limit| (Instant::now() + limit, limit)),
            when_full: call.when_full,
            cancellation: None,
            reply,
        })
    }

    async fn argument(&self, argument: CallArgument) -> Result<Value, String> {
        match argument {
            CallArgument::Value(value) => Ok(value),
            CallArgument::Object { key, sources } => self.peers.get(key, &sources).await,
        }
    }

    /// Hands calls over in their order, waiting for room where they are ready to.
    async fn submit(&self, mut deliveries: VecDeque<Delivery>) {
        while !deliveries.is_empty() {
            let mut room = pin!(self.mailbox.room());
            room.as_mut().enable();
            self.mailbox.submit(&mut deliveries);
            if !deliveries.is_empty() {
                room.await;
            }
        }
    }
}

/// Replies as they go over the wire.
pub(crate) struct ReplyStream {
    receiver: mpsc::UnboundedReceiver<(u64, CallResult)>,
    taken: Vec<(u64, CallResult)>,
    pending: VecDeque<v1::ReplyBatch>,
}

impl ReplyStream {
    fn new(mailbox: u32, receiver: mpsc::UnboundedReceiver<(u64, CallResult)>) -> Self {
        let opened = Some(v1::CallsOpened { mailbox });
        let pending = VecDeque::from([v1::ReplyBatch { opened, replies: Vec::new() }]);
        ReplyStream { receiver, taken: Vec::new(), pending }
    }

    fn encode(&mut self) {
        let mut batch = v1::ReplyBatch::default();
        let mut bytes = 0;
        for (id, result) in self.taken.drain(..) {
            let begun = batch.replies.len();
            if let Err(too_large) = encode_reply(id, result, &mut batch.replies) {
                let failure = Failure::new(FailureKind::Application, too_large.to_string());
                // A failure is always small enough.
                let _ = encode_reply(id, Err(CallFault::Failed(failure)), &mut batch.replies);
            }
            let mut place = begun;
            while place < batch.replies.len() {
                bytes += length(&batch.replies[place]);
                place += 1;
                if bytes > BATCH_BYTES {
                    let rest = batch.replies.split_off(place);
                    self.pending.push_back(std::mem::take(&mut batch));
                    batch.replies = rest;
                    (bytes, place) = (0, 0);
                }
            }
        }
        if !batch.replies.is_empty() {
            self.pending.push_back(batch);
        }
    }
}

fn length(reply: &v1::CallReply) -> usize {
    reply.more.len() + reply.results.iter().map(|value| value.data.len()).sum::<usize>()
}

impl Stream for ReplyStream {
    type Item = Result<v1::ReplyBatch, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.pending.is_empty() {
            let this = &mut *self;
            match this.receiver.poll_recv_many(context, &mut this.taken, BATCH) {
                Poll::Ready(0) => return Poll::Ready(None),
                Poll::Ready(_) => this.encode(),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(self.pending.pop_front().map(Ok))
    }
}
