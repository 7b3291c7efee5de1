//! Products of matrices.

use drawloom_model::DType;

use crate::argument::arguments;
use crate::builder::{Builder, module_of, product, size_of, wide};
use crate::meeting::Meeting;
use crate::plan::Product;
use crate::{Argument, Buffer, PlanError};

const TRANSPOSE_A: u32 = 1;
const TRANSPOSE_B: u32 = 2;

/// How many axes of batches kernels have room for.
const ROOM: usize = 4;
/// How many blocks have enough to do that the inner extent need not be cut.
const ENOUGH: u64 = 128;
/// How long parts of the inner extent are at least, and what their length is a multiple of.
const LEAST_PART: u64 = 256;
const PART_UNIT: u64 = 32;

/// The extents of a product, and how its inner extent is cut into parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cut {
    pub(crate) rows: u64,
    pub(crate) columns: u64,
    pub(crate) inner: u64,
    part: u64,
    pub(crate) parts: u64,
}

impl Cut {
    /// A product that is not cut.
    pub(crate) fn whole([rows, inner, columns]: [u64; 3]) -> Self {
        Cut { rows, columns, inner, part: inner.max(1), parts: 1 }
    }

    /// A product cut so that there is enough to do where `blocks` make one part. Depends on extents
    /// alone, so that results do too.
    pub(crate) fn for_blocks(extents: [u64; 3], blocks: u64) -> Self {
        let whole = Cut::whole(extents);
        let wanted = (ENOUGH / blocks.max(1)).min(whole.inner / LEAST_PART).max(1);
        let part = whole.inner.div_ceil(wanted).next_multiple_of(PART_UNIT).max(1);
        Cut { part, parts: whole.inner.div_ceil(part).max(1), ..whole }
    }

    /// How many tiles of this size make the product.
    pub(crate) fn tiles(&self, [rows, columns]: [u64; 2]) -> u64 {
        self.rows.div_ceil(rows) * self.columns.div_ceil(columns)
    }

    /// The structure that kernels take.
    pub(crate) fn argument(&self) -> Argument {
        Argument::Longs(vec![self.rows, self.columns, self.inner, self.part, self.parts])
    }
}

/// A kernel and the size of its tiles.
struct Form {
    source: &'static str,
    entry: &'static str,
    tile: [u64; 2],
}

const SMALL: Form = Form { source: "matmul", entry: "matmul_64x64", tile: [64, 64] };
const LARGE: Form = Form { source: "matmul", entry: "matmul_128x128", tile: [128, 128] };
/// Tensor cores, from compute capability 8.0 on.
const TENSOR: Form = Form { source: "matmul_mma", entry: "matmul_mma", tile: [128, 128] };

pub(crate) fn matmul(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let dtype = builder.dtype(0);
    let (a, b) = (builder.extents(0), builder.extents(1));
    let (a_batch, a_matrix) = a.split_at(a.len() - 2);
    let (b_batch, b_matrix) = b.split_at(b.len() - 2);
    let turn_a = builder.arguments.bool("transpose_a");
    let turn_b = builder.arguments.bool("transpose_b");
    let [mut rows, inner] =
        if turn_a { [a_matrix[1], a_matrix[0]] } else { [a_matrix[0], a_matrix[1]] };
    let columns = if turn_b { b_matrix[0] } else { b_matrix[1] };
    let count = builder.output_elements(0);
    if count == 0 {
        return Ok(());
    }
    let mut products = count / (rows * columns);
    let mut meeting = Meeting::new([a_batch, b_batch]);
    if product(b_batch) == 1 && !turn_a {
        // The matrices of a batch lie below each other: they are one.
        rows *= products;
        products = 1;
        meeting = Meeting::default();
    }
    let of_all = [rows, columns, inner, rows.saturating_mul(inner), columns.saturating_mul(inner)];
    builder.within_32_bits(&of_all)?;
    let extents = [rows, inner, columns];
    let form = form(builder, dtype, extents, products);
    let blocks = Cut::whole(extents).tiles(form.tile) * products;
    let cut = Cut::for_blocks(extents, blocks);
    let y = Buffer::Output(0);
    let parts = match cut.parts {
        1 => Buffer::Nothing,
        parts => builder.scratch((count * parts).saturating_mul(size_of(wide(dtype)))),
    };
    let transposed = if turn_a { TRANSPOSE_A } else { 0 } | if turn_b { TRANSPOSE_B } else { 0 };
    if let Some([a_step, b_step]) = steps(&meeting) {
        builder.makes(Product {
            dtype,
            rows,
            columns,
            inner,
            transpose_a: turn_a,
            transpose_b: turn_b,
            products,
            a_step: a_step.saturating_mul(rows).saturating_mul(inner),
            b_step: b_step.saturating_mul(columns).saturating_mul(inner),
        });
    }
    let batch = meeting
        .argument(ROOM)
        .ok_or_else(|| builder.unsupported(format!("batches of more than {ROOM} axes")))?;
    let (left, right) = (Buffer::Input(0), Buffer::Input(1));
    let arguments = arguments![left, right, y, parts, transposed, cut.argument(), batch];
    let module = module_of(form.source, dtype);
    builder.within_32_bits(&[blocks.saturating_mul(cut.parts)])?;
    builder.launch(&module, form.entry, blocks * cut.parts, arguments)?;
    sum_parts(builder, dtype, parts, y, rows * columns * products, rows * columns, cut.parts)
}

/// How many matrices are from a product to the next in both batches, where it is the same for all.
fn steps(meeting: &Meeting<2>) -> Option<[u64; 2]> {
    match meeting.axes.as_slice() {
        [] => Some([0, 0]),
        [axis] => Some(axis.steps),
        _ => None,
    }
}

/// The kernel for products of these extents.
fn form(
    builder: &Builder<'_>,
    dtype: DType,
    [rows, inner, columns]: [u64; 3],
    products: u64,
) -> &'static Form {
    let half = matches!(dtype, DType::F16 | DType::BF16);
    if half && builder.device.compute_capability >= (8, 0) && rows.min(columns).min(inner) >= 16 {
        return &TENSOR;
    }
    let large = Cut::whole([rows, inner, columns]).tiles(LARGE.tile) * products;
    if dtype != DType::F64 && rows.min(columns) >= 128 && large >= ENOUGH / 2 {
        &LARGE
    } else {
        &SMALL
    }
}

/// Adds up the parts of products of `size` elements each, where there are several.
pub(crate) fn sum_parts(
    builder: &mut Builder<'_>,
    dtype: DType,
    parts: Buffer,
    y: Buffer,
    count: u64,
    size: u64,
    part_count: u64,
) -> Result<(), PlanError> {
    if part_count <= 1 {
        return Ok(());
    }
    builder.within_32_bits(&[count])?;
    let arguments = arguments![parts, y, count, size, part_count];
    builder.launch_each(&module_of("matmul", dtype), "sum_parts", count, arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_products_of_few_tiles_are_cut() {
        let cut = Cut::for_blocks([64, 60_000, 10], 1);
        assert_eq!((cut.part, cut.parts), (480, 125));
        assert_eq!(Cut::for_blocks([64, 60_000, 10], 1000).parts, 1);
        assert_eq!(Cut::for_blocks([64, 0, 10], 1).parts, 1);
        assert_eq!(Cut::for_blocks([64, 300, 10], 1).parts, 1);
    }
}
