//! Actors, for callers that share the executor's process.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use drawloom_model::{AttemptId, Call, CallArgument, CallFault, Failure, FailureKind};
use tokio::sync::oneshot;

use super::delivery::{CallResult, Delivery, ReplyTo};
use super::host::Actors;
use super::mailbox::Mailbox;
use crate::store::Store;

/// The actors of an executor in this process.
#[derive(Clone)]
pub struct LocalActors {
    actors: Actors,
    store: Arc<Store>,
}

impl std::fmt::Debug for LocalActors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalActors")
    }
}

/// An actor's incarnation in this process.
#[derive(Clone)]
pub struct LocalActor {
    mailbox: Arc<Mailbox>,
    store: Arc<Store>,
}

impl std::fmt::Debug for LocalActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LocalActor").field(&self.mailbox.incarnation).finish()
    }
}

impl LocalActors {
    pub(crate) fn new(actors: Actors, store: Arc<Store>) -> Self {
        LocalActors { actors, store }
    }

    /// The incarnation, if it is here.
    pub fn find(&self, incarnation: AttemptId) -> Option<LocalActor> {
        let mailbox = self.actors.find(incarnation)?;
        Some(LocalActor { mailbox, store: Arc::clone(&self.store) })
    }
}

impl LocalActor {
    /// The most calls that may wait for it.
    pub fn mailbox(&self) -> u32 {
        self.mailbox.limit
    }

    /// Hands a call over; it never waits. Calls run in the order of handing over. One that is to
    /// wait for room is taken in any case: its caller waits by [`LocalActor::room`] before.
    pub fn call(&self, call: Call) -> oneshot::Receiver<CallResult> {
        let (reply, receiver) = oneshot::channel();
        let arguments = call.arguments.into_iter().map(|argument| match argument {
            CallArgument::Value(value) => Ok(value),
            CallArgument::Object { key, .. } => self.store.get(key).ok_or_else(|| {
                let message = format!("object {key:?} is not on this executor");
                CallFault::Failed(Failure::new(FailureKind::ObjectLost, message))
            }),
        });
        let reply = ReplyTo::Local(reply);
        match arguments.collect() {
            Err(fault) => reply.fail(fault),
            Ok(arguments) => {
                let delivery = Delivery {
                    method: call.method.into(),
                    attributes: Arc::new(call.attributes),
                    arguments,
                    deadline: call.timeout.map(|limit| (Instant::now() + limit, limit)),
                    when_full: call.when_full,
                    cancellation: None,
                    reply,
                };
                self.mailbox.submit(&mut VecDeque::from([delivery]));
            }
        }
        receiver
    }

    /// Waits until a call would find room. Another caller may be quicker.
    pub async fn room(&self) {
        loop {
            let mut room = pin!(self.mailbox.room());
            room.as_mut().enable();
            if self.mailbox.has_room() {
                return;
            }
            room.await;
        }
    }
}
