//! Random tensors by a counter: the same on every machine, however many cores compute them.

use drawloom_model::DType;

use super::fill::{SHAPE, declared};
use super::{REAL_NAMES, output};
use crate::attribute::{AttributeKind, AttributeSpec, Constant, defaulted, required};
use crate::{Signature, ValueType};

const DTYPE: AttributeSpec =
    defaulted("dtype", AttributeKind::OneOf(REAL_NAMES), Constant::Text("f32"), "the element type");

/// The key of the counter-based generator.
pub(super) const SEED: AttributeSpec =
    defaulted("seed", AttributeKind::INT, Constant::Int(0), "the generator's key");

/// The generator's sequence.
pub(super) const STREAM: AttributeSpec = defaulted(
    "stream",
    AttributeKind::INT,
    Constant::Int(0),
    "which of the key's independent sequences",
);

const FINITE: AttributeKind = AttributeKind::Float { min: f64::MIN, max: f64::MAX };

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "uniform",
        summary: "Makes a tensor of independent values spread evenly from `low` up to `high` \
                  (Philox 4x32-10).",
        inputs: &[],
        outputs: &[output("y", "the values")],
        attributes: &[
            SHAPE,
            DTYPE,
            defaulted("low", FINITE, Constant::Float(0.0), "the least value"),
            defaulted("high", FINITE, Constant::Float(1.0), "the value they stay below"),
            SEED,
            STREAM,
        ],
        rule: |call| {
            let (low, high) = (call.arguments.float("low"), call.arguments.float("high"));
            if low > high {
                return Err(call.arguments.refuse("high", format!("{high} is below low, {low}")));
            }
            Ok(vec![declared(&call.arguments)])
        },
        flops: |sizes| sizes.output(0).saturating_mul(30),
    },
    Signature {
        name: "normal",
        summary: "Makes a tensor of independent normally distributed values (Philox 4x32-10, \
                  Box-Muller).",
        inputs: &[],
        outputs: &[output("y", "the values")],
        attributes: &[
            SHAPE,
            DTYPE,
            defaulted("mean", FINITE, Constant::Float(0.0), "the mean"),
            defaulted(
                "std",
                AttributeKind::Float { min: 0.0, max: f64::MAX },
                Constant::Float(1.0),
                "the standard deviation",
            ),
            SEED,
            STREAM,
        ],
        rule: |call| Ok(vec![declared(&call.arguments)]),
        flops: |sizes| sizes.output(0).saturating_mul(60),
    },
    Signature {
        name: "permutation",
        summary: "Makes the numbers 0 to n-1 in a random order (Fisher-Yates).",
        inputs: &[],
        outputs: &[output("indices", "i64[n], each number once")],
        attributes: &[required("n", AttributeKind::COUNT, "how many numbers"), SEED, STREAM],
        rule: |call| {
            let n = call.arguments.int("n").unsigned_abs();
            Ok(vec![ValueType::tensor(DType::I64, [n])])
        },
        flops: |sizes| sizes.output(0).saturating_mul(60),
    },
];
