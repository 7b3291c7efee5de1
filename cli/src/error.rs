//! From errors to what people read and programs check.

use std::io;
use std::process::ExitCode;

use crate::output::note;
use drawloom_client::{CallError, Code, Error};
use drawloom_executor::ExecutorError;
use drawloom_graphfile::LoadError;
use drawloom_proto::ListenError;
use drawloom_scheduler::ServiceError;

/// The job, or the call, did not succeed.
pub const JOB_FAILED: u8 = 1;
/// What was given cannot be used.
const BAD_INPUT: u8 = 2;
/// Anything else went wrong.
const TROUBLE: u8 = 3;
/// Stopped by Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// Nobody reads the output any more; as a shell tells it.
const BROKEN_PIPE: u8 = 141;

/// Something on the command line cannot be used.
#[derive(Debug)]
pub struct BadInput(pub String);

impl std::fmt::Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// Tells what went wrong; answers the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let code = exit_code(error);
    if code != BROKEN_PIPE {
        note!("drawloom: {error:#}");
    }
    ExitCode::from(code)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<BadInput>() || cause.is::<LoadError>() {
            return BAD_INPUT;
        }
        if let Some(error) = listen_error(cause) {
            let wrong = matches!(error, ListenError::NotLoopback { .. });
            return if wrong { BAD_INPUT } else { TROUBLE };
        }
        if let Some(error) = cause.downcast_ref::<Error>() {
            return client_code(error);
        }
        match cause.downcast_ref::<CallError>() {
            Some(CallError::Fault { .. }) => return JOB_FAILED,
            Some(CallError::Ended { .. }) => return BAD_INPUT,
            Some(CallError::Unreachable { .. }) | None => {}
        }
        if let Some(error) = cause.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return BROKEN_PIPE;
        }
    }
    TROUBLE
}

fn listen_error<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e ListenError> {
    if let Some(ServiceError::Listen(error)) = cause.downcast_ref() {
        return Some(error);
    }
    if let Some(ExecutorError::Listen(error)) = cause.downcast_ref() {
        return Some(error);
    }
    cause.downcast_ref()
}

fn client_code(error: &Error) -> u8 {
    match error {
        Error::BadEndpoint { .. } => BAD_INPUT,
        Error::Refused {
            code:
                Code::InvalidArgument
                | Code::NotFound
                | Code::FailedPrecondition
                | Code::AlreadyExists
                | Code::OutOfRange
                | Code::ResourceExhausted,
            ..
        } => BAD_INPUT,
        _ => TROUBLE,
    }
}
