//! Tensors of one value and of random ones, and elements dropped at random.

use crate::argument::arguments;
use crate::builder::{Builder, bits, module_of, module_of_size, scalar, size_of};
use crate::{Buffer, PlanError};

/// The key and the sequence of the generator that a call's attributes ask for.
pub(crate) fn generator(builder: &Builder<'_>) -> [u64; 2] {
    ["seed", "stream"].map(|name| builder.arguments.int(name) as u64)
}

pub(crate) fn fill(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (count, dtype) = (builder.output_elements(0), builder.output_dtype(0));
    if count == 0 {
        return Ok(());
    }
    let value = bits(dtype, builder.arguments.float("value"));
    let arguments = arguments![Buffer::Output(0), count, value];
    let groups = count.div_ceil(16 / size_of(dtype));
    builder.launch_each(&module_of_size("fill", size_of(dtype)), "fill", groups, arguments)
}

/// Independent values of a distribution that two numbers tell.
pub(crate) fn spread(
    builder: &mut Builder<'_>,
    entry: &'static str,
    names: [&str; 2],
) -> Result<(), PlanError> {
    let count = builder.output_elements(0);
    if count == 0 {
        return Ok(());
    }
    let [first, second] = names.map(|name| builder.arguments.float(name));
    let [seed, stream] = generator(builder);
    let arguments = arguments![Buffer::Output(0), count, first, second, seed, stream];
    let module = module_of("random", builder.output_dtype(0));
    builder.launch_each(&module, entry, count.div_ceil(2), arguments)
}

/// Both ways: an element or its gradient stays or goes by its place alone.
pub(crate) fn dropout(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (count, dtype) = (builder.elements(0), builder.dtype(0));
    if count == 0 {
        return Ok(());
    }
    let rate = builder.arguments.float("rate");
    // How many of 2^32 random words drop their element.
    let dropping = (rate * 2f64.powi(32)) as u64;
    let factor = scalar(dtype, 1.0 / (1.0 - rate));
    let [seed, stream] = generator(builder);
    let arguments =
        arguments![Buffer::Input(0), Buffer::Output(0), count, dropping, factor, seed, stream];
    builder.launch_each(&module_of("dropout", dtype), "dropout", count.div_ceil(4), arguments)
}
