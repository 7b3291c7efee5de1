//! Order along an axis.

use drawloom_model::DType;

use super::{NUMBERS, one, output};
use crate::attribute::{AttributeKind, AttributeSpec, Constant, defaulted, required};
use crate::rule::{Call, Sizes, tensor};
use crate::{InputSpec, OutputSpec, Signature, SignatureError, ValueType};

const ELEMENTS: &[InputSpec] = &[one("x", NUMBERS, "the elements")];
const ORDERED: &[OutputSpec] = &[
    output("values", "the elements in their order"),
    output("indices", "i64, where along the axis each came from"),
];
const AXIS: AttributeSpec =
    defaulted("axis", AttributeKind::INT, Constant::Int(-1), "negative: from the last");

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "sort",
        summary: "Sorts along an axis. Equal elements keep their order; NaN is last.",
        inputs: ELEMENTS,
        outputs: ORDERED,
        attributes: &[
            AXIS,
            defaulted(
                "descending",
                AttributeKind::Bool,
                Constant::Bool(false),
                "whether the largest comes first",
            ),
        ],
        rule: |call| ordered(call, None),
        flops,
    },
    Signature {
        name: "top_k",
        summary: "The k largest or smallest elements along an axis, the best first: of equals the \
                  first ones; NaN is last.",
        inputs: ELEMENTS,
        outputs: ORDERED,
        attributes: &[
            required("k", AttributeKind::COUNT, "how many"),
            AXIS,
            defaulted(
                "largest",
                AttributeKind::Bool,
                Constant::Bool(true),
                "whether the largest are taken, not the smallest",
            ),
        ],
        rule: |call| ordered(call, Some(call.arguments.int("k").unsigned_abs())),
        flops: |sizes| sizes.input(0).saturating_mul(4),
    },
];

fn ordered(call: &Call<'_>, count: Option<u64>) -> Result<Vec<ValueType>, SignatureError> {
    let dtype = call.dtype(0);
    let Some(extents) = call.extents(0) else {
        return Ok(vec![tensor(dtype, None), tensor(Some(DType::I64), None)]);
    };
    let mut extents = extents.to_vec();
    let axis = call.axis("axis", call.arguments.int("axis"), 0, extents.len())?;
    if let (Some(count), Some(along)) = (count, extents[axis])
        && count > along
    {
        let message = format!("{count} of {along} along axis {axis} of {}", call.inputs[0]);
        return Err(call.arguments.refuse("k", message));
    }
    extents[axis] = count.or(extents[axis]);
    Ok(vec![tensor(dtype, Some(extents.clone())), tensor(Some(DType::I64), Some(extents))])
}

/// A comparison for each element and each halving.
fn flops(sizes: &Sizes<'_>) -> u64 {
    let elements = sizes.input(0);
    elements.saturating_mul(u64::from(elements.max(2).ilog2()))
}
