//! Comparisons, and the choice by what they find.

use drawloom_model::DType;

use super::elementwise::broadcast_inputs;
use super::{ANY, NUMBERS, one, output};
use crate::rule::tensor;
use crate::{InputSpec, OutputSpec, Signature};

const OPERANDS: &[InputSpec] = &[
    one("a", NUMBERS, "the left operand"),
    one("b", NUMBERS, "the right operand; shapes broadcast as NumPy's do"),
];
const FINDINGS: &[OutputSpec] = &[output("y", "u8: 1 where it holds, else 0")];

pub(super) const SIGNATURES: &[Signature] = &[
    comparison("equal", "Whether a is b; NaN is not even NaN."),
    comparison("not_equal", "Whether a is not b; NaN is not even NaN."),
    comparison("less", "Whether a is below b; false where either is NaN."),
    comparison("less_equal", "Whether a is not above b; false where either is NaN."),
    comparison("greater", "Whether a is above b; false where either is NaN."),
    comparison("greater_equal", "Whether a is not below b; false where either is NaN."),
    Signature {
        name: "where",
        summary: "Takes elements of a where the mask is not 0, else those of b.",
        inputs: &[
            one("mask", &[DType::U8], "which to take"),
            one("a", ANY, "taken where the mask is not 0"),
            one("b", ANY, "taken where it is 0; shapes broadcast as NumPy's do"),
        ],
        outputs: &[output("y", "of the element type of a and b")],
        attributes: &[],
        rule: |call| {
            Ok(vec![tensor(call.same_dtype(&[1, 2])?, broadcast_inputs(call, &[0, 1, 2])?)])
        },
        flops: |sizes| sizes.output(0),
    },
];

const fn comparison(name: &'static str, summary: &'static str) -> Signature {
    Signature {
        name,
        summary,
        inputs: OPERANDS,
        outputs: FINDINGS,
        attributes: &[],
        rule: |call| {
            call.same_dtype(&[0, 1])?;
            Ok(vec![tensor(Some(DType::U8), broadcast_inputs(call, &[0, 1])?)])
        },
        flops: |sizes| sizes.output(0),
    }
}
