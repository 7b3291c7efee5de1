//! The actors that live here, by incarnation, and the threads that run them.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use drawloom_executor_core::Cores;
use drawloom_model::{
    ActorKind, ActorPart, ActorSpec, Assignment, AttemptId, CallFault, Failure, FailureKind,
    ResourceRequest, Value,
};
use tokio::sync::mpsc;

use super::body::{Body, Kind, panicked};
use super::mailbox::{Mailbox, Over};
use super::process::{Launch, ProcessActor};
use super::types::{ActorTypes, Construction};
use crate::cancellation::Cancellation;
use crate::driver::News;
use crate::quarters::Quarters;
use crate::runner::{self, Completion, Inherited, Place, Prepared, Scratch};
use crate::store::Store;

/// The actors of an executor. Clones share them.
#[derive(Clone)]
pub(crate) struct Actors {
    shared: Arc<Shared>,
}

struct Shared {
    types: ActorTypes,
    store: Arc<Store>,
    quarters: Arc<Quarters>,
    living: Mutex<HashMap<AttemptId, Arc<Mailbox>>>,
}

/// An incarnation that is to begin.
pub(crate) struct Start {
    pub assignment: Box<Assignment>,
    pub spec: Box<ActorSpec>,
    pub request: ResourceRequest,
    pub arguments: Vec<Value>,
    pub cores: Cores,
    pub cancellation: Arc<Cancellation>,
    pub news: mpsc::UnboundedSender<News>,
}

impl Actors {
    pub(crate) fn new(store: Arc<Store>, quarters: Arc<Quarters>) -> Self {
        let types = quarters.config.actors.clone();
        Actors { shared: Arc::new(Shared { types, store, quarters, living: Mutex::default() }) }
    }

    /// The mailbox of an incarnation that is here.
    pub(crate) fn find(&self, incarnation: AttemptId) -> Option<Arc<Mailbox>> {
        self.shared.living().get(&incarnation).cloned()
    }

    /// Begins an incarnation on a thread of its own. That it began, and how it ended, goes to the
    /// driver.
    pub(crate) fn start(&self, start: Start) {
        let incarnation = start.assignment.attempt;
        let cancellation = Arc::clone(&start.cancellation);
        let mailbox = Arc::new(Mailbox::new(incarnation, start.spec.mailbox, cancellation));
        self.shared.living().insert(incarnation, Arc::clone(&mailbox));
        let shared = Arc::clone(&self.shared);
        let news = start.news.clone();
        let thread = std::thread::Builder::new().name("drawloom-actor".to_owned());
        let spawned = thread.spawn(move || shared.live(start, &mailbox));
        if let Err(error) = spawned {
            self.shared.living().remove(&incarnation);
            let message = format!("there is no thread for the actor: {error}");
            let result = Err(Failure::new(FailureKind::Spawn, message));
            let run_time = Default::default();
            let _ =
                news.send(News::Completed(Completion { attempt: incarnation, result, run_time }));
        }
    }
}

impl Shared {
    fn living(&self) -> MutexGuard<'_, HashMap<AttemptId, Arc<Mailbox>>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An incarnation's whole life.
    fn live(&self, start: Start, mailbox: &Arc<Mailbox>) {
        let begun = Instant::now();
        let (incarnation, news) = (start.assignment.attempt, start.news.clone());
        metrics::gauge!("executor_actors").increment(1.0);
        let result = match self.begin(&start, mailbox) {
            Ok(body) => {
                let _ = news.send(News::ActorStarted { attempt: incarnation });
                mailbox.begin(body);
                end(mailbox.serve(), mailbox)
            }
            Err(failure) => Err(failure),
        };
        metrics::gauge!("executor_actors").decrement(1.0);
        self.living().remove(&incarnation);
        tracing::debug!(?incarnation, ok = result.is_ok(), "an actor's incarnation has ended");
        // Its calls are given back once it is known that it has ended.
        let completion = Completion {
            attempt: incarnation,
            result: result.map(|()| Vec::new()),
            run_time: begun.elapsed(),
        };
        let _ = news.send(News::Completed(completion));
        for delivery in mailbox.close() {
            delivery.reply.fail(CallFault::NotHere { incarnation });
        }
    }

    /// Makes the actor and gives it the state that is kept for it.
    fn begin(&self, start: &Start, mailbox: &Arc<Mailbox>) -> Result<Body, Failure> {
        let incarnation = start.assignment.attempt;
        let state = match start.assignment.actor.as_deref() {
            Some(ActorPart::Restore(state)) => Some(state),
            Some(ActorPart::Callee(_)) | None => None,
        };
        let kind = match &start.spec.kind {
            ActorKind::Native { type_name, attributes } => {
                let construction = Construction {
                    incarnation,
                    job: start.assignment.job_id,
                    attributes,
                    arguments: &start.arguments,
                };
                let make = || {
                    let mut actor = self.types.create(type_name, &construction)?;
                    state.map_or(Ok(()), |state| actor.restore(state))?;
                    Ok(actor)
                };
                Kind::Native(catch_unwind(AssertUnwindSafe(make)).map_err(panicked)??)
            }
            ActorKind::Process(_) if !self.quarters.config.runs_processes => {
                let message = "this executor runs no processes";
                return Err(Failure::new(FailureKind::Spawn, message));
            }
            ActorKind::Process(process) => {
                let place = Place {
                    attempt: incarnation,
                    job: start.assignment.job_id,
                    devices: &start.assignment.devices,
                    cores: &start.cores,
                    request: &start.request,
                };
                let scratch = Scratch::new(process, &self.quarters)?;
                let none = Inherited::default();
                let Prepared { mut command, confinement, group } =
                    runner::prepare(process, &place, &scratch, &self.quarters, none)?;
                runner::confine(&mut command, confinement);
                let launch = Launch { command, group, scratch };
                let mut child = ProcessActor::start(launch, mailbox)
                    .map_err(|error| runner::not_started(process, &start.request, &error))?;
                child.begin(incarnation.number, &Default::default(), &start.arguments, state)?;
                Kind::Process(Box::new(child))
            }
        };
        let every = start.spec.checkpoint_every;
        Ok(Body::new(incarnation, kind, every, start.news.clone(), Arc::clone(&self.store)))
    }
}

/// Ends the body as it should; how the incarnation ended.
fn end(over: Over, mailbox: &Mailbox) -> Result<(), Failure> {
    match over {
        Over::Stopped(mut body) => {
            let kept = if body.keeps_state() { body.checkpoint() } else { Ok(()) };
            body.stop();
            kept
        }
        Over::Broken(mut body) => {
            let failure = body.take_failure();
            let told = body.end();
            if mailbox.cancellation.is_cancelled() {
                return Err(Failure::new(FailureKind::Application, "the actor was killed"));
            }
            Err(failure.unwrap_or_else(|| {
                let message = format!("the actor's process has exited: {told}");
                Failure::new(FailureKind::Application, message)
            }))
        }
    }
}
