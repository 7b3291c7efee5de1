//! Where an object is.

use std::sync::Arc;

use drawloom_model::{JobId, ObjectId, ObjectKey, TaskKey};
use drawloom_proto::{FieldError, Rejection, v1};
use drawloom_scheduler_core::{ObjectState, ObjectSummary, Refusal, Scheduler};
use tonic::Code;

use super::job_id;
use super::tasks::TaskName;
use crate::handle::Handle;
use crate::{rejection, wire};

/// An object as a client names it.
pub(super) enum ObjectName {
    Put(ObjectId),
    Output { job: JobId, name: String },
    Task { job: JobId, task: TaskName, output: u32 },
}

/// An object that is there, and where.
pub(super) struct Located {
    pub object: ObjectSummary,
    /// Executors that hold it and can be reached.
    pub addresses: Vec<Arc<str>>,
}

impl ObjectName {
    pub(super) fn of(wire: Option<v1::ObjectRef>) -> Result<Self, Rejection> {
        use v1::object_ref::Object;
        match wire.and_then(|wire| wire.object) {
            None => Err(FieldError::new("object", "must be set").into()),
            Some(Object::Put(text)) => {
                let id = text.parse().map_err(|error| FieldError::new("object.put", error))?;
                Ok(ObjectName::Put(id))
            }
            Some(Object::Output(output)) => {
                Ok(ObjectName::Output { job: job_id(&output.job)?, name: output.name })
            }
            Some(Object::Task(wire)) => {
                let task = TaskName::of(wire.task).map_err(|error| error.within("object.task"))?;
                Ok(ObjectName::Task { job: job_id(&wire.job)?, task, output: wire.output })
            }
        }
    }

    /// The object, if it is there.
    pub(super) fn locate(&self, scheduler: &Scheduler) -> Result<Located, Rejection> {
        let key = self.key(scheduler)?;
        let object = scheduler.object(key).ok_or_else(|| unavailable(ObjectState::Dropped))?;
        if object.state != ObjectState::Available {
            return Err(unavailable(object.state));
        }
        let address = |executor: &_| scheduler.executor_address(*executor);
        let addresses = object.holders.iter().filter_map(address);
        let addresses = addresses.filter(|address| !address.is_empty()).collect();
        Ok(Located { object, addresses })
    }

    fn key(&self, scheduler: &Scheduler) -> Result<ObjectKey, Rejection> {
        let job_key = |job: JobId| {
            let unknown = || rejection::refused(&Refusal::UnknownJob { job });
            scheduler.job_key(job).ok_or_else(unknown)
        };
        let missing = |message| Rejection::new(Code::NotFound, message).with_field("object");
        match self {
            ObjectName::Put(object) => scheduler
                .put_object_key(*object)
                .ok_or_else(|| rejection::refused(&Refusal::UnknownObject { object: *object })),
            ObjectName::Output { job, name } => {
                let missing = || missing(format!("{job} has no output {name:?}"));
                scheduler.output_named(job_key(*job)?, name).ok_or_else(missing)
            }
            ObjectName::Task { job, task, output } => {
                let key = job_key(*job)?;
                let index = task
                    .index(scheduler, key)
                    .ok_or_else(|| rejection::no_such_task(&job.to_string(), &task.to_string()))?;
                let task_key = TaskKey { job: key, index };
                let object = u16::try_from(*output).ok();
                object
                    .and_then(|output| scheduler.output_key(task_key, output))
                    .ok_or_else(|| missing(format!("task {task} of {job} has no output {output}")))
            }
        }
    }
}

/// Finds an object that is there.
pub(super) async fn find(
    handle: &Handle,
    wire: Option<v1::ObjectRef>,
) -> Result<Located, Rejection> {
    let name = ObjectName::of(wire)?;
    let look = move |scheduler: &mut Scheduler, _| name.locate(scheduler);
    handle.query(look).await.map_err(rejection::stopped)?
}

fn unavailable(state: ObjectState) -> Rejection {
    let message = match state {
        ObjectState::Pending => "the task that makes the object has not ended yet",
        ObjectState::NeverMade => "the task that makes the object did not succeed",
        ObjectState::Dropped | ObjectState::Available => {
            "the object was dropped after its last use; name it as an output to keep it"
        }
    };
    Rejection::new(Code::FailedPrecondition, message).with_field("object")
}

/// Says where an object is, or sends it when it is small.
pub(super) async fn locate(
    handle: &Handle,
    request: v1::LocateObjectRequest,
) -> Result<v1::LocateObjectReply, Rejection> {
    Ok(reply(find(handle, request.object).await?))
}

/// Where an object is, as it goes over the wire.
pub(super) fn reply(located: Located) -> v1::LocateObjectReply {
    let Located { object, addresses } = located;
    v1::LocateObjectReply {
        key: Some(object.key.into()),
        view: Some(wire::object(&object)),
        inline: object.inline.map(Into::into),
        addresses: addresses.iter().map(|address| address.to_string()).collect(),
    }
}
