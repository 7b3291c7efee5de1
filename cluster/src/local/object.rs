//! Objects between a client and the executor beside it; their bytes are shared.

use drawloom_client::{Code, Error, ListedObject, ObjectRef, Page, PageRequest, TaskRef};
use drawloom_model::{INLINE_LIMIT_BYTES, JobId, ObjectId, ObjectKey, ObjectReport, Value};
use drawloom_scheduler_core::{Event, ObjectState, Refusal, Scheduler};

use super::refusal::{ask, no_such_task};
use super::{Local, convert, job_key, page, page_of, task_key};

/// Small objects stay with the scheduler, large ones go to the executor.
pub(super) async fn put(local: &Local, value: Value) -> Result<ObjectId, Error> {
    let object = ObjectId(fastrand::u128(..));
    if value.data.len() <= INLINE_LIMIT_BYTES {
        local.ask(|request| Event::ObjectPut { request, object, value }).await?;
        return Ok(object);
    }
    let key = local.query(|scheduler, _| Ok(scheduler.reserve_object())).await?;
    let object_type = value.object_type.clone();
    let size_bytes = value.data.len() as u64;
    local
        .objects
        .put(key, value)
        .await
        .map_err(|full| Error::refused(Code::ResourceExhausted, full.to_string()))?;
    let executor = local.executor;
    let report = ObjectReport::Stored { object_type, size_bytes };
    local.ask(|request| Event::ObjectStored { request, object, key, executor, report }).await?;
    Ok(object)
}

pub(super) async fn get(local: &Local, object: ObjectRef) -> Result<Value, Error> {
    let (key, inline) = local.query(move |scheduler, _| find(scheduler, &object)).await?;
    let found = match inline {
        Some(value) => Some(value),
        None => {
            let read = local.objects.read(key).await;
            read.map_err(|why| Error::refused(Code::DataLoss, why))?
        }
    };
    found.ok_or_else(|| Error::refused(Code::Unavailable, "the object is no longer there"))
}

/// A page of what was put and what the executor holds.
pub(super) fn list(
    scheduler: &Scheduler,
    job: Option<JobId>,
    wanted: &PageRequest,
) -> Result<Page<ListedObject>, Error> {
    let (size, after) = page_of::<u128>(wanted)?;
    let job = job.map(|job| job_key(scheduler, job)).transpose()?;
    let objects = scheduler.objects_after(after.map(ObjectKey::from_bits), job, size + 1);
    let Page { items, next } = page(objects, size, |object| object.summary.key.to_bits());
    Ok(Page { items: items.into_iter().map(convert::listed_object).collect(), next })
}

/// An object that is there: its key, and itself where the scheduler has it.
fn find(scheduler: &Scheduler, object: &ObjectRef) -> Result<(ObjectKey, Option<Value>), Error> {
    let key = key_of(scheduler, object)?;
    let gone = || Error::refused(Code::NotFound, format!("{} is gone", describe(object)));
    let summary = scheduler.object(key).ok_or_else(gone)?;
    let because = match summary.state {
        ObjectState::Available => return Ok((key, summary.inline)),
        ObjectState::Pending => "is not there yet: the task that makes it has not ended",
        ObjectState::Dropped => {
            "was dropped after its last use; name it as an output of the job to keep it"
        }
        ObjectState::NeverMade => "was never made: its task did not succeed",
    };
    let message = format!("{} {because}", describe(object));
    Err(Error::refused(Code::FailedPrecondition, message))
}

fn key_of(scheduler: &Scheduler, object: &ObjectRef) -> Result<ObjectKey, Error> {
    match object {
        ObjectRef::Put(id) => scheduler
            .put_object_key(*id)
            .ok_or_else(|| ask(Refusal::UnknownObject { object: *id }.into())),
        ObjectRef::Output { job, name } => scheduler
            .output_named(job_key(scheduler, *job)?, name)
            .ok_or_else(|| Error::refused(Code::NotFound, format!("{job} has no output {name:?}"))),
        ObjectRef::Task { job, task, output } => {
            let key = task_key(scheduler, *job, task)?;
            scheduler.output_key(key, *output).ok_or_else(|| match scheduler.task(key) {
                Some(_) => {
                    let message = format!("{} does not exist", describe(object));
                    Error::refused(Code::NotFound, message)
                }
                None => no_such_task(*job, task),
            })
        }
    }
}

fn describe(object: &ObjectRef) -> String {
    match object {
        ObjectRef::Put(id) => id.to_string(),
        ObjectRef::Output { job, name } => format!("output {name:?} of {job}"),
        ObjectRef::Task { job, task: TaskRef::Index(index), output } => {
            format!("output {output} of task {index} of {job}")
        }
        ObjectRef::Task { job, task: TaskRef::Name(name), output } => {
            format!("output {output} of task {name:?} of {job}")
        }
    }
}
