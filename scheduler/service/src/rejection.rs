//! Every way to say no, as a code, a message and a field.

use drawloom_model::GraphError;
use drawloom_proto::Rejection;
use drawloom_scheduler_core::Refusal;
use tonic::Code;

use crate::handle::{AskError, Stopped};
use crate::log::BeyondEvents;
use crate::submit::SubmitError;

/// What a client hears when the scheduler stops.
pub fn stopped(stopped: Stopped) -> Rejection {
    Rejection::new(Code::Unavailable, stopped.to_string())
}

/// What a client hears of the core's refusal.
pub fn refused(refusal: &Refusal) -> Rejection {
    let (code, field) = match refusal {
        Refusal::Impossible { index, .. } => {
            let field = format!("graph.tasks[{index}]");
            return Rejection::new(Code::FailedPrecondition, refusal.to_string()).with_field(field);
        }
        Refusal::ImpossibleGang { index, .. } => {
            let field = format!("graph.gangs[{index}]");
            return Rejection::new(Code::FailedPrecondition, refusal.to_string()).with_field(field);
        }
        Refusal::UnknownJob { .. } => (Code::NotFound, "job"),
        Refusal::UnknownTask { .. } => (Code::NotFound, "tasks"),
        Refusal::UnknownObject { .. } => (Code::NotFound, "object"),
        Refusal::UnknownExecutor { .. } => (Code::NotFound, "executor"),
        Refusal::JobEnded { .. } | Refusal::JobSealed { .. } => (Code::FailedPrecondition, "job"),
        Refusal::NotRunning { .. } | Refusal::WaitsForItself { .. } => {
            (Code::FailedPrecondition, "waiter")
        }
        Refusal::WrongFirstTask { .. } => (Code::FailedPrecondition, "first_task"),
        Refusal::ObjectDropped { .. } => (Code::FailedPrecondition, "graph.tasks"),
        Refusal::DuplicateName { .. } => (Code::InvalidArgument, "graph"),
        Refusal::TokenReused { .. } => (Code::AlreadyExists, "header.token"),
        Refusal::ActorNameTaken { .. } => (Code::AlreadyExists, "graph.templates"),
        Refusal::UnknownActor { .. } => (Code::NotFound, "actor"),
        Refusal::NotAnActor { .. } => (Code::FailedPrecondition, "actor"),
        Refusal::WaitsForActor { .. } => (Code::InvalidArgument, "graph.tasks"),
    };
    Rejection::new(code, refusal.to_string()).with_field(field)
}

/// What a client hears when something asked for is not done.
pub fn ask(error: AskError) -> Rejection {
    match error {
        AskError::Refused(refusal) => refused(&refusal),
        AskError::Stopped(error) => stopped(error),
    }
}

/// What a client hears that has seen more of a job than there is.
pub fn beyond_events(error: BeyondEvents) -> Rejection {
    Rejection::new(Code::OutOfRange, error.to_string()).with_field("from_seq")
}

/// What a client hears when its graph is not taken.
pub fn submit(error: SubmitError) -> Rejection {
    match error {
        SubmitError::Refused(refusal) => refused(&refusal),
        SubmitError::Stopped(error) => stopped(error),
        SubmitError::Types(error) => {
            Rejection::new(Code::InvalidArgument, error.to_string()).with_field("graph.tasks")
        }
        SubmitError::Structure(error) => structure(&error),
    }
}

fn structure(error: &GraphError) -> Rejection {
    let (code, field) = match error {
        GraphError::TooManyTasks { .. }
        | GraphError::TooManyTaskEdges { .. }
        | GraphError::TooManyEdges { .. }
        | GraphError::TooManyOutputs { .. } => (Code::ResourceExhausted, "graph.tasks".to_owned()),
        GraphError::BadTemplate { template, field, .. } => {
            (Code::InvalidArgument, format!("graph.templates[{template}].{field}"))
        }
        GraphError::BadLiteral { index, .. } => {
            (Code::InvalidArgument, format!("graph.literals[{index}]"))
        }
        GraphError::BadGang { index, field, .. } => {
            (Code::InvalidArgument, format!("graph.gangs[{index}].{field}"))
        }
        GraphError::DuplicateName { .. }
        | GraphError::NameTooLong { .. }
        | GraphError::UnknownTemplate { .. }
        | GraphError::UnknownReference { .. }
        | GraphError::UnknownOutput { .. }
        | GraphError::BadActor { .. }
        | GraphError::Cycle { .. } => (Code::InvalidArgument, "graph.tasks".to_owned()),
    };
    Rejection::new(code, error.to_string()).with_field(field)
}

/// A client named a task that the job does not have.
pub fn no_such_task(job: &str, task: &str) -> Rejection {
    Rejection::new(Code::NotFound, format!("{job} has no task {task}")).with_field("task")
}
