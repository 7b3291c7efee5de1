//! A number that is added to.

use drawloom_model::{DType, Failure, ObjectType, Value};

use super::{check_names, failure, scalar_i64, unknown_method, whole};
use crate::actor::types::{Actor, Construction, Context};

/// Counts. `add` takes an i64 scalar, or the constant `by`, or adds 1; `get` and `set` do as they
/// say. Each gives the new count as an i64 scalar. The constant `start` is where it begins.
pub(super) struct Counter {
    count: i64,
}

impl Counter {
    pub(super) fn new(construction: &Construction<'_>) -> Result<Self, Failure> {
        check_names(construction.attributes, &["start"])?;
        if !construction.arguments.is_empty() {
            return Err(failure(
                "counter takes no objects; its constant `start` is where it begins",
            ));
        }
        Ok(Counter { count: whole(construction.attributes, "start")?.unwrap_or(0) })
    }
}

impl Actor for Counter {
    fn call(
        &mut self,
        method: &str,
        arguments: &[Value],
        context: &mut Context<'_>,
    ) -> Result<Vec<Value>, Failure> {
        match method {
            "add" => {
                check_names(context.attributes, &["by"])?;
                let by = match arguments {
                    [] => whole(context.attributes, "by")?.unwrap_or(1),
                    arguments => number(arguments)?,
                };
                let overflow = || failure("the count would overflow");
                self.count = self.count.checked_add(by).ok_or_else(overflow)?;
            }
            "set" => self.count = number(arguments)?,
            "get" => check_names(context.attributes, &[])?,
            _ => return Err(unknown_method("counter", method, "add, get, set")),
        }
        Ok(vec![scalar_i64(self.count)])
    }

    fn is_brief(&self, _method: &str) -> bool {
        true
    }

    fn checkpoint(&mut self) -> Result<Option<Value>, Failure> {
        Ok(Some(scalar_i64(self.count)))
    }

    fn restore(&mut self, state: &Value) -> Result<(), Failure> {
        self.count = number(std::slice::from_ref(state))?;
        Ok(())
    }
}

/// The one argument, a whole number.
fn number(arguments: &[Value]) -> Result<i64, Failure> {
    let [Value { object_type: ObjectType::Tensor { dtype, shape }, data }] = arguments else {
        return Err(failure("one i64 scalar is wanted"));
    };
    match (dtype, shape.rank(), <[u8; 8]>::try_from(&data[..])) {
        (DType::I64, 0, Ok(bytes)) => Ok(i64::from_le_bytes(bytes)),
        _ => Err(failure(format!("an i64 scalar is wanted, not {dtype}{shape}"))),
    }
}
