//! Actors: where they live, which there are, and their end.

use drawloom_model::JobId;
use drawloom_proto::{FieldError, Rejection, v1};
use drawloom_scheduler_core::{ActorTarget, Event, Refusal, Scheduler};

use super::job_id;
use super::tasks::TaskName;
use crate::handle::Handle;
use crate::{rejection, wire};

/// An actor as a client names it.
enum ActorName {
    Name(String),
    Task { job: JobId, task: TaskName },
}

impl ActorName {
    fn of(wire: Option<v1::ActorName>) -> Result<Self, Rejection> {
        use v1::actor_name::Actor;
        match wire.and_then(|wire| wire.actor) {
            None => Err(FieldError::new("actor", "must be set").into()),
            Some(Actor::Name(name)) => Ok(ActorName::Name(name)),
            Some(Actor::Task(wire)) => {
                let task = TaskName::of(wire.task).map_err(|error| error.within("actor.task"))?;
                Ok(ActorName::Task { job: job_id(&wire.job)?, task })
            }
        }
    }

    fn target(self, scheduler: &Scheduler) -> Result<ActorTarget, Rejection> {
        match self {
            ActorName::Name(name) => Ok(ActorTarget::Name(name)),
            ActorName::Task { job, task } => {
                let unknown = || rejection::refused(&Refusal::UnknownJob { job });
                let key = scheduler.job_key(job).ok_or_else(unknown)?;
                let missing = || rejection::no_such_task(&job.to_string(), &task.to_string());
                let task = task.index(scheduler, key).ok_or_else(missing)?;
                Ok(ActorTarget::Task { job, task })
            }
        }
    }
}

/// Says where an actor lives.
pub(super) async fn locate(
    handle: &Handle,
    request: v1::LocateActorRequest,
) -> Result<v1::LocateActorReply, Rejection> {
    let name = ActorName::of(request.actor)?;
    let look = move |scheduler: &mut Scheduler, _| {
        let target = name.target(scheduler)?;
        let actor =
            scheduler.find_actor(&target).map_err(|refusal| rejection::refused(&refusal))?;
        let living = scheduler.locate_actor(actor);
        let address = living.and_then(|(executor, _)| scheduler.executor_address(executor));
        Ok(v1::LocateActorReply {
            actor: scheduler.actor(actor).map(wire::actor),
            incarnation: living.map(|(_, incarnation)| incarnation.into()),
            address: address.map(|address| address.to_string()).unwrap_or_default(),
        })
    };
    handle.query(look).await.map_err(rejection::stopped)?
}

/// Lets an actor end.
pub(super) async fn stop(
    handle: &Handle,
    request: v1::StopActorRequest,
) -> Result<v1::StopActorReply, Rejection> {
    let name = ActorName::of(request.actor)?;
    let target = handle.query(move |scheduler, _| name.target(scheduler)).await;
    let actor = target.map_err(rejection::stopped)??;
    let event = |request| Event::ActorStopRequested { request, actor };
    handle.ask(event).await.map_err(rejection::ask)?;
    Ok(v1::StopActorReply {})
}

/// Lists actors.
pub(super) async fn list(
    handle: &Handle,
    request: v1::ListActorsRequest,
) -> Result<v1::ListActorsReply, Rejection> {
    let job = if request.job.is_empty() { None } else { Some(job_id(&request.job)?) };
    let look = move |scheduler: &mut Scheduler, _| {
        let unknown = |job| rejection::refused(&Refusal::UnknownJob { job });
        let key = match job {
            Some(job) => Some(scheduler.job_key(job).ok_or_else(|| unknown(job))?),
            None => None,
        };
        let actors = scheduler.actors(key).into_iter().map(wire::actor).collect();
        Ok(v1::ListActorsReply { actors })
    };
    handle.query(look).await.map_err(rejection::stopped)?
}
