//! Conversion between element types.

use super::{ANY, one, output};
use crate::Signature;
use crate::attribute::{AttributeKind, required};
use crate::rule::tensor;

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    name: "cast",
    summary: "Converts each element to another type. To integers it truncates, values out of \
              range become the nearest there is, and NaN becomes 0.",
    inputs: &[one("x", ANY, "the elements")],
    outputs: &[output("y", "the converted elements, in the shape of x")],
    attributes: &[required(
        "dtype",
        AttributeKind::OneOf(&["u8", "i32", "i64", "f16", "bf16", "f32", "f64"]),
        "the new element type",
    )],
    rule: |call| {
        let extents = call.extents(0).map(<[_]>::to_vec);
        Ok(vec![tensor(Some(call.arguments.dtype("dtype")), extents)])
    },
    flops: |sizes| sizes.output(0),
}];
