//! The structs of CUDA kernels of one's own.

use std::fmt;

use drawloom_model::{Expression, Real};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::forms::{described, visited};

/// A CUDA kernel of one's own: exactly one of `source`, `ptx` and `file`. Whole numbers may be
/// expressions such as `ceil_div(len(x), 256)`.
#[derive(serde::Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct CudaEntry {
    /// CUDA C++, which is compiled where it runs.
    pub source: Option<String>,
    /// PTX.
    pub ptx: Option<String>,
    /// A file, relative to the graph file: PTX where its name ends in `.ptx`, else CUDA C++.
    pub file: Option<String>,
    /// The kernel's name: in CUDA C++ that of an `extern "C" __global__` function.
    pub entry: String,
    /// How many blocks there are: one to three numbers.
    pub grid: ExtentsEntry,
    /// How many threads a block has: one to three numbers.
    pub block: ExtentsEntry,
    /// Bytes of shared memory of each block, beside what the kernel declares.
    #[serde(default)]
    pub shared_bytes: Option<ExpressionEntry>,
    /// What the kernel is given, in the order of its parameters.
    #[serde(default)]
    pub arguments: Vec<ArgumentEntry>,
    /// Options of the compiler, but for the architecture.
    #[serde(default)]
    pub options: Vec<String>,
}

/// What a kernel's parameter is given, with a name: exactly one of `input`, `output` and `scalar`.
#[derive(serde::Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArgumentEntry {
    /// The name of a pointer to the next of the task's inputs.
    pub input: Option<String>,
    /// The name of a pointer to the next of the task's outputs.
    pub output: Option<String>,
    /// The name of a number.
    pub scalar: Option<String>,
    /// The type of the elements, `blob` for an output of mere bytes, or the type of the number: one of
    /// i32, u32, i64, u64, f32 and f64.
    pub dtype: String,
    /// The extents of an output, outermost first.
    pub shape: Option<ExtentsEntry>,
    /// The value of a number.
    pub value: Option<RealEntry>,
}

/// A whole number.
#[derive(Clone)]
pub(crate) struct ExpressionEntry(pub Expression);

/// A whole number or several.
#[derive(Clone)]
pub(crate) struct ExtentsEntry(pub Vec<Expression>);

/// A number.
#[derive(Clone)]
pub(crate) struct RealEntry(pub Real);

visited!(ExpressionEntry, ExpressionVisitor, "a whole number or an expression", {
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(ExpressionEntry(Expression::number(value)))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        value.parse().map(ExpressionEntry).map_err(E::custom)
    }
});

visited!(ExtentsEntry, ExtentsVisitor, "a whole number, an expression or a list of them", {
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(ExtentsEntry(vec![Expression::number(value)]))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        value.parse().map(|extent| ExtentsEntry(vec![extent])).map_err(E::custom)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut extents = Vec::new();
        while let Some(ExpressionEntry(extent)) = items.next_element()? {
            extents.push(extent);
        }
        Ok(ExtentsEntry(extents))
    }
});

visited!(RealEntry, RealVisitor, "a number or an expression", {
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(RealEntry(Real::Expression(Expression::number(value))))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(RealEntry(Real::Constant(value)))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        value.parse().map(|value| RealEntry(Real::Expression(value))).map_err(E::custom)
    }
});

described!(ExpressionEntry, "Expression", |_g| json_schema!({ "type": ["integer", "string"] }));
described!(ExtentsEntry, "Extents", |g| {
    let item = g.subschema_for::<ExpressionEntry>();
    json_schema!({ "type": ["integer", "string", "array"], "items": item })
});
described!(RealEntry, "Real", |_g| json_schema!({ "type": ["number", "string"] }));
