//! Kernels that compute rows: probabilities and normalised ones, and their gradients.

use crate::argument::arguments;
use crate::builder::{Builder, THREADS, module_of};
use crate::{Buffer, PlanError};

const X: Buffer = Buffer::Input(0);
const Y: Buffer = Buffer::Output(0);

/// Up to how many columns a warp computes a row by itself.
const SHORT: u64 = 1024;

/// Rows of a tensor, and how many threads compute one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rows {
    pub(crate) rows: u64,
    pub(crate) width: u64,
    pub(crate) team: u32,
}

impl Rows {
    /// The rows of an input.
    pub(crate) fn of(builder: &Builder<'_>, input: usize) -> Self {
        let width = builder.extents(input).last().copied().unwrap_or(1);
        let rows = builder.elements(input).checked_div(width).unwrap_or(0);
        Rows { rows, width, team: if width <= SHORT { 32 } else { THREADS } }
    }

    /// How many blocks compute them.
    pub(crate) fn blocks(&self) -> u64 {
        self.rows.div_ceil(u64::from(THREADS / self.team))
    }
}

/// `softmax` and `log_softmax`.
pub(crate) fn softmax(builder: &mut Builder<'_>, entry: &'static str) -> Result<(), PlanError> {
    let own = Rows::of(builder, 0);
    if own.rows == 0 {
        return Ok(());
    }
    let arguments = arguments![X, Y, own.rows, own.width, own.team];
    builder.launch(&module_of("softmax", builder.dtype(0)), entry, own.blocks(), arguments)
}

/// The gradients of both.
pub(crate) fn softmax_grad(
    builder: &mut Builder<'_>,
    entry: &'static str,
) -> Result<(), PlanError> {
    let own = Rows::of(builder, 0);
    if own.rows == 0 {
        return Ok(());
    }
    let arguments = arguments![X, Buffer::Input(1), Y, own.rows, own.width, own.team];
    builder.launch(&module_of("softmax", builder.dtype(0)), entry, own.blocks(), arguments)
}

pub(crate) fn layer_norm(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let own = Rows::of(builder, 0);
    if own.rows == 0 {
        return Ok(());
    }
    let eps = builder.arguments.float("eps");
    let (gamma, beta) = (Buffer::Input(1), Buffer::Input(2));
    let arguments = arguments![X, gamma, beta, Y, own.rows, own.width, eps, own.team];
    let module = module_of("layer_norm", builder.dtype(0));
    builder.launch(&module, "normalise", own.blocks(), arguments)
}

/// In how many parts the gradients of columns are added up, at most, and how many rows a part has at
/// least.
const PARTS: u64 = 64;
const LEAST_ROWS: u64 = 32;

pub(crate) fn layer_norm_grad(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let own = Rows::of(builder, 0);
    let Rows { rows, width, team } = own;
    if width == 0 {
        return Ok(());
    }
    let eps = builder.arguments.float("eps");
    let (gamma, dy) = (Buffer::Input(1), Buffer::Input(2));
    let module = module_of("layer_norm", builder.dtype(0));
    let scales = builder.scratch(rows.saturating_mul(16));
    if rows > 0 {
        let arguments = arguments![X, gamma, dy, Y, scales, rows, width, eps, team];
        builder.launch(&module, "grad_rows", own.blocks(), arguments)?;
    }
    let part = rows.div_ceil(PARTS).max(LEAST_ROWS);
    let parts = rows.div_ceil(part);
    builder.within_32_bits(&[parts.saturating_mul(width)])?;
    let sums = builder.scratch(parts.saturating_mul(width).saturating_mul(16));
    if parts > 0 {
        let arguments = arguments![X, dy, scales, sums, rows, width, part, parts];
        builder.launch_each(&module, "grad_columns", parts.saturating_mul(width), arguments)?;
    }
    let (dgamma, dbeta) = (Buffer::Output(1), Buffer::Output(2));
    builder.launch_each(
        &module,
        "sum_columns",
        width,
        arguments![sums, dgamma, dbeta, width, parts],
    )
}
