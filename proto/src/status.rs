//! Errors as gRPC statuses: the code for programs, the message for people, the field for both.

use tonic::{Code, Status};

use crate::{ChunkError, FieldError};

/// The metadata key that tells the field at fault.
pub const FIELD_KEY: &str = "drawloom-field";

/// A refusal as it goes over the wire, as a status or within a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// The code.
    pub code: Code,
    /// What is wrong and what to do about it.
    pub message: String,
    /// The field at fault; empty where it is not one field.
    pub field: String,
}

impl Rejection {
    /// A rejection of a request as a whole.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Rejection { code, message: message.into(), field: String::new() }
    }

    /// The same rejection with the field at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
}

impl From<FieldError> for Rejection {
    fn from(error: FieldError) -> Self {
        Rejection::new(Code::InvalidArgument, error.to_string()).with_field(error.field)
    }
}

impl From<ChunkError> for Rejection {
    fn from(error: ChunkError) -> Self {
        let message = error.to_string();
        let (code, field) = match error {
            ChunkError::Description(error) => return error.into(),
            ChunkError::TooLarge { .. } => (Code::ResourceExhausted, "size_bytes"),
            ChunkError::Inconsistent { .. } => (Code::InvalidArgument, "size_bytes"),
            ChunkError::WrongSize { .. } => (Code::InvalidArgument, "data"),
            ChunkError::Damaged { .. } => (Code::DataLoss, "crc32c"),
            ChunkError::DamagedPiece { .. } => (Code::DataLoss, "piece_crc32c"),
        };
        Rejection::new(code, message).with_field(field)
    }
}

impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        let mut status = Status::new(rejection.code, rejection.message);
        // A path with characters that metadata cannot hold is told by the message alone.
        if let Ok(field) = rejection.field.parse()
            && !rejection.field.is_empty()
        {
            status.metadata_mut().insert(FIELD_KEY, field);
        }
        status
    }
}

impl From<Rejection> for crate::v1::SubmitRejected {
    fn from(rejection: Rejection) -> Self {
        let Rejection { code, message, field } = rejection;
        crate::v1::SubmitRejected { code: code.into(), message, field }
    }
}

impl From<&Status> for Rejection {
    fn from(status: &Status) -> Self {
        let field = status.metadata().get(FIELD_KEY).and_then(|field| field.to_str().ok());
        Rejection::new(status.code(), status.message()).with_field(field.unwrap_or_default())
    }
}

impl From<crate::v1::SubmitRejected> for Rejection {
    fn from(wire: crate::v1::SubmitRejected) -> Self {
        Rejection { code: Code::from_i32(wire.code), message: wire.message, field: wire.field }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_travels_with_the_status() {
        let error = FieldError::new("inputs[0]", "no such input").within("tasks[17]");
        let rejection = Rejection::from(error);
        assert_eq!(rejection.message, "tasks[17].inputs[0]: no such input");
        let status = Status::from(rejection.clone());
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(Rejection::from(&status), rejection);
    }
}
