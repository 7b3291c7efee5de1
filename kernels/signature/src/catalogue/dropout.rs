//! Dropping elements at random while training.

use super::random::{SEED, STREAM};
use super::{FLOATS, one, output};
use crate::Signature;
use crate::attribute::{AttributeKind, AttributeSpec, Constant, defaulted};

const ATTRIBUTES: &[AttributeSpec] = &[
    defaulted(
        "rate",
        AttributeKind::Float { min: 0.0, max: 1.0 },
        Constant::Float(0.5),
        "how many of the elements are dropped, on average",
    ),
    SEED,
    STREAM,
];

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "dropout",
        summary: "Makes elements 0 at random and divides the others by 1 - rate (Srivastava et al. \
                  2014; Philox 4x32-10).",
        inputs: &[one("x", FLOATS, "the elements")],
        outputs: &[output("y", "of x's shape")],
        attributes: ATTRIBUTES,
        rule: |call| Ok(vec![call.same_type(&[0])?]),
        flops: |sizes| sizes.output(0).saturating_mul(15),
    },
    Signature {
        name: "dropout_grad",
        summary: "The gradient of what `dropout` took, with the same attributes.",
        inputs: &[one("dy", FLOATS, "the gradient of dropout(x)")],
        outputs: &[output("dx", "0 where x was dropped, else dy / (1 - rate)")],
        attributes: ATTRIBUTES,
        rule: |call| Ok(vec![call.same_type(&[0])?]),
        flops: |sizes| sizes.output(0).saturating_mul(15),
    },
];
