//! Objects, keys and failures.

use drawloom_model::{
    AttemptId, DType, Failure, FailureKind, JobKey, ObjectKey, ObjectReport, ObjectType, Shape,
    TaskKey, TemplateKey, Value,
};

use crate::field::{FieldError, nested, optional};
use crate::v1;

impl From<DType> for v1::DType {
    fn from(dtype: DType) -> Self {
        match dtype {
            DType::U8 => v1::DType::U8,
            DType::I32 => v1::DType::I32,
            DType::I64 => v1::DType::I64,
            DType::F16 => v1::DType::F16,
            DType::BF16 => v1::DType::Bf16,
            DType::F32 => v1::DType::F32,
            DType::F64 => v1::DType::F64,
        }
    }
}

impl From<&ObjectType> for v1::ObjectType {
    fn from(object_type: &ObjectType) -> Self {
        match object_type {
            ObjectType::Blob => v1::ObjectType::default(),
            ObjectType::Tensor { dtype, shape } => v1::ObjectType {
                dtype: v1::DType::from(*dtype).into(),
                shape: shape.extents().to_vec(),
            },
        }
    }
}

impl TryFrom<v1::ObjectType> for ObjectType {
    type Error = FieldError;

    fn try_from(wire: v1::ObjectType) -> Result<Self, FieldError> {
        match dtype(wire.dtype, "dtype")? {
            Some(dtype) => Ok(ObjectType::Tensor { dtype, shape: Shape::new(wire.shape) }),
            None if wire.shape.is_empty() => Ok(ObjectType::Blob),
            None => Err(FieldError::new("shape", "a blob has no shape; set dtype for a tensor")),
        }
    }
}

/// An element type, where the field is set.
pub(super) fn dtype(wire: i32, field: &str) -> Result<Option<DType>, FieldError> {
    Ok(Some(match v1::DType::try_from(wire) {
        Ok(v1::DType::Unspecified) => return Ok(None),
        Ok(v1::DType::U8) => DType::U8,
        Ok(v1::DType::I32) => DType::I32,
        Ok(v1::DType::I64) => DType::I64,
        Ok(v1::DType::F16) => DType::F16,
        Ok(v1::DType::Bf16) => DType::BF16,
        Ok(v1::DType::F32) => DType::F32,
        Ok(v1::DType::F64) => DType::F64,
        Err(unknown) => return Err(FieldError::new(field, unknown)),
    }))
}

/// The type of an object whose message may leave it out.
pub(crate) fn object_type(wire: Option<v1::ObjectType>) -> Result<ObjectType, FieldError> {
    Ok(optional(wire, "type")?.unwrap_or(ObjectType::Blob))
}

/// The message of a type, left out for blobs.
pub fn wire_type(object_type: &ObjectType) -> Option<v1::ObjectType> {
    match object_type {
        ObjectType::Blob => None,
        ObjectType::Tensor { .. } => Some(object_type.into()),
    }
}

impl From<Value> for v1::Value {
    fn from(value: Value) -> Self {
        v1::Value { r#type: wire_type(&value.object_type), data: value.data }
    }
}

impl TryFrom<v1::Value> for Value {
    type Error = FieldError;

    fn try_from(wire: v1::Value) -> Result<Self, FieldError> {
        let value = Value { object_type: object_type(wire.r#type)?, data: wire.data };
        if value.is_consistent() {
            return Ok(value);
        }
        let message = format!("{} bytes do not go with {}", value.data.len(), value.object_type);
        Err(FieldError::new("data", message))
    }
}

impl From<ObjectKey> for v1::ObjectKey {
    fn from(key: ObjectKey) -> Self {
        v1::ObjectKey { job: key.job.to_bits(), index: key.index }
    }
}

impl From<v1::ObjectKey> for ObjectKey {
    fn from(wire: v1::ObjectKey) -> Self {
        ObjectKey { job: JobKey::from_bits(wire.job), index: wire.index }
    }
}

impl From<TemplateKey> for v1::TemplateKey {
    fn from(key: TemplateKey) -> Self {
        v1::TemplateKey { job: key.job.to_bits(), index: key.index }
    }
}

impl From<v1::TemplateKey> for TemplateKey {
    fn from(wire: v1::TemplateKey) -> Self {
        TemplateKey { job: JobKey::from_bits(wire.job), index: wire.index }
    }
}

impl From<AttemptId> for v1::AttemptId {
    fn from(attempt: AttemptId) -> Self {
        let TaskKey { job, index } = attempt.task;
        v1::AttemptId { job: job.to_bits(), task: index, number: attempt.number }
    }
}

impl From<v1::AttemptId> for AttemptId {
    fn from(wire: v1::AttemptId) -> Self {
        let task = TaskKey { job: JobKey::from_bits(wire.job), index: wire.task };
        AttemptId { task, number: wire.number }
    }
}

impl From<FailureKind> for v1::FailureKind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Application => v1::FailureKind::Application,
            FailureKind::Spawn => v1::FailureKind::Spawn,
            FailureKind::TimedOut => v1::FailureKind::TimedOut,
            FailureKind::OutOfMemory => v1::FailureKind::OutOfMemory,
            FailureKind::ExecutorLost => v1::FailureKind::ExecutorLost,
            FailureKind::ObjectLost => v1::FailureKind::ObjectLost,
            FailureKind::DeadlineExceeded => v1::FailureKind::DeadlineExceeded,
            FailureKind::Upstream => v1::FailureKind::Upstream,
            FailureKind::ActorLost => v1::FailureKind::ActorLost,
            FailureKind::DeviceLost => v1::FailureKind::DeviceLost,
        }
    }
}

/// The kind of that number.
pub(crate) fn failure_kind(number: i32) -> Result<FailureKind, FieldError> {
    match v1::FailureKind::try_from(number) {
        Ok(v1::FailureKind::Unspecified) => Err(FieldError::new("", "must be set")),
        Ok(v1::FailureKind::Application) => Ok(FailureKind::Application),
        Ok(v1::FailureKind::Spawn) => Ok(FailureKind::Spawn),
        Ok(v1::FailureKind::TimedOut) => Ok(FailureKind::TimedOut),
        Ok(v1::FailureKind::OutOfMemory) => Ok(FailureKind::OutOfMemory),
        Ok(v1::FailureKind::ExecutorLost) => Ok(FailureKind::ExecutorLost),
        Ok(v1::FailureKind::ObjectLost) => Ok(FailureKind::ObjectLost),
        Ok(v1::FailureKind::DeadlineExceeded) => Ok(FailureKind::DeadlineExceeded),
        Ok(v1::FailureKind::Upstream) => Ok(FailureKind::Upstream),
        Ok(v1::FailureKind::ActorLost) => Ok(FailureKind::ActorLost),
        Ok(v1::FailureKind::DeviceLost) => Ok(FailureKind::DeviceLost),
        Err(unknown) => Err(FieldError::new("", unknown)),
    }
}

impl From<Failure> for v1::Failure {
    fn from(failure: Failure) -> Self {
        v1::Failure { kind: v1::FailureKind::from(failure.kind).into(), message: failure.message }
    }
}

impl TryFrom<v1::Failure> for Failure {
    type Error = FieldError;

    fn try_from(wire: v1::Failure) -> Result<Self, FieldError> {
        let kind = failure_kind(wire.kind).map_err(|error| error.within("kind"))?;
        Ok(Failure { kind, message: wire.message })
    }
}

impl From<ObjectReport> for v1::ObjectReport {
    fn from(report: ObjectReport) -> Self {
        match report {
            ObjectReport::Inline(value) => {
                v1::ObjectReport { inline: Some(value.into()), ..Default::default() }
            }
            ObjectReport::Stored { object_type, size_bytes } => {
                v1::ObjectReport { inline: None, r#type: wire_type(&object_type), size_bytes }
            }
        }
    }
}

impl TryFrom<v1::ObjectReport> for ObjectReport {
    type Error = FieldError;

    fn try_from(wire: v1::ObjectReport) -> Result<Self, FieldError> {
        if wire.inline.is_some() {
            return Ok(ObjectReport::Inline(nested(wire.inline, "inline")?));
        }
        let object_type = object_type(wire.r#type)?;
        Ok(ObjectReport::Stored { object_type, size_bytes: wire.size_bytes })
    }
}
