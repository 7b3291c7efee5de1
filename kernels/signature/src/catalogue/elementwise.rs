//! Arithmetic on each element by itself.

use super::{NUMBERS, REALS, SIGNED, one, output};
use crate::attribute::{AttributeKind, Constant, defaulted, optional};
use crate::rule::{Call, Extents, Sizes, tensor};
use crate::{InputSpec, OutputSpec, Signature, SignatureError, ValueType};

const OPERANDS: &[InputSpec] = &[
    one("a", NUMBERS, "the left operand"),
    one("b", NUMBERS, "the right operand; shapes broadcast as NumPy's do"),
];
const BINARY_OUTPUT: &[OutputSpec] = &[output("y", "of the operands' element type")];
const OF_NUMBERS: &[InputSpec] = &[one("x", NUMBERS, "the elements")];
const OF_REALS: &[InputSpec] = &[one("x", REALS, "the elements")];
const OF_SIGNED: &[InputSpec] = &[one("x", SIGNED, "the elements")];
const UNARY_OUTPUT: &[OutputSpec] = &[output("y", "of x's shape and element type")];

pub(super) const SIGNATURES: &[Signature] = &[
    binary("add", "Adds a and b. Integers wrap around."),
    binary("sub", "Subtracts b from a. Integers wrap around."),
    binary("mul", "Multiplies a by b. Integers wrap around."),
    binary("div", "Divides a by b. Integers truncate, and division by 0 fails the task."),
    binary("maximum", "Takes the larger of a and b; NaN where either is NaN."),
    binary("minimum", "Takes the smaller of a and b; NaN where either is NaN."),
    Signature {
        flops: transcendental,
        ..binary(
            "pow",
            "a to the power of b. Integers wrap around, and their negative powers fail the task.",
        )
    },
    Signature {
        inputs: &[one("x", REALS, "what is scaled"), one("y", REALS, "what it is added to")],
        attributes: &[defaulted(
            "alpha",
            AttributeKind::FLOAT,
            Constant::Float(1.0),
            "what x is multiplied by",
        )],
        flops: |sizes| sizes.output(0).saturating_mul(2),
        ..binary("axpy", "alpha * x + y; shapes broadcast as NumPy's do.")
    },
    unary("neg", OF_SIGNED, "Negates x. Integers wrap around.", once),
    unary("abs", OF_SIGNED, "The magnitude of x. Integers wrap around.", once),
    unary("sign", OF_SIGNED, "1, 0 or -1 as x is above, equal to or below 0; NaN stays.", once),
    unary("square", OF_NUMBERS, "x times x. Integers wrap around.", once),
    unary("sqrt", OF_REALS, "The square root of x.", root),
    unary("rsqrt", OF_REALS, "1 divided by the square root of x.", root),
    unary("reciprocal", OF_REALS, "1 divided by x.", root),
    unary("exp", OF_REALS, "e to the power of x.", transcendental),
    unary("log", OF_REALS, "The natural logarithm of x.", transcendental),
    unary("sin", OF_REALS, "The sine of x, in radians.", transcendental),
    unary("cos", OF_REALS, "The cosine of x, in radians.", transcendental),
    unary("floor", OF_REALS, "The largest whole number that is not above x.", once),
    unary("ceil", OF_REALS, "The smallest whole number that is not below x.", once),
    unary("round", OF_REALS, "The whole number nearest to x; the even one of two.", once),
    Signature {
        attributes: &[
            defaulted("factor", AttributeKind::FLOAT, Constant::Float(1.0), "multiplied by"),
            defaulted("offset", AttributeKind::FLOAT, Constant::Float(0.0), "added then"),
        ],
        ..unary("scale", OF_REALS, "x * factor + offset.", |sizes| {
            sizes.output(0).saturating_mul(2)
        })
    },
    Signature {
        attributes: &[
            optional("min", AttributeKind::FLOAT, "the least value; no bound where absent"),
            optional("max", AttributeKind::FLOAT, "the largest value; no bound where absent"),
        ],
        rule: clip,
        ..unary(
            "clip",
            OF_NUMBERS,
            "x, but not below `min` nor above `max`, both rounded to x's type; NaN stays.",
            |sizes| sizes.output(0).saturating_mul(2),
        )
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
        rule: |call| Ok(vec![tensor(call.same_dtype(&[0, 1])?, broadcast_inputs(call, &[0, 1])?)]),
        flops: |sizes| sizes.output(0),
    }
}

pub(super) const fn unary(
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

fn once(sizes: &Sizes<'_>) -> u64 {
    sizes.output(0)
}

fn root(sizes: &Sizes<'_>) -> u64 {
    sizes.output(0).saturating_mul(4)
}

pub(super) fn transcendental(sizes: &Sizes<'_>) -> u64 {
    sizes.output(0).saturating_mul(20)
}

/// The shape that these inputs broadcast to, where the number of its extents is known.
pub(super) fn broadcast_inputs(
    call: &Call<'_>,
    indexes: &[usize],
) -> Result<Option<Extents>, SignatureError> {
    let mut extents: Extents = Vec::new();
    for &index in indexes {
        let Some(own) = call.extents(index) else { return Ok(None) };
        extents = broadcast(&extents, own)
            .ok_or_else(|| call.mismatch("shapes do not broadcast", indexes))?;
    }
    Ok(Some(extents))
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

fn clip(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let (min, max) = (call.arguments.optional_float("min"), call.arguments.optional_float("max"));
    if let (Some(min), Some(max)) = (min, max)
        && max < min
    {
        return Err(call.arguments.refuse("max", format!("{max} is below min, {min}")));
    }
    Ok(vec![call.same_type(&[0])?])
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
