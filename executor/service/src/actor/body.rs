//! What runs an actor's calls, whatever its kind.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use drawloom_executor_core::RoomFor;
use drawloom_model::{
    AttemptId, CHECKPOINT_LIMIT_BYTES, CallFault, Failure, FailureKind, FromExecutor, Value,
};
use tokio::sync::mpsc;

use super::delivery::{CallResult, Delivery, ReplyTo};
use super::mailbox::is_late;
use super::process::ProcessActor;
use super::types::{Actor, Context};
use crate::driver::News;
use crate::store::Store;

/// An incarnation that has begun.
pub(super) struct Body {
    incarnation: AttemptId,
    kind: Kind,
    /// Calls since its state was last kept, and after how many it is kept.
    calls: u32,
    checkpoint_every: Option<u32>,
    news: mpsc::UnboundedSender<News>,
    /// Where results of calls that are tasks belong.
    store: Arc<Store>,
    /// Why it goes no further.
    failure: Option<Failure>,
}

pub(super) enum Kind {
    Native(Box<dyn Actor>),
    Process(Box<ProcessActor>),
}

/// What became of the actor in a call.
pub(super) enum Step {
    /// It goes on.
    Goes,
    /// The incarnation is over.
    Broke(Failure),
}

/// Why a call has no result, and what that means for the actor.
pub(super) enum Trouble {
    /// The method failed; the actor goes on.
    Method(Failure),
    /// The incarnation is over.
    Incarnation(Failure),
    /// The call took too long, and the incarnation is over with it.
    TimedOut(Failure),
}

impl Body {
    pub(super) fn new(
        incarnation: AttemptId,
        kind: Kind,
        checkpoint_every: Option<u32>,
        news: mpsc::UnboundedSender<News>,
        store: Arc<Store>,
    ) -> Self {
        Body { incarnation, kind, calls: 0, checkpoint_every, news, store, failure: None }
    }

    /// Whether the call may run on a thread that has other things to do.
    pub(super) fn is_brief(&self, delivery: &Delivery) -> bool {
        // Room for a task's results may have to be waited for.
        if matches!(delivery.reply, ReplyTo::Task { .. }) {
            return false;
        }
        match &self.kind {
            Kind::Native(actor) => actor.is_brief(&delivery.method),
            Kind::Process(_) => false,
        }
    }

    /// Whether several calls may be taken at a time.
    pub(super) fn is_quick(&self) -> bool {
        matches!(self.kind, Kind::Native(_))
    }

    /// Runs a call and tells its caller.
    pub(super) fn run(&mut self, delivery: Delivery) -> Step {
        let Delivery { reply, deadline, .. } = &delivery;
        if reply.is_closed() {
            return Step::Goes;
        }
        if let Some((due, limit)) = *deadline
            && is_late(Some(due))
        {
            delivery.reply.fail(CallFault::TimedOut { limit });
            return Step::Goes;
        }
        let is_task = matches!(delivery.reply, ReplyTo::Task { .. });
        // The clock is read only for those who ask.
        let start = is_task.then(Instant::now);
        let result = match &mut self.kind {
            Kind::Native(actor) => run_native(&mut **actor, self.incarnation, &delivery),
            Kind::Process(process) => process.call(&delivery),
        };
        let run_time = start.map(|start| start.elapsed()).unwrap_or_default();
        let (result, step) = match result {
            Ok(values) => (Ok(values), Step::Goes),
            Err(Trouble::Method(failure)) => (Err(CallFault::Failed(failure)), Step::Goes),
            Err(Trouble::Incarnation(failure)) => {
                (Err(CallFault::Lost { why: failure.message.clone() }), Step::Broke(failure))
            }
            Err(Trouble::TimedOut(failure)) => {
                let limit = deadline.map(|(_, limit)| limit).unwrap_or_default();
                (Err(CallFault::TimedOut { limit }), Step::Broke(failure))
            }
        };
        // What was kept is at least as new as any reply that was sent.
        let step = match step {
            Step::Goes => self.count_call(),
            broke => broke,
        };
        let result = match delivery.reply {
            ReplyTo::Task { attempt, .. } => result.and_then(|values| self.settle(attempt, values)),
            ReplyTo::Local(_) | ReplyTo::Remote { .. } => result,
        };
        delivery.reply.send(result, run_time);
        step
    }

    /// Brings a task's results to where objects of their sizes belong.
    fn settle(&self, call: AttemptId, values: Vec<Value>) -> CallResult {
        let settle = |value: Value| {
            let room = RoomFor::Attempt(call);
            let data = self.store.settle_blocking(call.task.job, value.data, room);
            let data = data.map_err(|error| {
                let kind = FailureKind::OutOfMemory;
                CallFault::Failed(Failure::new(kind, error.to_string()))
            })?;
            Ok(Value { object_type: value.object_type, data })
        };
        values.into_iter().map(settle).collect()
    }

    fn count_call(&mut self) -> Step {
        let Some(every) = self.checkpoint_every else { return Step::Goes };
        self.calls += 1;
        if self.calls < every {
            return Step::Goes;
        }
        self.calls = 0;
        match self.checkpoint() {
            Ok(()) => Step::Goes,
            Err(failure) => Step::Broke(failure),
        }
    }

    /// Keeps the state for the next incarnation, if this kind of actor keeps any.
    ///
    /// # Errors
    /// The incarnation broke.
    pub(super) fn checkpoint(&mut self) -> Result<(), Failure> {
        let state = match &mut self.kind {
            Kind::Native(actor) => {
                catch_unwind(AssertUnwindSafe(|| actor.checkpoint())).map_err(panicked)?
            }
            Kind::Process(process) => match process.checkpoint() {
                Ok(state) => Ok(state),
                Err(Trouble::Method(failure)) => Err(failure),
                Err(Trouble::Incarnation(failure) | Trouble::TimedOut(failure)) => {
                    return Err(failure);
                }
            },
        };
        let incarnation = self.incarnation;
        match state {
            Ok(Some(state)) if state.data.len() <= CHECKPOINT_LIMIT_BYTES => {
                let kept = FromExecutor::Checkpointed { attempt: incarnation, state };
                let _ = self.news.send(News::ActorSaid(kept));
            }
            Ok(Some(state)) => {
                let bytes = state.data.len();
                tracing::warn!(
                    ?incarnation,
                    bytes,
                    limit = CHECKPOINT_LIMIT_BYTES,
                    "an actor's state is too large to be kept"
                );
            }
            Ok(None) => {}
            Err(failure) => tracing::warn!(?incarnation, %failure, "an actor's state was not kept"),
        }
        Ok(())
    }

    /// Whether its state is kept at all.
    pub(super) fn keeps_state(&self) -> bool {
        self.checkpoint_every.is_some()
    }

    /// Ends it well.
    pub(super) fn stop(self) {
        match self.kind {
            Kind::Native(actor) => drop(catch_unwind(AssertUnwindSafe(|| drop(actor)))),
            Kind::Process(process) => process.stop(),
        }
    }

    /// Ends it at once; how its process ended, where it has one.
    pub(super) fn end(self) -> String {
        match self.kind {
            Kind::Native(actor) => {
                drop(catch_unwind(AssertUnwindSafe(|| drop(actor))));
                String::new()
            }
            Kind::Process(mut process) => process.end(),
        }
    }

    /// The same, which goes no further for this reason.
    pub(super) fn broken(mut self, failure: Failure) -> Self {
        self.failure.get_or_insert(failure);
        self
    }

    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }
}

fn run_native(
    actor: &mut dyn Actor,
    incarnation: AttemptId,
    delivery: &Delivery,
) -> Result<Vec<Value>, Trouble> {
    static WANTED: AtomicBool = AtomicBool::new(false);
    let cancelled = delivery.cancellation.as_ref().map_or(&WANTED, |c| c.flag());
    let mut context = Context { incarnation, attributes: &delivery.attributes, cancelled };
    let call = || actor.call(&delivery.method, &delivery.arguments, &mut context);
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Trouble::Method),
        Err(panic) => Err(Trouble::Incarnation(panicked(panic))),
    }
}

/// What a panic means.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("the actor panicked: {}", text.unwrap_or("no message"));
    Failure::new(FailureKind::Application, message)
}
