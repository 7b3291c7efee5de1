//! Actors of a cluster in the same process, called without a wire in between.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use drawloom_client::{
    ActorName, ActorPlace, ActorView, Calls, Code, Error, Living, Outstanding, connect_calls,
};
use drawloom_executor::LocalActor;
use drawloom_model::{Call, JobId, Lifetime};
use drawloom_scheduler_core::{ActorSummary, ActorTarget, Event, Scheduler};

use super::{Local, convert, job_key, refusal, task_key};

pub(super) async fn locate(local: &Local, actor: ActorName) -> Result<ActorPlace, Error> {
    let look = move |scheduler: &mut Scheduler, _| {
        let target = target(scheduler, actor)?;
        let key = scheduler.find_actor(&target).map_err(|refused| refusal::ask(refused.into()))?;
        let gone = || Error::refused(Code::NotFound, "the actor's job is gone");
        let actor = scheduler.actor(key).map(view).ok_or_else(gone)?;
        let living = scheduler.locate_actor(key).map(|(executor, incarnation)| {
            let address = scheduler.executor_address(executor);
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            Living { incarnation, executor, address }
        });
        Ok(ActorPlace { actor, living })
    };
    local.query(look).await
}

pub(super) async fn open_calls(local: &Local, living: Living) -> Result<Arc<dyn Calls>, Error> {
    if living.executor != local.executor {
        return connect_calls(living).await;
    }
    let gone = || Error::refused(Code::NotFound, "the incarnation is no longer there");
    let actor = local.actors.find(living.incarnation).ok_or_else(gone)?;
    Ok(Arc::new(Here { actor }))
}

pub(super) async fn stop(local: &Local, actor: ActorName) -> Result<(), Error> {
    let actor = local.query(move |scheduler, _| target(scheduler, actor)).await?;
    local.ask(|request| Event::ActorStopRequested { request, actor }).await?;
    Ok(())
}

pub(super) async fn list(local: &Local, job: Option<JobId>) -> Result<Vec<ActorView>, Error> {
    let look = move |scheduler: &mut Scheduler, _| {
        let key = job.map(|job| job_key(scheduler, job)).transpose()?;
        Ok(scheduler.actors(key).into_iter().map(view).collect())
    };
    local.query(look).await
}

fn target(scheduler: &Scheduler, actor: ActorName) -> Result<ActorTarget, Error> {
    match actor {
        ActorName::Name(name) => Ok(ActorTarget::Name(name)),
        ActorName::Task { job, task } => {
            let task = task_key(scheduler, job, &task)?.index;
            Ok(ActorTarget::Task { job, task })
        }
    }
}

fn view(actor: ActorSummary) -> ActorView {
    ActorView {
        job: actor.job,
        task: actor.task.index,
        task_name: actor.task_name,
        name: actor.name,
        kind: actor.kind,
        state: convert::task_state(actor.state),
        incarnation: actor.incarnation,
        executor: actor.executor,
        detached: actor.lifetime == Lifetime::Detached,
        stopping: actor.stopping,
        calls_waiting: actor.calls_waiting,
        calls_sent: actor.calls_sent,
        restarts: actor.restarts,
        checkpoint_bytes: actor.checkpoint_bytes,
        failure: actor.failure,
    }
}

/// An actor in this process.
struct Here {
    actor: LocalActor,
}

impl Calls for Here {
    fn mailbox(&self) -> u32 {
        self.actor.mailbox()
    }

    fn call(&self, call: Call) -> Outstanding {
        Outstanding { id: 0, reply: self.actor.call(call) }
    }

    /// A call whose reply nobody waits for is not begun: dropping the receiver is enough.
    fn cancel(&self, _id: u64) {}

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.actor.room())
    }

    fn is_closed(&self) -> bool {
        false
    }
}
