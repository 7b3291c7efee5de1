//! Augmentation of images.

use super::random::generator;
use crate::argument::arguments;
use crate::builder::{Builder, module_of};
use crate::{Buffer, PlanError};

/// How many bytes a kernel keeps of how an image moves.
const MOVE_BYTES: u64 = 32;

pub(crate) fn image_shift(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    if builder.elements(0) == 0 {
        return Ok(());
    }
    let images = builder.extents(0)[0];
    let [height, width, max_shift] =
        ["height", "width", "max_shift"].map(|name| builder.arguments.int(name).unsigned_abs());
    let max_rotation = builder.arguments.float("max_rotation").to_radians();
    let noise = builder.arguments.float("noise");
    let [seed, stream] = generator(builder);
    let pairs = (height * width).div_ceil(2);
    builder.within_32_bits(&[images.saturating_mul(pairs), height * width])?;
    let module = module_of("image", builder.dtype(0));
    let moves = builder.scratch(images.saturating_mul(MOVE_BYTES));
    let arguments = arguments![moves, images, max_shift, max_rotation, seed, stream];
    builder.launch_each(&module, "draw", images, arguments)?;
    let (x, y) = (Buffer::Input(0), Buffer::Output(0));
    let turns = u32::from(max_rotation != 0.0);
    let arguments = arguments![x, y, moves, images, height, width, turns, noise, seed, stream];
    builder.launch_each(&module, "vary", images * pairs, arguments)
}
