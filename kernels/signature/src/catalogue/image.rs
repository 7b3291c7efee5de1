//! Augmentation of images.

use super::random::{SEED, STREAM};
use super::{FLOATS, one, output};
use crate::attribute::{AttributeKind, Constant, defaulted, required};
use crate::rule::{Call, tensor};
use crate::{Signature, SignatureError, ValueType};

const SIDE: AttributeKind = AttributeKind::Int { min: 1, max: 1 << 20 };

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    name: "image_shift",
    summary: "Varies images at random: turns and shifts each, with zeros moving in, and adds noise.",
    inputs: &[one("images", FLOATS, "[n, height * width], a row-major image a row")],
    outputs: &[output("images", "the varied images, in the same order")],
    attributes: &[
        required("height", SIDE, "rows of an image"),
        required("width", SIDE, "columns of an image"),
        defaulted(
            "max_shift",
            AttributeKind::Int { min: 0, max: 1 << 20 },
            Constant::Int(1),
            "pixels that an image moves at most, along each axis",
        ),
        defaulted(
            "max_rotation",
            AttributeKind::Float { min: 0.0, max: 180.0 },
            Constant::Float(0.0),
            "degrees that an image turns at most, either way; pixels are interpolated",
        ),
        defaulted(
            "noise",
            AttributeKind::Float { min: 0.0, max: f64::MAX },
            Constant::Float(0.0),
            "the standard deviation of the noise added to each pixel",
        ),
        SEED,
        STREAM,
    ],
    rule: image_shift,
    flops: |sizes| sizes.output(0).saturating_mul(20),
}];

fn image_shift(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let (height, width) = (call.arguments.int("height"), call.arguments.int("width"));
    let mut extents = call.ranked(0, 2)?;
    let pixels = height.unsigned_abs().saturating_mul(width.unsigned_abs());
    if extents[1].is_some_and(|extent| extent != pixels) {
        let expected = format!("[n, {pixels}] for images of {height} x {width}");
        return Err(call.bad_input(0, &expected));
    }
    extents[1] = Some(pixels);
    Ok(vec![tensor(call.dtype(0), Some(extents))])
}
