//! Every way to say no, as clients know it.

use drawloom_client::{Code, Error, TaskRef};
use drawloom_model::{GraphError, JobId};
use drawloom_scheduler::{AskError, SubmitError};
use drawloom_scheduler_core::Refusal;

pub(super) fn no_such_job(job: JobId) -> Error {
    refused(&Refusal::UnknownJob { job })
}

pub(super) fn no_such_task(job: JobId, task: &TaskRef) -> Error {
    let task = match task {
        TaskRef::Index(index) => index.to_string(),
        TaskRef::Name(name) => format!("{name:?}"),
    };
    Error::refused(Code::NotFound, format!("{job} has no task {task}"))
}

pub(super) fn ask(error: AskError) -> Error {
    match error {
        AskError::Refused(refusal) => refused(&refusal),
        AskError::Stopped(_) => Error::Stopped,
    }
}

pub(super) fn submit(error: SubmitError) -> Error {
    match error {
        SubmitError::Refused(refusal) => refused(&refusal),
        SubmitError::Stopped(_) => Error::Stopped,
        SubmitError::Types(error) => Error::refused(Code::InvalidArgument, error.to_string()),
        SubmitError::Structure(error) => {
            let code = match error {
                GraphError::TooManyTasks { .. }
                | GraphError::TooManyEdges { .. }
                | GraphError::TooManyOutputs { .. } => Code::ResourceExhausted,
                _ => Code::InvalidArgument,
            };
            Error::refused(code, error.to_string())
        }
    }
}

fn refused(refusal: &Refusal) -> Error {
    let code = match refusal {
        Refusal::UnknownJob { .. }
        | Refusal::UnknownTask { .. }
        | Refusal::UnknownObject { .. }
        | Refusal::UnknownExecutor { .. } => Code::NotFound,
        Refusal::JobEnded { .. }
        | Refusal::WrongFirstTask { .. }
        | Refusal::ObjectDropped { .. }
        | Refusal::Impossible { .. } => Code::FailedPrecondition,
        Refusal::DuplicateName { .. } => Code::InvalidArgument,
        Refusal::TokenReused { .. } => Code::AlreadyExists,
    };
    Error::refused(code, refusal.to_string())
}
