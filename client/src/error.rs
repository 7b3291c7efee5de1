//! What can go wrong, as far as a caller can do something about it.

use drawloom_model::JobId;
use drawloom_proto::{FieldError, Rejection};
use tonic::Code;

use crate::{TaskError, WrongType};

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint cannot be understood.
    #[error("endpoint {endpoint:?}: {reason}; expected http://HOST:PORT or unix:/PATH")]
    BadEndpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The scheduler cannot be reached, or the connection broke.
    #[error("the scheduler at {endpoint} cannot be reached: {reason}")]
    Unreachable {
        /// Where it was expected.
        endpoint: String,
        /// What happened.
        reason: String,
    },
    /// A task did not succeed.
    #[error(transparent)]
    Task(Box<TaskError>),
    /// The connection broke, and the scheduler that answers now does not know the job.
    #[error(
        "{job} is lost: the scheduler no longer knows it; it was restarted, or has forgotten it"
    )]
    JobLost {
        /// The job.
        job: JobId,
    },
    /// An object is not of the type it was to be read as.
    #[error(transparent)]
    WrongType(#[from] WrongType),
    /// The scheduler refused the request. Nothing has changed.
    #[error("{message}")]
    Refused {
        /// The kind of refusal, as gRPC names it.
        code: Code,
        /// What is wrong and what to do.
        message: String,
        /// The field at fault, where there is one.
        field: Option<String>,
    },
    /// The scheduler or an executor sent something that cannot be understood.
    #[error("a reply cannot be understood: {0}")]
    BadReply(String),
    /// This process was not started by a task that may add tasks to its job.
    #[error("{}", not_in_task(variable, value.as_deref()))]
    NotInTask {
        /// The environment variable at fault.
        variable: &'static str,
        /// What it says, where it is there.
        value: Option<String>,
    },
    /// The cluster in this process has stopped.
    #[error("the cluster has stopped")]
    Stopped,
}

impl Error {
    /// A refusal without a field.
    pub fn refused(code: Code, message: impl Into<String>) -> Self {
        Error::Refused { code, message: message.into(), field: None }
    }

    /// The index of the task at fault, where the scheduler names one.
    pub fn task(&self) -> Option<u32> {
        let Error::Refused { field: Some(field), .. } = self else { return None };
        let (index, _) = field.strip_prefix("graph.tasks[")?.split_once(']')?;
        index.parse().ok()
    }

    /// Whether the same call may succeed later, unchanged.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            Error::Refused { code, .. } => {
                matches!(code, Code::Unavailable | Code::ResourceExhausted)
            }
            Error::BadEndpoint { .. }
            | Error::Task(_)
            | Error::JobLost { .. }
            | Error::WrongType(_)
            | Error::BadReply(_)
            | Error::NotInTask { .. }
            | Error::Stopped => false,
        }
    }
}

impl Error {
    /// Whether others added tasks to the job meanwhile, so that the addition must be built anew.
    pub(crate) fn is_outrun(&self) -> bool {
        let Error::Refused { code: Code::FailedPrecondition, field, .. } = self else {
            return false;
        };
        field.as_deref() == Some("first_task")
    }
}

fn not_in_task(variable: &str, value: Option<&str>) -> String {
    let what = match value {
        Some(value) => format!("{variable} means nothing: {value:?}"),
        None => format!("{variable} is not set"),
    };
    format!("{what}; only processes of tasks with `spawns` can add to their own job")
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        let Rejection { code, message, field } = rejection;
        Error::Refused { code, message, field: (!field.is_empty()).then_some(field) }
    }
}

impl From<FieldError> for Error {
    fn from(error: FieldError) -> Self {
        Error::BadReply(error.to_string())
    }
}
