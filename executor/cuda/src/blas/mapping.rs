//! From row-major products to the library's column-major ones.

use drawloom_kernels_gpu::Product;
use drawloom_model::DType;

/// A call of the library: `c = op(left) op(right)` of matrices whose columns lie behind each other.
///
/// A row-major matrix is its transpose to the library. So that the result is right, it is asked for the
/// transpose of the product, `b^T a^T`: its left factor is input 1 and its right one input 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gemm {
    pub(crate) dtype: DType,
    pub(crate) rows: i32,
    pub(crate) columns: i32,
    pub(crate) inner: i32,
    /// Input 1.
    pub(crate) left: Factor,
    /// Input 0.
    pub(crate) right: Factor,
    /// Elements from a column of the result to the next.
    pub(crate) stride: i32,
    /// Elements from a result to the next.
    pub(crate) step: i64,
    /// How many products.
    pub(crate) count: i32,
}

/// A factor of a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Factor {
    /// Whether the library is to transpose what it sees.
    pub(crate) is_transposed: bool,
    /// Elements from a column to the next.
    pub(crate) stride: i32,
    /// Elements from a matrix to the next product's.
    pub(crate) step: i64,
}

impl Gemm {
    /// The call for a product; none where numbers are too large for the library, or there is nothing
    /// to multiply.
    pub(crate) fn of(product: &Product) -> Option<Self> {
        if !matches!(product.dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64) {
            return None;
        }
        let int = |value: u64| i32::try_from(value).ok().filter(|value| *value > 0);
        let Product { rows, columns, inner, .. } = *product;
        let factor = |is_transposed, row: u64, step: u64| {
            let (stride, step) = (int(row)?, i64::try_from(step).ok()?);
            Some(Factor { is_transposed, stride, step })
        };
        let b_row = if product.transpose_b { inner } else { columns };
        let a_row = if product.transpose_a { rows } else { inner };
        Some(Gemm {
            dtype: product.dtype,
            rows: int(columns)?,
            columns: int(rows)?,
            inner: int(inner)?,
            left: factor(product.transpose_b, b_row, product.b_step)?,
            right: factor(product.transpose_a, a_row, product.a_step)?,
            stride: int(columns)?,
            step: i64::try_from(rows.checked_mul(columns)?).ok()?,
            count: int(product.products)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library's `gemmStridedBatched` is documented to do.
    fn library(gemm: &Gemm, left: &[i64], right: &[i64], result: &mut [i64]) {
        // Column `column` of a matrix whose columns are `stride` apart.
        let at = |factor: &Factor, row: i32, column: i32, product: i64| {
            let (row, column) = if factor.is_transposed { (column, row) } else { (row, column) };
            assert!(row < factor.stride, "rows that overlap the next column");
            (product * factor.step + i64::from(column) * i64::from(factor.stride) + i64::from(row))
                as usize
        };
        for product in 0..i64::from(gemm.count) {
            for row in 0..gemm.rows {
                for column in 0..gemm.columns {
                    let term = |term| {
                        left[at(&gemm.left, row, term, product)]
                            * right[at(&gemm.right, term, column, product)]
                    };
                    let place = product * gemm.step + i64::from(column * gemm.stride + row);
                    result[place as usize] = (0..gemm.inner).map(term).sum();
                }
            }
        }
    }

    /// What a product is, by its own description.
    fn reference(product: &Product, a: &[i64], b: &[i64]) -> Vec<i64> {
        let Product { rows, columns, inner, .. } = *product;
        let mut result = Vec::new();
        for number in 0..product.products {
            for row in 0..rows {
                for column in 0..columns {
                    let term = |term: u64| {
                        let a_at = if product.transpose_a {
                            term * rows + row
                        } else {
                            row * inner + term
                        };
                        let b_at = if product.transpose_b {
                            column * inner + term
                        } else {
                            term * columns + column
                        };
                        a[(number * product.a_step + a_at) as usize]
                            * b[(number * product.b_step + b_at) as usize]
                    };
                    result.push((0..inner).map(term).sum());
                }
            }
        }
        result
    }

    #[test]
    fn the_library_makes_of_every_kind_what_the_product_is() {
        let sizes = [[1, 1, 1], [2, 3, 4], [5, 1, 3], [1, 6, 2], [4, 4, 1], [3, 7, 7]];
        for [rows, columns, inner] in sizes {
            for kind in 0..4 {
                for (products, a_shared, b_shared) in
                    [(1, false, false), (3, false, false), (3, true, false), (2, false, true)]
                {
                    let product = Product {
                        dtype: DType::F32,
                        rows,
                        columns,
                        inner,
                        transpose_a: kind & 1 != 0,
                        transpose_b: kind & 2 != 0,
                        products,
                        a_step: if a_shared { 0 } else { rows * inner },
                        b_step: if b_shared { 0 } else { columns * inner },
                    };
                    let numbers = |count: u64, by: i64| -> Vec<i64> {
                        (0..count as i64).map(|place| place * by % 23 - 9).collect()
                    };
                    let a = numbers(rows * inner * products, 7);
                    let b = numbers(columns * inner * products, 5);
                    let gemm = Gemm::of(&product).expect("a call");
                    let mut got = vec![i64::MIN; (rows * columns * products) as usize];
                    library(&gemm, &b, &a, &mut got);
                    assert_eq!(got, reference(&product, &a, &b), "{product:?}");
                }
            }
        }
    }

    #[test]
    fn what_the_library_cannot_do_is_left_to_kernels() {
        let product = Product {
            dtype: DType::F32,
            rows: 2,
            columns: 2,
            inner: 2,
            transpose_a: false,
            transpose_b: false,
            products: 1,
            a_step: 0,
            b_step: 0,
        };
        assert!(Gemm::of(&product).is_some());
        assert_eq!(Gemm::of(&Product { inner: 0, ..product }), None);
        assert_eq!(Gemm::of(&Product { rows: 1 << 31, ..product }), None);
        assert_eq!(Gemm::of(&Product { dtype: DType::I32, ..product }), None);
    }
}
