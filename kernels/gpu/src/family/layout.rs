//! Kernels that move elements and leave them as they are.

use drawloom_signature::axes::{normalise_axis, slice_bounds};

use super::fold::Extent;
use crate::argument::arguments;
use crate::builder::{Builder, bits, module_of_size, size_of};
use crate::meeting::{Axis, Meeting};
use crate::{Argument, Buffer, PlanError};

/// How many axes kernels have room for.
const ROOM: usize = 6;
/// The side of the tiles that matrices are turned in, and the least extents that are worth it.
const TILE: u64 = 32;
const LEAST_SIDE: u64 = 8;

const X: Buffer = Buffer::Input(0);
const Y: Buffer = Buffer::Output(0);

/// Rows of bytes, from one place and distance to another.
#[derive(Clone, Copy)]
struct Copy {
    from: Buffer,
    rows: u64,
    width: u64,
    start: u64,
    step: u64,
    to_start: u64,
    to_step: u64,
}

impl Copy {
    /// Launches the copy in the largest words that rows begin and end with.
    fn launch(self, builder: &mut Builder<'_>) -> Result<(), PlanError> {
        let Copy { from, rows, width, start, step, to_start, to_step } = self;
        if rows == 0 || width == 0 {
            return Ok(());
        }
        let all = [width, start, step, to_start, to_step];
        let word = 1 << all.iter().fold(4, |bits, bytes| bits.min(bytes.trailing_zeros()));
        let [width, start, step, to_start, to_step] = all.map(|bytes| bytes / word);
        let count = rows.saturating_mul(width);
        builder.within_32_bits(&[count])?;
        let arguments = arguments![from, Y, rows, width, start, step, to_start, to_step];
        builder.launch_each(&module_of_size("layout", word), "copy_rows", count, arguments)
    }
}

/// Copies an input of so many bytes as it is.
pub(crate) fn copy_whole(
    builder: &mut Builder<'_>,
    from: Buffer,
    bytes: u64,
) -> Result<(), PlanError> {
    // Rows of this size are counted with in 32 bits, however large the whole is.
    const ROW: u64 = 1 << 30;
    for start in (0..bytes).step_by(ROW as usize) {
        let width = (bytes - start).min(ROW);
        let copy = Copy { from, rows: 1, width, start, step: 0, to_start: start, to_step: 0 };
        copy.launch(builder)?;
    }
    Ok(())
}

pub(crate) fn reshape(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let bytes = builder.elements(0).saturating_mul(size_of(builder.dtype(0)));
    copy_whole(builder, X, bytes)
}

/// The axis that the attribute names, and an input about it.
fn about_axis(builder: &Builder<'_>, input: usize) -> Result<(usize, Extent), PlanError> {
    let extents = builder.extents(input);
    let axis = normalise_axis(builder.arguments.int("axis"), extents.len())
        .ok_or_else(|| builder.invalid("there is no such axis"))?;
    Ok((axis, Extent::new(extents, axis, axis + 1)))
}

pub(crate) fn slice(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    if builder.output_elements(0) == 0 {
        return Ok(());
    }
    let (_, Extent { outer, along, inner }) = about_axis(builder, 0)?;
    let (start, stop) = (builder.arguments.int("start"), builder.arguments.optional_int("stop"));
    let (start, stop) = slice_bounds(start, stop, along)
        .ok_or_else(|| builder.invalid("the part is not within the axis"))?;
    let place = inner.saturating_mul(size_of(builder.dtype(0)));
    let width = (stop - start) * place;
    let copy = Copy {
        from: X,
        rows: outer,
        width,
        start: start * place,
        step: along * place,
        to_start: 0,
        to_step: width,
    };
    copy.launch(builder)
}

pub(crate) fn concat(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    if builder.output_elements(0) == 0 {
        return Ok(());
    }
    let size = size_of(builder.dtype(0));
    let mut widths = Vec::new();
    for input in 0..builder.input_count() {
        let (_, Extent { outer, along, inner }) = about_axis(builder, input)?;
        widths.push((outer, along.saturating_mul(inner).saturating_mul(size)));
    }
    let whole: u64 = widths.iter().map(|(_, width)| width).sum();
    let mut to_start = 0;
    for (input, (rows, width)) in widths.into_iter().enumerate() {
        let from = Buffer::Input(input);
        let copy = Copy { from, rows, width, start: 0, step: width, to_start, to_step: whole };
        copy.launch(builder)?;
        to_start += width;
    }
    Ok(())
}

pub(crate) fn transpose(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let extents = builder.extents(0);
    if builder.elements(0) == 0 {
        return Ok(());
    }
    let mut steps = vec![1u64; extents.len()];
    for axis in (1..extents.len()).rev() {
        steps[axis - 1] = extents[axis].saturating_mul(steps[axis]);
    }
    let order: Vec<usize> = match builder.arguments.optional_ints("perm") {
        Some(perm) => perm.iter().map(|axis| *axis as usize).collect(),
        None => (0..extents.len()).rev().collect(),
    };
    let axes = order.iter().rev().map(|&axis| Axis { extent: extents[axis], steps: [steps[axis]] });
    let way = Meeting::joined(axes);
    match way.axes.as_slice() {
        [] | [Axis { steps: [1], .. }] => reshape(builder),
        [Axis { steps: [1], .. }, ..] => rearrange(builder, &way),
        [across, ..] => {
            let down = way.axes.iter().position(|axis| axis.steps == [1]);
            match down.filter(|down| across.extent.min(way.axes[*down].extent) >= LEAST_SIDE) {
                Some(down) => turn(builder, &way, down),
                None => rearrange(builder, &way),
            }
        }
    }
}

/// Reads each element from where its place leads.
fn rearrange(builder: &mut Builder<'_>, way: &Meeting<1>) -> Result<(), PlanError> {
    let count = builder.elements(0);
    builder.within_32_bits(&[count])?;
    let way = way.argument(ROOM).ok_or_else(|| too_many_axes(builder))?;
    let module = module_of_size("layout", size_of(builder.dtype(0)));
    builder.launch_each(&module, "rearrange", count, arguments![X, Y, count, way])
}

fn too_many_axes(builder: &Builder<'_>) -> PlanError {
    builder.unsupported(format!("there are more than {ROOM} axes"))
}

/// Turns matrices of which the innermost axis of the result and its axis `down`, along which
/// neighbours of x are, are the sides.
fn turn(builder: &mut Builder<'_>, way: &Meeting<1>, down: usize) -> Result<(), PlanError> {
    let mut y_step = 1;
    let mut batch = Vec::new();
    let mut row_step = 1;
    for (place, Axis { extent, steps: [x_step] }) in way.axes.iter().enumerate() {
        if place == down {
            row_step = y_step;
        } else if place > 0 {
            batch.push(Axis { extent: *extent, steps: [*x_step, y_step] });
        }
        y_step *= extent;
    }
    let (columns, rows) = (way.axes[0].extent, way.axes[down].extent);
    let [x_step] = way.axes[0].steps;
    let matrices: u64 = batch.iter().map(|axis| axis.extent).product();
    let batch = Meeting { axes: batch }.argument(ROOM).ok_or_else(|| too_many_axes(builder))?;
    let blocks = matrices * columns.div_ceil(TILE) * rows.div_ceil(TILE);
    builder.within_32_bits(&[rows, columns])?;
    let arguments = arguments![X, Y, rows, columns, x_step, row_step, batch];
    builder.launch(&module_of_size("layout", size_of(builder.dtype(0))), "turn", blocks, arguments)
}

/// Where a tensor lies within a larger one along an axis.
#[derive(Clone, core::marker::Copy)]
struct Side {
    whole: u64,
    before: u64,
    extent: u64,
}

pub(crate) fn pad(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let count = builder.output_elements(0);
    if count == 0 {
        return Ok(());
    }
    builder.within_32_bits(&[count])?;
    let lengths = builder.arguments.ints("before").iter().map(|length| length.unsigned_abs());
    let whole = builder.output_extents(0);
    let sides = whole.iter().zip(lengths).zip(builder.extents(0));
    let mut joined: Vec<Side> = Vec::new();
    for ((&whole, before), &extent) in sides.rev() {
        match joined.last_mut() {
            // Axes without a frame are one with the next.
            Some(inner) if inner.whole == inner.extent => {
                let row = inner.whole;
                *inner = Side { whole: whole * row, before: before * row, extent: extent * row };
            }
            _ => joined.push(Side { whole, before, extent }),
        }
    }
    if joined.len() > ROOM {
        return Err(too_many_axes(builder));
    }
    let mut words = vec![joined.len() as u64];
    let field = |of: fn(&Side) -> u64, absent: u64| -> Vec<u64> {
        (0..ROOM).map(|place| joined.get(place).map_or(absent, of)).collect()
    };
    words.extend(field(|side| side.whole, 1));
    words.extend(field(|side| side.before, 0));
    words.extend(field(|side| side.extent, 1));
    let dtype = builder.dtype(0);
    let value = match bits(dtype, builder.arguments.float("value")) {
        Argument::U8(value) => u64::from(value),
        Argument::U16(value) => u64::from(value),
        Argument::U32(value) => u64::from(value),
        Argument::U64(value) => value,
        _ => 0,
    };
    let arguments = arguments![X, Y, count, Argument::Longs(words), value];
    builder.launch_each(&module_of_size("layout", size_of(dtype)), "pad", count, arguments)
}
