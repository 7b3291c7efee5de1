//! Selection of rows by index, and rows that go where indices say.

use drawloom_model::DType;

use super::layout::copy_whole;
use super::order::Keys;
use crate::argument::arguments;
use crate::builder::{Builder, module_of, module_of_size, product, size_of};
use crate::plan::Condition;
use crate::{Buffer, PlanError};

/// `gather` and `embedding`.
pub(crate) fn gather(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (rows, row) = rows_of(builder, 0);
    builder.check(1, Condition::Index { bound: rows, of_what: "rows" })?;
    let count = builder.elements(1);
    let bytes = product(row).saturating_mul(size_of(builder.dtype(0)));
    if count == 0 || bytes == 0 || rows == 0 {
        return Ok(());
    }
    let (module, width) = words(bytes);
    builder.within_32_bits(&[count.saturating_mul(width)])?;
    let entry = if builder.dtype(1) == DType::I32 { "gather_i32" } else { "gather_i64" };
    let (table, indices) = (Buffer::Input(0), Buffer::Input(1));
    let arguments = arguments![table, indices, Buffer::Output(0), count, width, rows];
    builder.launch_each(&module, entry, count * width, arguments)
}

/// An input's number of rows, and the extents of a row.
fn rows_of<'a>(builder: &Builder<'a>, input: usize) -> (u64, &'a [u64]) {
    builder.extents(input).split_first().map_or((1, &[]), |(rows, row)| (*rows, row))
}

/// The module that moves rows of so many bytes in the largest words, and how many words they are.
fn words(bytes: u64) -> (String, u64) {
    let word = 1 << bytes.trailing_zeros().min(4);
    (module_of_size("gather", word), bytes / word)
}

pub(crate) fn scatter(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (rows, row) = rows_of(builder, 0);
    builder.check(1, Condition::Index { bound: rows, of_what: "rows" })?;
    let bytes = product(row).saturating_mul(size_of(builder.dtype(0)));
    if rows == 0 || bytes == 0 {
        return Ok(());
    }
    let (x, indices, updates) = (Buffer::Input(0), Buffer::Input(1), Buffer::Input(2));
    let count = builder.elements(1);
    if count == 0 {
        return copy_whole(builder, x, rows.saturating_mul(bytes));
    }
    let last = builder.zeroed(rows.saturating_mul(8));
    let module = module_of("target", builder.dtype(1));
    builder.launch_each(&module, "last_updates", count, arguments![indices, count, rows, last])?;
    let (module, width) = words(bytes);
    builder.within_32_bits(&[rows.saturating_mul(width)])?;
    let arguments = arguments![x, updates, last, Buffer::Output(0), rows, width];
    builder.launch_each(&module, "scatter", rows * width, arguments)
}

pub(crate) fn scatter_add(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (rows, row) = rows_of(builder, 0);
    builder.check(1, Condition::Index { bound: rows, of_what: "rows" })?;
    let sum = Sum { x: Buffer::Input(0), indices: 1, updates: 2, rows, width: product(row) };
    sum.launch(builder)
}

pub(crate) fn embedding_grad(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let rows = builder.arguments.int("rows").unsigned_abs();
    builder.check(0, Condition::Index { bound: rows, of_what: "rows" })?;
    let width = builder.extents(1).last().copied().unwrap_or(0);
    Sum { x: Buffer::Nothing, indices: 0, updates: 1, rows, width }.launch(builder)
}

/// Rows and the updates that go to them, added up in the order of the updates: these are sorted by
/// their rows first, and each row then finds its own next to each other.
struct Sum {
    x: Buffer,
    indices: usize,
    updates: usize,
    rows: u64,
    width: u64,
}

impl Sum {
    fn launch(self, builder: &mut Builder<'_>) -> Result<(), PlanError> {
        let Sum { x, indices, updates, rows, width } = self;
        if rows == 0 || width == 0 {
            return Ok(());
        }
        let count = builder.elements(indices);
        builder.within_32_bits(&[count, rows, rows.saturating_mul(width)])?;
        let module = module_of("target", builder.dtype(indices));
        let mut buffer = builder.scratch(8 * count);
        if count > 0 {
            let arguments = arguments![Buffer::Input(indices), buffer, count, rows];
            builder.launch_each(&module, "update_keys", count, arguments)?;
            let keys = Keys { buffer, lines: 1, length: count, key_bytes: 8 };
            buffer = keys.sort(builder, count)?.buffer;
        }
        let starts = builder.scratch(8 * (rows + 1));
        let arguments = arguments![buffer, starts, count, rows];
        builder.launch_each(&module, "row_starts", rows + 1, arguments)?;
        let (updates, module) = (Buffer::Input(updates), builder.dtype(updates));
        let y = Buffer::Output(0);
        let arguments = arguments![x, updates, buffer, starts, y, rows, width];
        builder.launch_each(&module_of("add_rows", module), "add_rows", rows * width, arguments)
    }
}
