//! Numbers in a random order.

use super::order::Keys;
use super::random::generator;
use crate::argument::arguments;
use crate::builder::Builder;
use crate::{Argument, Buffer, PlanError};

pub(crate) fn permutation(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let count = builder.output_elements(0);
    if count == 0 {
        return Ok(());
    }
    builder.within_32_bits(&[count])?;
    let [seed, stream] = generator(builder);
    let buffer = builder.scratch(8 * count);
    builder.launch_each("permutation", "steps", count, arguments![buffer, count, seed, stream])?;
    let keys = Keys { buffer, lines: 1, length: count, key_bytes: 8 }.sort(builder, count)?.buffer;
    let (after, next) = (builder.scratch(4 * count), builder.scratch(4 * count));
    let none = Argument::U32(u32::MAX);
    builder.launch_each("fill_b4", "fill", count.div_ceil(4), arguments![next, count, none])?;
    builder.launch_each("permutation", "links", count, arguments![keys, after, next, count])?;
    let arguments = arguments![keys, after, next, Buffer::Output(0), count];
    builder.launch_each("permutation", "follow", count, arguments)
}
