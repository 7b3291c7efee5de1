//! Convolutions of images, and their gradients.
//!
//! Images are NHWC (channels last): so a bias is one row that `bias_add` adds to every pixel,
//! patches of neighbouring pixels are contiguous, and a product of patches and weights is the
//! result as it is stored.

use drawloom_model::ObjectType;

use super::{FLOATS, one, output};
use crate::attribute::{AttributeKind, AttributeSpec, Constant, defaulted, optional, required};
use crate::rule::{Call, tensor};
use crate::windows::{Window, pair, windows};
use crate::{Signature, SignatureError, ValueType};

const STRIDE: AttributeSpec = optional(
    "stride",
    AttributeKind::Ints { min: 1 },
    "pixels from a window to the next: one number, or rows and columns; 1 where absent",
);
const PADDING: AttributeSpec = optional(
    "padding",
    AttributeKind::Ints { min: 0 },
    "zeros around an image: one number, or rows and columns; 0 where absent",
);
const DILATION: AttributeSpec = optional(
    "dilation",
    AttributeKind::Ints { min: 1 },
    "pixels from one of a window to its next: one number, or rows and columns; 1 where absent",
);
const GROUPS: AttributeSpec = defaulted(
    "groups",
    AttributeKind::Int { min: 1, max: u32::MAX as i64 },
    Constant::Int(1),
    "into how many parts the channels are divided, each convolved by itself",
);
const EXTENT: AttributeKind = AttributeKind::Int { min: 0, max: u32::MAX as i64 };

/// The extents of images that a gradient is of, where they are not the least.
pub(super) const HEIGHT: AttributeSpec =
    optional("height", EXTENT, "rows of an image of dx; the least for dy's where absent");
/// See [`HEIGHT`].
pub(super) const WIDTH: AttributeSpec =
    optional("width", EXTENT, "columns of an image of dx; the least for dy's where absent");

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "conv2d",
        summary: "Convolves images (as networks do: the window is not turned round).",
        inputs: &[
            one("x", FLOATS, "[n, h, w, c], images, channels last"),
            one("weights", FLOATS, "[kh, kw, c / groups, o]"),
        ],
        outputs: &[output(
            "y",
            "[n, oh, ow, o], oh = (h + 2 padding - dilation (kh - 1) - 1) / \
                                stride + 1, ow alike",
        )],
        attributes: &[STRIDE, PADDING, DILATION, GROUPS],
        rule: conv2d,
        flops: |sizes| products(sizes.output(0), sizes.inputs.get(1)),
    },
    Signature {
        name: "conv2d_grad_input",
        summary: "The gradient of what `conv2d` took as x.",
        inputs: &[
            one("dy", FLOATS, "[n, oh, ow, o], the gradient of conv2d(x, weights)"),
            one("weights", FLOATS, "[kh, kw, c / groups, o], as conv2d took them"),
        ],
        outputs: &[output("dx", "[n, height, width, c]")],
        attributes: &[HEIGHT, WIDTH, STRIDE, PADDING, DILATION, GROUPS],
        rule: grad_input,
        flops: |sizes| products(sizes.input(0), sizes.inputs.get(1)),
    },
    Signature {
        name: "conv2d_grad_weights",
        summary: "The gradient of what `conv2d` took as weights.",
        inputs: &[
            one("x", FLOATS, "[n, h, w, c], as conv2d took it"),
            one("dy", FLOATS, "[n, oh, ow, o], the gradient of conv2d(x, weights)"),
        ],
        outputs: &[output("dweights", "[kh, kw, c / groups, o]")],
        attributes: &[
            required("window", AttributeKind::Ints { min: 1 }, "kh and kw, or one number for both"),
            STRIDE,
            PADDING,
            DILATION,
            GROUPS,
        ],
        rule: grad_weights,
        flops: |sizes| products(sizes.input(1), sizes.outputs.first()),
    },
];

fn conv2d(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let dtype = call.same_dtype(&[0, 1])?;
    let (x, weights) = (call.ranked(0, 4)?, call.ranked(1, 4)?);
    let groups = call.arguments.int("groups").unsigned_abs();
    if let (Some(channels), Some(own)) = (x[3], weights[2])
        && own.checked_mul(groups) != Some(channels)
    {
        return Err(call.mismatch(&format!("channels differ with groups = {groups}"), &[0, 1]));
    }
    check_divided(call, weights[3], groups, &[1])?;
    let taps = [weights[0], weights[1]];
    let places = slide(call, [x[1], x[2]], taps, &[0, 1])?;
    Ok(vec![tensor(dtype, Some(vec![x[0], places[0], places[1], weights[3]]))])
}

fn grad_input(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let dtype = call.same_dtype(&[0, 1])?;
    let (dy, weights) = (call.ranked(0, 4)?, call.ranked(1, 4)?);
    let groups = call.arguments.int("groups").unsigned_abs();
    if let (Some(channels), Some(own)) = (dy[3], weights[3])
        && own != channels
    {
        return Err(call.mismatch("channels differ", &[0, 1]));
    }
    check_divided(call, weights[3].or(dy[3]), groups, &[0, 1])?;
    let taps = [weights[0], weights[1]];
    let [height, width] = unslide(call, [dy[1], dy[2]], taps, [1; 2])?;
    let channels = weights[2].map(|own| own.saturating_mul(groups));
    Ok(vec![tensor(dtype, Some(vec![dy[0], height, width, channels]))])
}

fn grad_weights(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let dtype = call.same_dtype(&[0, 1])?;
    let (x, dy) = (call.ranked(0, 4)?, call.ranked(1, 4)?);
    let groups = call.arguments.int("groups").unsigned_abs();
    check_divided(call, x[3], groups, &[0])?;
    check_divided(call, dy[3], groups, &[1])?;
    let taps = pair(&call.arguments, "window", [1; 2])?.map(Some);
    let places = slide(call, [x[1], x[2]], taps, &[0])?;
    let pairs = [(x[0], dy[0]), (places[0], dy[1]), (places[1], dy[2])];
    if pairs.iter().any(|(a, b)| a.zip(*b).is_some_and(|(a, b)| a != b)) {
        let places =
            ValueType::Tensor { dtype, extents: Some(vec![x[0], places[0], places[1], dy[3]]) };
        return Err(call.mismatch(&format!("dy would be {places}"), &[0, 1]));
    }
    let own = x[3].map(|channels| channels / groups);
    Ok(vec![tensor(dtype, Some(vec![taps[0], taps[1], own, dy[3]]))])
}

fn check_divided(
    call: &Call<'_>,
    channels: Option<u64>,
    groups: u64,
    inputs: &[usize],
) -> Result<(), SignatureError> {
    if channels.is_some_and(|channels| channels % groups != 0) {
        let message = format!("channels do not divide into groups = {groups}");
        return Err(call.mismatch(&message, inputs));
    }
    Ok(())
}

/// How many places a window of these taps has along the rows and columns of an image.
pub(super) fn slide(
    call: &Call<'_>,
    image: [Option<u64>; 2],
    taps: [Option<u64>; 2],
    inputs: &[usize],
) -> Result<[Option<u64>; 2], SignatureError> {
    let windows = known_windows(call, taps, [1; 2])?;
    places(call, image, windows, inputs)
}

/// How many places these windows have along the rows and columns of an image.
pub(super) fn places(
    call: &Call<'_>,
    image: [Option<u64>; 2],
    windows: [Option<Window>; 2],
    inputs: &[usize],
) -> Result<[Option<u64>; 2], SignatureError> {
    let mut places = [None; 2];
    for axis in [0, 1] {
        let Some((extent, window)) = image[axis].zip(windows[axis]) else { continue };
        places[axis] = window.places(extent);
        if places[axis].is_none() {
            let message =
                format!("a window of {} {} does not fit", window.taps, ["rows", "columns"][axis]);
            return Err(call.mismatch(&message, inputs));
        }
    }
    Ok(places)
}

/// The rows and columns of an image along which a window has as many places as `places` says:
/// those that the attributes tell, or the least.
pub(super) fn unslide(
    call: &Call<'_>,
    places: [Option<u64>; 2],
    taps: [Option<u64>; 2],
    stride: [u64; 2],
) -> Result<[Option<u64>; 2], SignatureError> {
    let windows = known_windows(call, taps, stride)?;
    let mut image = [None; 2];
    for (axis, name) in ["height", "width"].into_iter().enumerate() {
        let told = call.arguments.optional_int(name).map(i64::unsigned_abs);
        image[axis] = told;
        let Some((places, window)) = places[axis].zip(windows[axis]) else { continue };
        let extent = told.or_else(|| window.least_extent(places));
        if extent.and_then(|extent| window.places(extent)) != Some(places) {
            let message = match told {
                Some(told) => format!("{told} does not give {places} places of the window"),
                None => format!("no number gives {places} places of the window"),
            };
            return Err(call.arguments.refuse(name, message));
        }
        image[axis] = extent;
    }
    Ok(image)
}

/// The windows along rows and columns, each where its taps are known.
fn known_windows(
    call: &Call<'_>,
    taps: [Option<u64>; 2],
    stride: [u64; 2],
) -> Result<[Option<Window>; 2], SignatureError> {
    let all = windows(&call.arguments, taps.map(|taps| taps.unwrap_or(1)), stride)?;
    Ok([0, 1].map(|axis| taps[axis].map(|_| all[axis])))
}

/// Two operations for each of `results` and each weight that it takes.
fn products(results: u64, weights: Option<&ObjectType>) -> u64 {
    let Some(ObjectType::Tensor { shape, .. }) = weights else { return 0 };
    let window = shape.extents().iter().take(3);
    window.fold(results.saturating_mul(2), |flops, extent| flops.saturating_mul(*extent))
}
