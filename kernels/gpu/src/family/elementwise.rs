//! Arithmetic on elements by themselves, and where they meet.

use drawloom_model::DType;

use crate::argument::arguments;
use crate::builder::{Builder, module_of, module_of_size, product, scalar, size_of, wide};
use crate::meeting::Meeting;
use crate::plan::Condition;
use crate::{Argument, Buffer, PlanError};

/// How many axes kernels have room for where shapes broadcast.
const ROOM: usize = 4;
/// How many elements a thread takes at a time.
const LANES: u64 = 4;

const X: Buffer = Buffer::Input(0);
const Y: Buffer = Buffer::Output(0);

pub(crate) fn unary(builder: &mut Builder<'_>, entry: &'static str) -> Result<(), PlanError> {
    map(builder, entry, Vec::new())
}

/// A launch for the elements of input 0 by themselves, with arguments of its own.
fn map(
    builder: &mut Builder<'_>,
    entry: &'static str,
    more: Vec<Argument>,
) -> Result<(), PlanError> {
    let count = builder.elements(0);
    if count == 0 {
        return Ok(());
    }
    let module = module_of("unary", builder.dtype(0));
    let mut arguments = arguments![X, Y, count];
    arguments.extend(more);
    builder.launch_each(&module, entry, count.div_ceil(LANES), arguments)
}

pub(crate) fn scale(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let wide = wide(builder.dtype(0));
    let more = ["factor", "offset"].map(|name| scalar(wide, builder.arguments.float(name)));
    map(builder, "scale", more.to_vec())
}

pub(crate) fn clip(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let wide = wide(builder.dtype(0));
    // What is beyond all integers becomes the least or the largest there is.
    let bound = |name, absent| builder.arguments.optional_float(name).unwrap_or(absent);
    let (low, high) = (bound("min", f64::NEG_INFINITY), bound("max", f64::INFINITY));
    map(builder, "clip", vec![scalar(wide, low), scalar(wide, high)])
}

pub(crate) fn cast(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (count, to) = (builder.elements(0), builder.output_dtype(0));
    if count == 0 {
        return Ok(());
    }
    let module = module_of("cast", builder.dtype(0));
    builder.launch_each(&module, format!("to_{to}"), count, arguments![X, Y, count])
}

pub(crate) fn binary(builder: &mut Builder<'_>, entry: &'static str) -> Result<(), PlanError> {
    zip(builder, "binary", entry, Vec::new())
}

pub(crate) fn compare(builder: &mut Builder<'_>, entry: &'static str) -> Result<(), PlanError> {
    zip(builder, "compare", entry, Vec::new())
}

pub(crate) fn gradient(builder: &mut Builder<'_>, entry: &'static str) -> Result<(), PlanError> {
    zip(builder, "gradient", entry, Vec::new())
}

pub(crate) fn axpy(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let alpha = scalar(wide(builder.dtype(0)), builder.arguments.float("alpha"));
    zip(builder, "binary", "axpy", vec![alpha])
}

pub(crate) fn div(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    if matches!(builder.dtype(1), DType::U8 | DType::I32 | DType::I64) {
        builder.check(1, Condition::Divisor)?;
    }
    binary(builder, "div_of")
}

pub(crate) fn pow(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    if matches!(builder.dtype(1), DType::I32 | DType::I64) {
        builder.check(1, Condition::Exponent)?;
    }
    binary(builder, "pow_of")
}

/// A launch for the elements of inputs 0 and 1 that meet, with arguments of its own.
fn zip(
    builder: &mut Builder<'_>,
    source: &str,
    entry: &'static str,
    more: Vec<Argument>,
) -> Result<(), PlanError> {
    let count = builder.output_elements(0);
    if count == 0 {
        return Ok(());
    }
    let meeting = Meeting::new([builder.extents(0), builder.extents(1)]);
    let many = meeting.axes.len() > 1;
    if many {
        builder.within_32_bits(&[count])?;
    }
    let meeting = meeting.argument(ROOM).ok_or_else(|| too_many_axes(builder))?;
    let module = module_of(source, builder.dtype(0));
    let mut arguments = arguments![X, Buffer::Input(1), Y, count, meeting];
    arguments.extend(more);
    let lanes = if many { 1 } else { LANES };
    builder.launch_each(&module, entry, count.div_ceil(lanes), arguments)
}

fn too_many_axes(builder: &Builder<'_>) -> PlanError {
    builder.unsupported(format!("shapes broadcast along more than {ROOM} axes"))
}

pub(crate) fn choose(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let count = builder.output_elements(0);
    if count == 0 {
        return Ok(());
    }
    builder.within_32_bits(&[count])?;
    let meeting = Meeting::new([0, 1, 2].map(|input| builder.extents(input)));
    let meeting = meeting.argument(ROOM).ok_or_else(|| too_many_axes(builder))?;
    let module = module_of_size("select", size_of(builder.dtype(1)));
    let arguments = arguments![X, Buffer::Input(1), Buffer::Input(2), Y, count, meeting];
    builder.launch_each(&module, "choose", count, arguments)
}

/// How many tensors a launch of `sum_n` adds up, and the bits of its stages.
const TENSORS: usize = 8;
const CONTINUES: u32 = 1;
const GOES_ON: u32 = 2;

pub(crate) fn sum_n(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (tensors, dtype) = (builder.input_count(), builder.dtype(0));
    let count = product(builder.extents(0));
    if count == 0 {
        return Ok(());
    }
    let module = module_of("sum_n", dtype);
    let carry = match tensors > TENSORS {
        true => builder.scratch(count.saturating_mul(size_of(wide(dtype)))),
        false => Buffer::Nothing,
    };
    for first in (0..tensors).step_by(TENSORS) {
        let own = (tensors - first).min(TENSORS);
        let continues = if first > 0 { CONTINUES } else { 0 };
        let goes_on = if first + own < tensors { GOES_ON } else { 0 };
        let input =
            |place| if place < own { Buffer::Input(first + place) } else { Buffer::Nothing };
        let mut arguments: Vec<Argument> = (0..TENSORS).map(|i| input(i).into()).collect();
        arguments.extend(arguments![own as u32, continues | goes_on, carry, Y, count]);
        builder.launch_each(&module, "sum_n", count, arguments)?;
    }
    Ok(())
}
