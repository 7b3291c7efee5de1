//! From logits to losses and scores.

use super::reduce::places;
use super::rows::Rows;
use crate::argument::arguments;
use crate::builder::{Builder, module_of};
use crate::plan::Condition;
use crate::{Buffer, PlanError};

const LOGITS: Buffer = Buffer::Input(0);
const LABELS: Buffer = Buffer::Input(1);

/// Numbers of rows and classes, where labels are checked to be classes.
fn classified(builder: &mut Builder<'_>) -> Result<(u64, u64), PlanError> {
    let (rows, classes) = (builder.extents(0)[0], builder.extents(0)[1]);
    builder.check(1, Condition::Index { bound: classes, of_what: "classes" })?;
    Ok((rows, classes))
}

pub(crate) fn cross_entropy(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (rows, classes) = classified(builder)?;
    let denominator = builder.arguments.optional_float("denominator").unwrap_or(rows.max(1) as f64);
    let (module, labels) = (module_of("loss", builder.dtype(0)), builder.dtype(1));
    let losses = builder.zeroed(rows.saturating_mul(8));
    if rows > 0 && classes > 0 {
        let own = Rows::of(builder, 0);
        let gradient = Buffer::Output(1);
        let arguments =
            arguments![LOGITS, LABELS, losses, gradient, rows, classes, denominator, own.team];
        builder.launch(&module, format!("cross_entropy_{labels}"), own.blocks(), arguments)?;
    }
    let arguments = arguments![losses, Buffer::Output(0), rows, denominator];
    builder.launch(&module, "total_loss", 1, arguments)
}

pub(crate) fn accuracy(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (rows, _) = classified(builder)?;
    let (module, labels) = (module_of("loss", builder.dtype(0)), builder.dtype(1));
    let right = builder.zeroed(8);
    if rows > 0 {
        let found = builder.scratch(rows.saturating_mul(8));
        places(builder, "argmax", LOGITS, builder.extents(0), &[false, true], found)?;
        let arguments = arguments![found, LABELS, rows, right];
        builder.launch_each(&module, format!("count_right_{labels}"), rows, arguments)?;
    }
    let arguments = arguments![right, Buffer::Output(0), rows];
    builder.launch_as(&module, "share", 1, (1, 0), arguments)
}
