//! Tensors of one value.

use drawloom_model::DType;

use super::{NUMBER_NAMES, output};
use crate::attribute::{AttributeKind, AttributeSpec, Constant, defaulted, required};
use crate::{Arguments, Signature, ValueType};

/// The shape of what a kernel makes.
pub(super) const SHAPE: AttributeSpec =
    required("shape", AttributeKind::Ints { min: 0 }, "the extents, outermost first");

/// The tensor that attributes `dtype` and `shape` ask for.
pub(super) fn declared(arguments: &Arguments<'_>) -> ValueType {
    let extents = arguments.ints("shape").iter().map(|extent| extent.unsigned_abs());
    ValueType::tensor(arguments.dtype("dtype"), extents)
}

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    name: "fill",
    summary: "Makes a tensor whose elements all have one value.",
    inputs: &[],
    outputs: &[output("y", "the tensor")],
    attributes: &[
        SHAPE,
        defaulted(
            "dtype",
            AttributeKind::OneOf(NUMBER_NAMES),
            Constant::Text("f32"),
            "the element type",
        ),
        defaulted("value", AttributeKind::FLOAT, Constant::Float(0.0), "the value"),
    ],
    rule: |call| {
        let (dtype, value) = (call.arguments.dtype("dtype"), call.arguments.float("value"));
        if !represents(dtype, value) {
            return Err(call.arguments.refuse("value", format!("{value} is no {dtype}")));
        }
        Ok(vec![declared(&call.arguments)])
    },
    flops: |_| 0,
}];

/// Whether elements of this type can have this value, but for rounding of fractions.
pub(super) fn represents(dtype: DType, value: f64) -> bool {
    let whole = |min: f64, max: f64| value.fract() == 0.0 && (min..=max).contains(&value);
    match dtype {
        DType::U8 => whole(0.0, 255.0),
        DType::I32 => whole(f64::from(i32::MIN), f64::from(i32::MAX)),
        DType::I64 => whole(i64::MIN as f64, i64::MAX as f64),
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => true,
    }
}
