//! Kernels that make one element of many.

use drawloom_model::DType;
use drawloom_signature::axes::{normalise_axis, reduced_axes};

use super::fold::{Fold, MEAN, TOTAL, Target, result_bytes};
use crate::builder::{Builder, module_of, product, size_of};
use crate::{Buffer, PlanError};

pub(crate) fn total(builder: &mut Builder<'_>, name: &'static str) -> Result<(), PlanError> {
    reduce(builder, name, TOTAL, 1.0)
}

pub(crate) fn mean(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let count = reduced_elements(builder)?;
    reduce(builder, "sum", MEAN, count as f64)
}

pub(crate) fn variance(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let freedom = builder.arguments.int("ddof") as f64;
    reduce(builder, "variance", TOTAL, freedom)
}

pub(crate) fn extreme(builder: &mut Builder<'_>, name: &'static str) -> Result<(), PlanError> {
    if reduced_elements(builder)? == 0 {
        return Err(builder.invalid("there are no elements to choose from"));
    }
    reduce(builder, name, TOTAL, 1.0)
}

fn dropped(builder: &Builder<'_>) -> Result<Vec<bool>, PlanError> {
    reduced_axes(builder.arguments.optional_ints("axes"), builder.extents(0).len())
        .map_err(|message| builder.invalid(message))
}

/// How many elements become one.
fn reduced_elements(builder: &Builder<'_>) -> Result<u64, PlanError> {
    let dropped = dropped(builder)?;
    let extents = builder.extents(0).iter().zip(dropped);
    let reduced: Vec<u64> =
        extents.filter_map(|(extent, dropped)| dropped.then_some(*extent)).collect();
    Ok(product(&reduced))
}

fn reduce(
    builder: &mut Builder<'_>,
    name: &'static str,
    stage: u32,
    divisor: f64,
) -> Result<(), PlanError> {
    let (dtype, dropped) = (builder.dtype(0), dropped(builder)?);
    let result_bytes = if name == "variance" { 24 } else { result_bytes(name, dtype) };
    let fold = Fold { module: &module_of("reduce", dtype), name, result_bytes };
    let target = Target::Elements { y: Buffer::Output(0), stage, divisor };
    fold.all(builder, Buffer::Input(0), builder.extents(0), &dropped, target)
}

pub(crate) fn argreduce(builder: &mut Builder<'_>, name: &'static str) -> Result<(), PlanError> {
    let extents = builder.extents(0);
    let axis = normalise_axis(builder.arguments.int("axis"), extents.len())
        .ok_or_else(|| builder.invalid("there is no such axis"))?;
    if extents[axis] == 0 && builder.output_elements(0) > 0 {
        return Err(builder.invalid("there are no elements to choose from"));
    }
    let dropped: Vec<bool> = (0..extents.len()).map(|own| own == axis).collect();
    places(builder, name, Buffer::Input(0), extents, &dropped, Buffer::Output(0))
}

/// Writes where the extremes of input 0's elements are along the one axis that is marked, as i64.
pub(crate) fn places(
    builder: &mut Builder<'_>,
    name: &'static str,
    x: Buffer,
    extents: &[u64],
    dropped: &[bool],
    y: Buffer,
) -> Result<(), PlanError> {
    let dtype = builder.dtype(0);
    // A place and a value, aligned as the place is.
    let result_bytes = 8 + size_of(DType::I64);
    let fold = Fold { module: &module_of("argreduce", dtype), name, result_bytes };
    fold.all(builder, x, extents, dropped, Target::Elements { y, stage: TOTAL, divisor: 1.0 })
}
