//! Calls: described, started, awaited.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use drawloom_model::{AttemptId, Attributes, Call, CallArgument, CallFault, Value, WhenFull};
use tokio::time::Sleep;

use super::error::CallError;
use super::handle::{ActorHandle, Way};
use super::way::Outstanding;
use crate::IntoAttribute;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Outcome = Result<Vec<Value>, CallError>;

/// A call that is being described.
#[must_use = "nothing is called before `start` or `.await`"]
#[derive(Debug)]
pub struct CallBuilder<'a> {
    handle: &'a ActorHandle,
    call: Call,
    retries: u32,
}

impl<'a> CallBuilder<'a> {
    pub(super) fn new(handle: &'a ActorHandle, method: String) -> Self {
        let call = Call {
            method,
            attributes: Attributes::new(),
            arguments: Vec::new(),
            timeout: None,
            when_full: WhenFull::Refuse,
        };
        CallBuilder { handle, call, retries: 0 }
    }

    /// The next argument.
    pub fn arg(mut self, value: Value) -> Self {
        self.call.arguments.push(CallArgument::Value(value));
        self
    }

    /// The next arguments.
    pub fn args(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.call.arguments.extend(values.into_iter().map(CallArgument::Value));
        self
    }

    /// A constant beside the arguments.
    pub fn attribute(mut self, name: impl Into<String>, value: impl IntoAttribute) -> Self {
        self.call.attributes.insert(name.into(), value.into_attribute());
        self
    }

    /// Constants beside the arguments.
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.call.attributes.extend(attributes);
        self
    }

    /// How long the call may take, its wait in the mailbox included. A process that does not
    /// answer in time is killed, and its incarnation ends.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.call.timeout = Some(limit);
        self
    }

    /// How often the call is tried again when its incarnation ends while it has the call, which
    /// may have had its effect. A call that never ran is always sent again.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Starts the call without waiting: where the mailbox is full, the call is refused.
    pub fn start(self) -> PendingCall {
        PendingCall::start(self.handle.clone(), self.call, self.retries)
    }

    /// Starts the call once fewer calls of this handle are outstanding than the mailbox holds;
    /// should other callers have filled it, the call waits at the executor.
    pub async fn start_when_room(mut self) -> PendingCall {
        self.call.when_full = WhenFull::Wait;
        if let Some(way) = self.handle.way() {
            way.calls.room().await;
        }
        self.start()
    }
}

impl<'a> IntoFuture for CallBuilder<'a> {
    type Output = Outcome;
    type IntoFuture = PendingCall;

    fn into_future(self) -> PendingCall {
        self.start()
    }
}

/// A call that was started; awaiting it gives what the method gave. Dropping it leaves the call to
/// run.
#[must_use = "the result comes by `.await`"]
pub struct PendingCall {
    handle: ActorHandle,
    call: Call,
    retries: u32,
    stage: Stage,
    timer: Option<Pin<Box<Sleep>>>,
}

enum Stage {
    /// Handed over.
    Sent { way: Way, outstanding: Outstanding },
    /// The actor is looked for, to be called there.
    Searching { search: Boxed<Result<Way, CallError>> },
}

impl std::fmt::Debug for PendingCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let handle = (self.handle.name(), &self.call.method);
        f.debug_tuple("PendingCall").field(&handle).finish()
    }
}

impl PendingCall {
    fn start(handle: ActorHandle, call: Call, retries: u32) -> Self {
        let stage = match handle.way() {
            Some(way) => Stage::Sent { outstanding: way.calls.call(call.clone()), way },
            None => Stage::Searching { search: search(&handle, None) },
        };
        let timer = call.timeout.map(|limit| Box::pin(tokio::time::sleep(limit)));
        PendingCall { handle, call, retries, stage, timer }
    }

    /// Gives the call up: it is dropped if it has not begun.
    pub fn cancel(self) {
        self.withdraw();
    }

    fn withdraw(&self) {
        if let Stage::Sent { way, outstanding } = &self.stage {
            way.calls.cancel(outstanding.id);
        }
    }

    /// Whether the call is to be sent again after this fault.
    fn goes_again(&mut self, fault: &CallFault) -> bool {
        match fault {
            CallFault::NotHere { .. } => true,
            CallFault::Lost { .. } if self.retries > 0 => {
                self.retries -= 1;
                true
            }
            _ => false,
        }
    }

    fn timed_out(&mut self, context: &mut Context<'_>) -> bool {
        self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_ready())
    }

    fn fault(&self, way: &Way, fault: CallFault) -> CallError {
        CallError::Fault {
            actor: self.handle.name().clone(),
            incarnation: way.living.incarnation.number,
            executor: way.living.executor,
            fault,
        }
    }

    fn too_late(&self) -> CallError {
        self.withdraw();
        let limit = self.call.timeout.unwrap_or_default();
        let fault = CallFault::TimedOut { limit };
        match (&self.stage, self.handle.way()) {
            (Stage::Sent { way, .. }, _) => self.fault(way, fault),
            (Stage::Searching { .. }, Some(way)) => self.fault(&way, fault),
            (Stage::Searching { .. }, None) => CallError::Fault {
                actor: self.handle.name().clone(),
                incarnation: 0,
                executor: Default::default(),
                fault,
            },
        }
    }
}

fn search(handle: &ActorHandle, lost: Option<AttemptId>) -> Boxed<Result<Way, CallError>> {
    let handle = handle.clone();
    Box::pin(async move { handle.find(lost).await })
}

impl Future for PendingCall {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                Stage::Sent { way, outstanding } => {
                    let Poll::Ready(reply) = Pin::new(&mut outstanding.reply).poll(context) else {
                        break;
                    };
                    let way = way.clone();
                    let gone = || CallFault::Lost { why: "the connection has ended".to_owned() };
                    let fault = match reply.unwrap_or_else(|_| Err(gone())) {
                        Ok(values) => return Poll::Ready(Ok(values)),
                        Err(fault) => fault,
                    };
                    if !this.goes_again(&fault) {
                        return Poll::Ready(Err(this.fault(&way, fault)));
                    }
                    let lost = Some(way.living.incarnation);
                    this.stage = Stage::Searching { search: search(&this.handle, lost) };
                }
                Stage::Searching { search } => {
                    let Poll::Ready(found) = search.as_mut().poll(context) else { break };
                    let way = found?;
                    let outstanding = way.calls.call(this.call.clone());
                    this.stage = Stage::Sent { way, outstanding };
                }
            }
        }
        if this.timed_out(context) { Poll::Ready(Err(this.too_late())) } else { Poll::Pending }
    }
}
