//! Images made smaller by what windows meet, and the gradients of that.

use drawloom_signature::windows::{Window, pair, windows};

use crate::argument::arguments;
use crate::builder::{Builder, module_of};
use crate::{Argument, Buffer, PlanError};

const Y: Buffer = Buffer::Output(0);

/// The structure that kernels take: windows on images, where x and y are what pooling takes and makes.
fn pooling(builder: &Builder<'_>, x: &[u64], y: &[u64]) -> Result<Argument, PlanError> {
    let taps = pair(&builder.arguments, "window", [1; 2])?;
    let windows = windows(&builder.arguments, taps, taps)?;
    let reach = |axis: usize| {
        let Window { taps, stride, padding, .. } = windows[axis];
        [y[axis + 1].saturating_mul(stride), x[axis + 1].saturating_add(padding + taps)]
    };
    builder.within_32_bits(&[reach(0), reach(1)].concat())?;
    let of_windows = |field: fn(&Window) -> u64| windows.each_ref().map(field);
    let fields = [
        [x[1], x[2]],
        [y[1], y[2]],
        [x[3], windows[0].taps],
        [windows[1].taps, windows[0].stride],
        [windows[1].stride, windows[0].padding],
    ];
    let mut words = fields.as_flattened().to_vec();
    words.extend(of_windows(|window| window.padding).into_iter().skip(1));
    Ok(Argument::Longs(words))
}

fn launch(
    builder: &mut Builder<'_>,
    entry: &'static str,
    count: u64,
    arguments: Vec<Argument>,
) -> Result<(), PlanError> {
    builder.within_32_bits(&[count])?;
    if count == 0 {
        return Ok(());
    }
    builder.launch_each(&module_of("pooling", builder.dtype(0)), entry, count, arguments)
}

pub(crate) fn max_pool2d(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let pooling = pooling(builder, builder.extents(0), &builder.output_extents(0))?;
    let count = builder.output_elements(0);
    let arguments = arguments![Buffer::Input(0), Y, Buffer::Nothing, count, pooling];
    launch(builder, "max_pool", count, arguments)
}

pub(crate) fn max_pool2d_grad(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let pooling = pooling(builder, builder.extents(0), builder.extents(1))?;
    let (places, count) = (builder.elements(1), builder.output_elements(0));
    let pixels = builder.scratch(places.saturating_mul(8));
    let arguments = arguments![Buffer::Input(0), Buffer::Nothing, pixels, places, pooling.clone()];
    launch(builder, "max_pool", places, arguments)?;
    let arguments = arguments![pixels, Buffer::Input(1), Y, count, pooling];
    launch(builder, "max_pool_grad", count, arguments)
}

pub(crate) fn avg_pool2d(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let pooling = pooling(builder, builder.extents(0), &builder.output_extents(0))?;
    let count = builder.output_elements(0);
    launch(builder, "avg_pool", count, arguments![Buffer::Input(0), Y, count, pooling])
}

pub(crate) fn avg_pool2d_grad(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let pooling = pooling(builder, &builder.output_extents(0), builder.extents(0))?;
    let count = builder.output_elements(0);
    launch(builder, "avg_pool_grad", count, arguments![Buffer::Input(0), Y, count, pooling])
}
