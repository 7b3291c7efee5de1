//! Images made smaller by what windows meet, and the gradients of that. Images are NHWC, as
//! convolutions have them.

use super::convolution::{HEIGHT, WIDTH, places, unslide};
use super::{FLOATS, one, output};
use crate::attribute::{AttributeKind, AttributeSpec, optional, required};
use crate::rule::{Call, Extents, tensor};
use crate::windows::{Window, pair, windows};
use crate::{InputSpec, OutputSpec, Signature, SignatureError, ValueType};

const WINDOW: AttributeSpec = required(
    "window",
    AttributeKind::Ints { min: 1 },
    "rows and columns of a window, or one number for both",
);
const STRIDE: AttributeSpec = optional(
    "stride",
    AttributeKind::Ints { min: 1 },
    "pixels from a window to the next: one number, or rows and columns; the window's own extents \
     where absent",
);
const PADDING: AttributeSpec = optional(
    "padding",
    AttributeKind::Ints { min: 0 },
    "pixels around an image, below the window's extents, where windows may be and nothing is: one \
     number, or rows and columns; 0 where absent",
);
const IMAGES: &[InputSpec] = &[one("x", FLOATS, "[n, h, w, c], images, channels last")];
const POOLED: &[OutputSpec] =
    &[output("y", "[n, oh, ow, c], oh = (h + 2 padding - window) / stride + 1, ow alike")];
const SLIDING: &[AttributeSpec] = &[WINDOW, STRIDE, PADDING];

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "max_pool2d",
        summary: "The largest element of each window, channel by channel; NaN wins.",
        inputs: IMAGES,
        outputs: POOLED,
        attributes: SLIDING,
        rule: pool,
        flops: |sizes| sizes.input(0),
    },
    Signature {
        name: "max_pool2d_grad",
        summary: "The gradient of `max_pool2d`: each window's goes to the first of its largest \
                  elements.",
        inputs: &[
            one("x", FLOATS, "[n, h, w, c], as max_pool2d took it"),
            one("dy", FLOATS, "[n, oh, ow, c], the gradient of max_pool2d(x)"),
        ],
        outputs: &[output("dx", "[n, h, w, c]")],
        attributes: SLIDING,
        rule: max_pool_grad,
        flops: |sizes| sizes.input(0).saturating_mul(2),
    },
    Signature {
        name: "avg_pool2d",
        summary: "The mean of each window, channel by channel, over what of it is in the image.",
        inputs: IMAGES,
        outputs: POOLED,
        attributes: SLIDING,
        rule: pool,
        flops: |sizes| sizes.input(0),
    },
    Signature {
        name: "avg_pool2d_grad",
        summary: "The gradient of `avg_pool2d`: each window's is divided among its elements.",
        inputs: &[one("dy", FLOATS, "[n, oh, ow, c], the gradient of avg_pool2d(x)")],
        outputs: &[output("dx", "[n, height, width, c]")],
        attributes: &[WINDOW, STRIDE, PADDING, HEIGHT, WIDTH],
        rule: avg_pool_grad,
        flops: |sizes| sizes.output(0),
    },
];

fn pool(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let x = call.ranked(0, 4)?;
    Ok(vec![tensor(call.dtype(0), Some(pooled(call, &x)?))])
}

fn max_pool_grad(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let dtype = call.same_dtype(&[0, 1])?;
    let (x, dy) = (call.ranked(0, 4)?, call.ranked(1, 4)?);
    let y = pooled(call, &x)?;
    if y.iter().zip(&dy).any(|(a, b)| a.zip(*b).is_some_and(|(a, b)| a != b)) {
        let y = tensor(dtype, Some(y));
        return Err(call.mismatch(&format!("dy would be {y}"), &[0, 1]));
    }
    let extents = vec![x[0].or(dy[0]), x[1], x[2], x[3].or(dy[3])];
    Ok(vec![tensor(dtype, Some(extents))])
}

fn avg_pool_grad(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let dy = call.ranked(0, 4)?;
    let [rows, columns] = checked_windows(call)?;
    let taps = [Some(rows.taps), Some(columns.taps)];
    let [height, width] = unslide(call, [dy[1], dy[2]], taps, [rows.taps, columns.taps])?;
    Ok(vec![tensor(call.dtype(0), Some(vec![dy[0], height, width, dy[3]]))])
}

/// The extents of what pooling makes of x.
fn pooled(call: &Call<'_>, x: &Extents) -> Result<Extents, SignatureError> {
    let windows = checked_windows(call)?.map(Some);
    if x[1] == Some(0) || x[2] == Some(0) {
        return Err(call.bad_input(0, "images with rows and columns"));
    }
    let [rows, columns] = places(call, [x[1], x[2]], windows, &[0])?;
    Ok(vec![x[0], rows, columns, x[3]])
}

/// The windows, each of whose places meets at least one pixel.
fn checked_windows(call: &Call<'_>) -> Result<[Window; 2], SignatureError> {
    let taps = pair(&call.arguments, "window", [1; 2])?;
    let windows = windows(&call.arguments, taps, taps)?;
    for Window { taps, padding, .. } in windows {
        if padding >= taps {
            let message = format!("{padding} is not below the window's extent, {taps}");
            return Err(call.arguments.refuse("padding", message));
        }
    }
    Ok(windows)
}
