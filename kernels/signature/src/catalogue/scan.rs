//! Kernels that look at all elements along an axis, or at all there are, to count and add up.

use drawloom_model::DType;

use super::reduce::sum_dtype;
use super::{NUMBERS, one, output};
use crate::attribute::{AttributeKind, Constant, defaulted, required};
use crate::rule::{Call, tensor};
use crate::{Signature, SignatureError, ValueType};

const FINITE: AttributeKind = AttributeKind::Float { min: f64::MIN, max: f64::MAX };

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "scan",
        summary: "At each place along an axis, the sum, product, largest or smallest of all \
                  elements up to there. Sums and products of integers are i64 and wrap around.",
        inputs: &[one("x", NUMBERS, "the elements")],
        outputs: &[output("y", "in the shape of x")],
        attributes: &[
            defaulted(
                "op",
                AttributeKind::OneOf(&["sum", "prod", "max", "min"]),
                Constant::Text("sum"),
                "what is taken; NaN wins",
            ),
            defaulted("axis", AttributeKind::INT, Constant::Int(-1), "negative: from the last"),
            defaulted(
                "exclusive",
                AttributeKind::Bool,
                Constant::Bool(false),
                "whether a place is left out of its own result",
            ),
            defaulted(
                "reverse",
                AttributeKind::Bool,
                Constant::Bool(false),
                "whether to go from the end to the start",
            ),
        ],
        rule: scan,
        flops: |sizes| sizes.input(0),
    },
    Signature {
        name: "histogram",
        summary: "Counts elements in bins of one width. A bin has its lower edge, the last one \
                  its upper edge too; NaN and what is outside are in none.",
        inputs: &[one("x", NUMBERS, "the elements")],
        outputs: &[output("counts", "i64[bins]")],
        attributes: &[
            required("bins", AttributeKind::Int { min: 1, max: 1 << 24 }, "how many bins"),
            defaulted("low", FINITE, Constant::Float(0.0), "the lower edge of the first bin"),
            defaulted("high", FINITE, Constant::Float(1.0), "the upper edge of the last"),
        ],
        rule: histogram,
        flops: |sizes| sizes.input(0).saturating_mul(6),
    },
];

fn scan(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    if let Some(extents) = call.extents(0) {
        call.axis("axis", call.arguments.int("axis"), 0, extents.len())?;
    }
    let dtype = match call.arguments.text("op") {
        "sum" | "prod" => call.dtype(0).map(sum_dtype),
        _ => call.dtype(0),
    };
    Ok(vec![tensor(dtype, call.extents(0).map(<[_]>::to_vec))])
}

fn histogram(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let (low, high) = (call.arguments.float("low"), call.arguments.float("high"));
    if high <= low {
        return Err(call.arguments.refuse("high", format!("{high} is not above low, {low}")));
    }
    if !(high - low).is_finite() {
        return Err(call.arguments.refuse("high", format!("{low} to {high} is too wide a range")));
    }
    let bins = call.arguments.int("bins").unsigned_abs();
    Ok(vec![ValueType::tensor(DType::I64, [bins])])
}
