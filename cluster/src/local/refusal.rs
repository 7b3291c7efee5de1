//! Refusals, as clients know them: the same that they would hear over the wire.

use drawloom_client::{Error, TaskRef};
use drawloom_model::JobId;
use drawloom_scheduler::{AskError, SubmitError, rejection};
use drawloom_scheduler_core::Refusal;

pub(super) fn no_such_job(job: JobId) -> Error {
    rejection::refused(&Refusal::UnknownJob { job }).into()
}

pub(super) fn no_such_task(job: JobId, task: &TaskRef) -> Error {
    let task = match task {
        TaskRef::Index(index) => index.to_string(),
        TaskRef::Name(name) => format!("{name:?}"),
    };
    rejection::no_such_task(&job.to_string(), &task).into()
}

pub(super) fn ask(error: AskError) -> Error {
    match error {
        AskError::Stopped(_) => Error::Stopped,
        error => rejection::ask(error).into(),
    }
}

pub(super) fn submit(error: SubmitError) -> Error {
    match error {
        SubmitError::Stopped(_) => Error::Stopped,
        error => rejection::submit(error).into(),
    }
}
