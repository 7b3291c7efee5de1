//! Order along an axis.

use drawloom_signature::axes::normalise_axis;

use super::fold::{Axis, Extent};
use super::order::Keys;
use crate::argument::arguments;
use crate::builder::{Builder, module_of, size_of};
use crate::{Buffer, PlanError};

pub(crate) fn sort(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let descending = builder.arguments.bool("descending");
    by_rank(builder, descending, None)
}

pub(crate) fn top_k(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let largest = builder.arguments.bool("largest");
    let count = builder.arguments.int("k").unsigned_abs();
    by_rank(builder, largest, Some(count))
}

fn by_rank(
    builder: &mut Builder<'_>,
    descending: bool,
    count: Option<u64>,
) -> Result<(), PlanError> {
    let (extents, dtype) = (builder.extents(0), builder.dtype(0));
    let axis = normalise_axis(builder.arguments.int("axis"), extents.len())
        .ok_or_else(|| builder.invalid("there is no such axis"))?;
    if builder.output_elements(0) == 0 {
        return Ok(());
    }
    let extent = Extent::new(extents, axis, axis + 1);
    let elements = builder.elements(0);
    builder.within_32_bits(&[elements])?;
    let key_bytes = if size_of(dtype) == 8 { 16 } else { 8 };
    let buffer = builder.scratch(elements.saturating_mul(key_bytes));
    let (module, axis) = (module_of("rank", dtype), Axis::cut(extent, 0).argument());
    let x = Buffer::Input(0);
    let arguments = arguments![x, buffer, axis.clone(), u32::from(descending)];
    builder.launch_each(&module, "rank", elements, arguments)?;
    let keys = Keys { buffer, lines: extent.kept(), length: extent.along, key_bytes };
    let wanted = count.unwrap_or(extent.along);
    let sorted = keys.sort(builder, wanted)?;
    let (values, indices) = (Buffer::Output(0), Buffer::Output(1));
    let arguments = arguments![x, sorted.buffer, values, indices, axis, wanted, sorted.length];
    builder.launch_each(&module, "take", builder.output_elements(0), arguments)
}
