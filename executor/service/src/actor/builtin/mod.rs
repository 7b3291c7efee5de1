//! Types of native actors that every executor knows.

mod counter;
mod outputs;
mod parameter_server;

use drawloom_model::{
    Attribute, Attributes, DType, Failure, FailureKind, ObjectType, Shape, Value,
};

use super::types::ActorTypes;

pub(super) fn register(types: &mut ActorTypes) {
    types.register("counter", counter::Counter::new);
    types.register("parameter_server", parameter_server::ParameterServer::new);
}

fn failure(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Application, message)
}

fn unknown_method(kind: &str, method: &str, known: &str) -> Failure {
    failure(format!("{kind} has no method {method:?}; it has {known}"))
}

fn scalar_i64(value: i64) -> Value {
    Value {
        object_type: ObjectType::Tensor { dtype: DType::I64, shape: Shape::scalar() },
        data: bytes::Bytes::copy_from_slice(&value.to_le_bytes()),
    }
}

/// A whole number among constants.
fn whole(attributes: &Attributes, name: &str) -> Result<Option<i64>, Failure> {
    match attributes.get(name) {
        None => Ok(None),
        Some(Attribute::Int(value)) => Ok(Some(*value)),
        Some(other) => Err(failure(format!("{name}: a whole number is wanted, not {other}"))),
    }
}

/// Refuses constants that mean nothing.
fn check_names(attributes: &Attributes, known: &[&str]) -> Result<(), Failure> {
    match attributes.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) if known.is_empty() => Err(failure(format!("{name}: there are no constants"))),
        Some(name) => Err(failure(format!("{name}: unknown; known are {}", known.join(", ")))),
    }
}
