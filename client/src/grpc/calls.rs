//! Calls over gRPC: one stream of batches to the executor where the actor lives.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use drawloom_model::{AttemptId, Call, CallFault, Failure, FailureKind, Value};
use drawloom_proto::v1::actor_calls_client::ActorCallsClient;
use drawloom_proto::{MAX_MESSAGE_BYTES, Reply, ReplyReceiver, encode_call, v1};
use tokio::sync::{Notify, oneshot};
use tokio_stream::Stream;
use tonic::{Status, Streaming};

use super::{channel, error};
use crate::{Calls, Error, Living, Outstanding};

/// Bytes of arguments in one message, beyond which another is begun.
const BATCH_BYTES: usize = 1024 * 1024;
/// Calls in one message at most.
const BATCH_CALLS: usize = 4096;

type ReplySender = oneshot::Sender<Result<Vec<Value>, CallFault>>;

/// Opens a way to an incarnation on an executor that is reached by its address.
///
/// # Errors
/// The executor cannot be reached, or the incarnation is not there.
pub async fn connect_calls(living: Living) -> Result<Arc<dyn Calls>, Error> {
    let Living { incarnation, executor, address } = living;
    if address.is_empty() {
        return Err(Error::Unreachable {
            endpoint: executor.to_string(),
            reason: "the executor has no address; it serves its own process alone".to_owned(),
        });
    }
    let channel = channel::connect(&address).await?;
    let mut client = ActorCallsClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let shared = Arc::new(Shared::new(incarnation));
    let refused = |status: Status| error(&address, &status);
    let outgoing = Outgoing { shared: Arc::clone(&shared) };
    let mut replies = client.call(outgoing).await.map_err(refused)?.into_inner();
    let first = replies.message().await.map_err(refused)?;
    let opened = first.and_then(|batch| batch.opened);
    let opened =
        opened.ok_or_else(|| Error::BadReply("the calls' stream was not opened".into()))?;
    tokio::spawn(read(Arc::clone(&shared), replies));
    Ok(Arc::new(Remote { shared, mailbox: opened.mailbox }))
}

/// A way to an incarnation. The stream ends when it is dropped.
struct Remote {
    shared: Arc<Shared>,
    mailbox: u32,
}

struct Shared {
    incarnation: AttemptId,
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    /// What the next messages carry.
    open: Option<v1::OpenCalls>,
    parts: VecDeque<v1::ActorCall>,
    cancels: Vec<u64>,
    waker: Option<Waker>,
    /// Whose replies are due, by number from `first` on; in order, since actors answer so.
    waiting: VecDeque<Option<ReplySender>>,
    first: u64,
    outstanding: usize,
    is_closed: bool,
}

impl Shared {
    fn new(incarnation: AttemptId) -> Self {
        let open = Some(v1::OpenCalls { actor: Some(incarnation.into()) });
        let state = Mutex::new(State { open, ..State::default() });
        Shared { incarnation, state, room: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, mailbox: u32) -> bool {
        let state = self.lock();
        state.is_closed || state.outstanding < mailbox as usize
    }

    /// Nothing more comes this way: whoever waits is told.
    fn close(&self, why: &str) {
        let mut state = self.lock();
        state.is_closed = true;
        state.outstanding = 0;
        let waiting = std::mem::take(&mut state.waiting);
        let waker = state.waker.take();
        drop(state);
        for sender in waiting.into_iter().flatten() {
            let _ = sender.send(Err(CallFault::Lost { why: why.to_owned() }));
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        self.room.notify_waiters();
    }

    /// Takes the replies' senders out, all at once.
    fn deliver(&self, replies: Vec<Reply>) {
        let mut state = self.lock();
        let senders: Vec<_> =
            replies.into_iter().map(|reply| (state.take(reply.0), reply.1)).collect();
        drop(state);
        self.room.notify_waiters();
        for (sender, result) in senders {
            // A caller that is gone need not know.
            let _ = sender.map(|sender| sender.send(result));
        }
    }
}

impl State {
    fn take(&mut self, id: u64) -> Option<ReplySender> {
        let place = usize::try_from(id.checked_sub(self.first)?).ok()?;
        let sender = self.waiting.get_mut(place)?.take();
        self.outstanding -= usize::from(sender.is_some());
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.first += 1;
        }
        sender
    }

    fn batch(&mut self) -> Option<v1::CallBatch> {
        let open = self.open.take();
        let mut calls = Vec::new();
        let mut bytes = 0;
        while bytes <= BATCH_BYTES
            && calls.len() < BATCH_CALLS
            && let Some(part) = self.parts.pop_front()
        {
            bytes += part.more.len();
            bytes += part.arguments.iter().map(|value| value.data.len()).sum::<usize>();
            calls.push(part);
        }
        let cancels = std::mem::take(&mut self.cancels);
        let is_empty = open.is_none() && calls.is_empty() && cancels.is_empty();
        (!is_empty).then_some(v1::CallBatch { open, calls, cancels })
    }
}

impl Calls for Remote {
    fn mailbox(&self) -> u32 {
        self.mailbox
    }

    fn call(&self, call: Call) -> Outstanding {
        let (sender, reply) = oneshot::channel();
        let mut parts = Vec::with_capacity(1);
        let mut state = self.shared.lock();
        let id = state.first + state.waiting.len() as u64;
        if state.is_closed {
            drop(state);
            let incarnation = self.shared.incarnation;
            let _ = sender.send(Err(CallFault::NotHere { incarnation }));
            return Outstanding { id, reply };
        }
        if let Err(too_large) = encode_call(id, call, &mut parts) {
            drop(state);
            let failure = Failure::new(FailureKind::Application, too_large.to_string());
            let _ = sender.send(Err(CallFault::Failed(failure)));
            return Outstanding { id, reply };
        }
        state.waiting.push_back(Some(sender));
        state.outstanding += 1;
        state.parts.extend(parts);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Outstanding { id, reply }
    }

    fn cancel(&self, id: u64) {
        let mut state = self.shared.lock();
        state.cancels.push(id);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            loop {
                let mut room = pin!(self.shared.room.notified());
                room.as_mut().enable();
                if self.shared.has_room(self.mailbox) {
                    return;
                }
                room.await;
            }
        })
    }

    fn is_closed(&self) -> bool {
        self.shared.lock().is_closed
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // The stream ends once what was handed over is sent; replies that are due still come.
        state.is_closed = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Calls as they go over the wire.
struct Outgoing {
    shared: Arc<Shared>,
}

impl Stream for Outgoing {
    type Item = v1::CallBatch;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<v1::CallBatch>> {
        let mut state = self.shared.lock();
        match state.batch() {
            Some(batch) => Poll::Ready(Some(batch)),
            None if state.is_closed => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Reads replies until the stream ends.
async fn read(shared: Arc<Shared>, mut stream: Streaming<v1::ReplyBatch>) {
    let mut receiver = ReplyReceiver::new(shared.incarnation);
    let why = loop {
        let batch = match stream.message().await {
            Ok(Some(batch)) => batch,
            Ok(None) => break "its executor has closed the connection".to_owned(),
            Err(status) if status.message().is_empty() => break "its executor is gone".to_owned(),
            Err(status) => break format!("its executor is gone: {}", status.message()),
        };
        let parts = batch.replies.into_iter();
        let replies = parts.filter_map(|part| receiver.add(part).transpose());
        match replies.collect::<Result<Vec<_>, _>>() {
            Ok(replies) => shared.deliver(replies),
            Err(error) => break format!("a reply cannot be understood: {error}"),
        }
    };
    shared.close(&why);
}
