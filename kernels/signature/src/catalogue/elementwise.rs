//! Arithmetic on each element by itself.

use super::{FLOATS, NUMBERS, SIGNED, one, output};
use crate::attribute::{AttributeKind, Constant, defaulted};
use crate::rule::{Call, Extents, Sizes, tensor};
use crate::{InputSpec, OutputSpec, Signature, SignatureError, ValueType};

const OPERANDS: &[InputSpec] = &[
    one("a", NUMBERS, "the left operand"),
    one("b", NUMBERS, "the right operand; shapes broadcast as NumPy's do"),
];
const BINARY_OUTPUT: &[OutputSpec] = &[output("y", "of the operands' element type")];
const OF_FLOATS: &[InputSpec] = &[one("x", FLOATS, "the elements")];
const OF_SIGNED: &[InputSpec] = &[one("x", SIGNED, "the elements")];
const UNARY_OUTPUT: &[OutputSpec] = &[output("y", "of x's shape and element type")];

pub(super) const SIGNATURES: &[Signature] = &[
    binary("add", "Adds a and b. Integers wrap around."),
    binary("sub", "Subtracts b from a. Integers wrap around."),
    binary("mul", "Multiplies a by b. Integers wrap around."),
    binary("div", "Divides a by b. Integers truncate, and division by 0 fails the task."),
    binary("maximum", "Takes the larger of a and b; NaN where either is NaN."),
    binary("minimum", "Takes the smaller of a and b; NaN where either is NaN."),
    unary("neg", OF_SIGNED, "Negates x. Integers wrap around.", |sizes| sizes.output(0)),
    unary("abs", OF_SIGNED, "The magnitude of x. Integers wrap around.", |sizes| sizes.output(0)),
    unary("relu", OF_SIGNED, "x where it is above 0, else 0; NaN stays.", |sizes| sizes.output(0)),
    unary("sqrt", OF_FLOATS, "The square root of x.", |sizes| sizes.output(0).saturating_mul(4)),
    unary("exp", OF_FLOATS, "e to the power of x.", transcendental),
    unary("log", OF_FLOATS, "The natural logarithm of x.", transcendental),
    unary("tanh", OF_FLOATS, "The hyperbolic tangent of x.", transcendental),
    Signature {
        attributes: &[
            defaulted("factor", AttributeKind::FLOAT, Constant::Float(1.0), "multiplied by"),
            defaulted("offset", AttributeKind::FLOAT, Constant::Float(0.0), "added then"),
        ],
        ..unary("scale", OF_FLOATS, "x * factor + offset.", |sizes| {
            sizes.output(0).saturating_mul(2)
        })
    },
    Signature {
        name: "relu_grad",
        summary: "The gradient of `relu`: dy where x is above 0, else 0.",
        inputs: &[one("x", FLOATS, "what relu took"), one("dy", FLOATS, "the gradient of relu(x)")],
        outputs: &[output("dx", "the gradient of x")],
        attributes: &[],
        rule: |call| Ok(vec![call.same_type(&[0, 1])?]),
        flops: |sizes| sizes.output(0),
    },
    Signature {
        name: "bias_add",
        summary: "Adds a bias to each row.",
        inputs: &[one("x", NUMBERS, "[..., c]"), one("bias", NUMBERS, "[c]")],
        outputs: &[output("y", "[..., c]")],
        attributes: &[],
        rule: bias_add,
        flops: |sizes| sizes.output(0),
    },
];

const fn binary(name: &'static str, summary: &'static str) -> Signature {
    Signature {
        name,
        summary,
        inputs: OPERANDS,
        outputs: BINARY_OUTPUT,
        attributes: &[],
        rule: |call| {
            let dtype = call.same_dtype(&[0, 1])?;
            let extents = match call.extents(0).zip(call.extents(1)) {
                None => None,
                Some((a, b)) => Some(
                    broadcast(a, b)
                        .ok_or_else(|| call.mismatch("shapes do not broadcast", &[0, 1]))?,
                ),
            };
            Ok(vec![tensor(dtype, extents)])
        },
        flops: |sizes| sizes.output(0),
    }
}

const fn unary(
    name: &'static str,
    inputs: &'static [InputSpec],
    summary: &'static str,
    flops: fn(&Sizes<'_>) -> u64,
) -> Signature {
    Signature {
        name,
        summary,
        inputs,
        outputs: UNARY_OUTPUT,
        attributes: &[],
        rule: |call| Ok(vec![call.same_type(&[0])?]),
        flops,
    }
}

fn transcendental(sizes: &Sizes<'_>) -> u64 {
    sizes.output(0).saturating_mul(20)
}

/// The shape that both broadcast to, or `None` when they do not.
pub(super) fn broadcast(a: &[Option<u64>], b: &[Option<u64>]) -> Option<Extents> {
    let rank = a.len().max(b.len());
    let extent =
        |extents: &[Option<u64>], place: usize| match place.checked_sub(rank - extents.len()) {
            Some(place) => extents[place],
            None => Some(1),
        };
    let both = (0..rank).map(|place| match (extent(a, place), extent(b, place)) {
        (Some(1), other) | (other, Some(1)) => Some(other),
        (Some(a), Some(b)) => (a == b).then_some(Some(a)),
        // One that is not known can only be 1 or equal to the other.
        (known, None) | (None, known) => Some(known),
    });
    both.collect()
}

fn bias_add(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let dtype = call.same_dtype(&[0, 1])?;
    let bias = call.ranked(1, 1)?;
    let Some(extents) = call.extents(0) else { return Ok(vec![tensor(dtype, None)]) };
    let mut extents = extents.to_vec();
    let Some(last) = extents.last_mut() else {
        return Err(call.bad_input(0, "a tensor with rows"));
    };
    if let (Some(a), Some(b)) = (*last, bias[0])
        && a != b
    {
        return Err(call.mismatch("row lengths differ", &[0, 1]));
    }
    *last = last.or(bias[0]);
    Ok(vec![tensor(dtype, Some(extents))])
}
