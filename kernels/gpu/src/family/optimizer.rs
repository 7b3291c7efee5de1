//! Steps that change parameters by their gradients.

use crate::argument::arguments;
use crate::builder::{Builder, module_of, scalar, size_of};
use crate::{Argument, Buffer, PlanError};

fn launch(
    builder: &mut Builder<'_>,
    entry: &'static str,
    buffers: &[Buffer],
    constants: Vec<Argument>,
) -> Result<(), PlanError> {
    let count = builder.elements(0);
    if count == 0 {
        return Ok(());
    }
    let mut arguments: Vec<Argument> = buffers.iter().map(|buffer| (*buffer).into()).collect();
    arguments.extend(arguments![count]);
    arguments.extend(constants);
    let groups = count.div_ceil(16 / size_of(builder.dtype(0)));
    builder.launch_each(&module_of("optimizer", builder.dtype(0)), entry, groups, arguments)
}

/// Attributes as constants of the parameters' type.
fn constants<const N: usize>(builder: &Builder<'_>, names: [&str; N]) -> Vec<Argument> {
    names.map(|name| scalar(builder.dtype(0), builder.arguments.float(name))).to_vec()
}

pub(crate) fn sgd(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let constants = constants(builder, ["lr", "weight_decay"]);
    let buffers = [Buffer::Input(0), Buffer::Input(1), Buffer::Output(0)];
    launch(builder, "sgd", &buffers, constants)
}

pub(crate) fn sgd_momentum(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let mut constants = constants(builder, ["lr", "weight_decay", "momentum"]);
    constants.extend(arguments![u32::from(builder.arguments.bool("nesterov"))]);
    let inputs = [0, 1, 2].map(Buffer::Input);
    let buffers = [inputs.as_slice(), &[0, 1].map(Buffer::Output)].concat();
    launch(builder, "sgd_momentum", &buffers, constants)
}

pub(crate) fn adam(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let mut constants = constants(builder, ["lr", "weight_decay", "eps"]);
    let [beta1, beta2] = ["beta1", "beta2"].map(|name| builder.arguments.float(name));
    let step = builder.arguments.int("step") as f64;
    let correction = |beta: f64| 1.0 / (1.0 - beta.powf(step));
    let more = [beta1, 1.0 - beta1, beta2, 1.0 - beta2, correction(beta1), correction(beta2)];
    constants.extend(more.map(|value| scalar(builder.dtype(0), value)));
    let inputs = [0, 1, 2, 3].map(Buffer::Input);
    let buffers = [inputs.as_slice(), &[0, 1, 2].map(Buffer::Output)].concat();
    launch(builder, "adam", &buffers, constants)
}
