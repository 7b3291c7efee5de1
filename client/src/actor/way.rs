//! The way to one incarnation of an actor: over gRPC, or within the same process.

use std::future::Future;
use std::pin::Pin;

use drawloom_model::{Call, CallFault, Value};
use tokio::sync::oneshot;

/// An open way to an incarnation. Calls are begun in the order of handing over.
#[allow(missing_docs)]
pub trait Calls: Send + Sync {
    /// The most calls that may wait for the actor.
    fn mailbox(&self) -> u32;
    /// Hands a call over; it never waits.
    fn call(&self, call: Call) -> Outstanding;
    /// Gives a call up: one that has not begun is dropped.
    fn cancel(&self, id: u64);
    /// Waits until a call of this caller would find room.
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// Whether nothing more comes this way.
    fn is_closed(&self) -> bool;
}

/// A call that was handed over.
#[derive(Debug)]
pub struct Outstanding {
    /// Its number on this way.
    pub id: u64,
    /// Where its reply comes.
    pub reply: oneshot::Receiver<Result<Vec<Value>, CallFault>>,
}
