//! Kernels that look at all elements along an axis, or at all there are, to count and add up.

use drawloom_signature::axes::normalise_axis;

use super::fold::{Axis, Extent, Fold, Source, Target, result_bytes};
use crate::argument::arguments;
use crate::builder::{Builder, THREADS, bits, module_of, module_of_size};
use crate::{Argument, Buffer, PlanError};

const EXCLUSIVE: u32 = 1;
const REVERSE: u32 = 2;

/// How many neighbours a block scans, and up to how many a thread does by itself.
const BLOCK: u64 = 4 * THREADS as u64;
const FEW: u64 = 64;
/// How many threads have enough to do that lines need not be cut.
const ENOUGH: u64 = 1 << 16;

pub(crate) fn scan(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (extents, dtype) = (builder.extents(0), builder.dtype(0));
    let axis = normalise_axis(builder.arguments.int("axis"), extents.len())
        .ok_or_else(|| builder.invalid("there is no such axis"))?;
    let extent = Extent::new(extents, axis, axis + 1);
    if builder.elements(0) == 0 {
        return Ok(());
    }
    let name = match builder.arguments.text("op") {
        "prod" => "prod",
        "max" => "max",
        "min" => "min",
        _ => "sum",
    };
    let flag = |name, bit| if builder.arguments.bool(name) { bit } else { 0 };
    let way = flag("exclusive", EXCLUSIVE) | flag("reverse", REVERSE);
    let by_rows = extent.inner == 1 && extent.along > FEW;
    let axis = match by_rows {
        true => Axis::cut(extent, BLOCK),
        false => {
            let parts = (ENOUGH / extent.kept()).max(1).min(extent.along.div_ceil(FEW));
            Axis::cut(extent, extent.along.div_ceil(parts))
        }
    };
    builder.within_32_bits(&[axis.results()])?;
    let module = module_of("scan", dtype);
    let parts = match axis.segments {
        1 => Buffer::Nothing,
        _ => {
            let result_bytes = result_bytes(name, dtype);
            let fold = Fold { module: &module_of("reduce", dtype), name, result_bytes };
            let parts = builder.scratch(axis.results().saturating_mul(result_bytes));
            let x = Source::Elements(Buffer::Input(0));
            fold.segments(builder, x, axis, Target::Parts(parts))?;
            let arguments = arguments![parts, axis.argument(), way];
            builder.launch_each(&module, format!("{name}_carries"), extent.kept(), arguments)?;
            parts
        }
    };
    let arguments = arguments![Buffer::Input(0), parts, Buffer::Output(0), axis.argument(), way];
    match by_rows {
        true => builder.launch(&module, format!("{name}_rows"), axis.results(), arguments),
        false => builder.launch_each(&module, format!("{name}_columns"), axis.results(), arguments),
    }
}

/// Up to how many bins are counted in a block's own memory.
const OWN_BINS: u64 = 4096;

pub(crate) fn histogram(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (count, bins) = (builder.elements(0), builder.output_elements(0));
    let (low, high) = (builder.arguments.float("low"), builder.arguments.float("high"));
    let y = Buffer::Output(0);
    let zero = bits(builder.output_dtype(0), 0.0);
    builder.launch_each(&module_of_size("fill", 8), "fill", bins, arguments![y, bins, zero])?;
    if count == 0 {
        return Ok(());
    }
    let shape = [low, high, (high - low) / bins as f64, bins as f64 / (high - low)];
    let words = shape.map(f64::to_bits).into_iter().chain([bins]).collect();
    let arguments = arguments![Buffer::Input(0), count, y, Argument::Longs(words)];
    let module = module_of("histogram", builder.dtype(0));
    if bins > OWN_BINS {
        return builder.launch_each(&module, "count_directly", count, arguments);
    }
    // Blocks take enough elements each that counting them outweighs adding up, and no more than 32
    // bits count.
    let per_block = (16 * u64::from(THREADS)).max(4 * bins);
    let blocks = count.div_ceil(per_block).clamp(1, 1 << 12).max(count >> 31);
    let shared = 4 * bins as u32;
    builder.launch_as(&module, "count_in_blocks", blocks, (THREADS, shared), arguments)
}
