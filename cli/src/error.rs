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
        note!("drawloom: {}", told(error));
    }
    ExitCode::from(code)
}

/// The error and what led to it. Many errors name their cause themselves, so that is left out.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.ends_with(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<BadInput>() || cause.is::<LoadError>() {
            return BAD_INPUT;
        }
        if let Some(ExecutorError::Spill(_)) = cause.downcast_ref() {
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

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use drawloom_client::ActorName;

    use super::*;

    #[test]
    fn causes_are_told_once() {
        let source = Error::refused(Code::NotFound, "there is no actor named \"x\"");
        let unreachable = CallError::Unreachable { actor: ActorName::from("x"), source };
        let error = anyhow::Error::from(unreachable);
        assert_eq!(told(&error), "actor \"x\": there is no actor named \"x\"");
        let read = Err::<(), _>(io::Error::other("torn"));
        let error = read.context("the warp").expect_err("it is an error");
        assert_eq!(told(&error), "the warp: torn");
    }
}
