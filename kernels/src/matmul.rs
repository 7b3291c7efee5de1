//! Products of matrices.

use drawloom_model::DType;
use gemm::{Parallelism, gemm};
use half::{bf16, f16};

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Float, for_floats};
use crate::wide::{BLOCK, Widen};
use crate::{KernelError, Outputs};

/// How many multiplications go by, at most, between looks at the cancel flag: some 10 ms.
const CHUNK_PRODUCTS: usize = 1 << 28;

/// A matrix in memory, perhaps read the other way round.
#[derive(Clone, Copy)]
struct Matrix<'a, T> {
    elements: &'a [T],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a, T> Matrix<'a, T> {
    fn new(elements: &'a [T], extents: &[usize], transposed: bool) -> Self {
        let (rows, columns) = (extents[0], extents[1]);
        if transposed {
            Matrix { elements, rows: columns, columns: rows, row_step: 1, column_step: columns }
        } else {
            Matrix { elements, rows, columns, row_step: columns, column_step: 1 }
        }
    }

    /// The matrix from row `first` on, `rows` of them.
    fn rows_from(self, first: usize, rows: usize) -> Self {
        Matrix { elements: &self.elements[first * self.row_step..], rows, ..self }
    }

    fn is_within_elements(&self) -> bool {
        let last = (self.rows - 1) * self.row_step + (self.columns - 1) * self.column_step;
        last < self.elements.len()
    }
}

pub(crate) fn matmul(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    match call.dtype(0) {
        DType::F16 => product_of_halves::<f16>(call, outputs),
        DType::BF16 => product_of_halves::<bf16>(call, outputs),
        dtype => for_floats!(call, dtype, T => {
            let (a, b) = (call.input::<T>(0), call.input::<T>(1));
            product(call, &a, &b, call.create_one::<T>(outputs)?)
        }),
    }
}

/// Multiplies and adds up in f32.
fn product_of_halves<T: Widen<Wide = f32>>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let widened = |index| -> Result<Vec<f32>, KernelError> {
        let x = call.input::<T>(index);
        let mut wide = vec![0.0; x.len()];
        call.context.for_each(wide.chunks_mut(CHUNK).zip(x.chunks(CHUNK)), |(wide, x)| {
            let mut block = T::block();
            for (wide, x) in wide.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
                wide.copy_from_slice(T::read(x, &mut block));
            }
        })?;
        Ok(wide)
    };
    let (a, b) = (widened(0)?, widened(1)?);
    let y = call.create_one::<T>(outputs)?;
    let mut wide = vec![0.0; y.len()];
    product(call, &a, &b, &mut wide)?;
    call.context.for_each(y.chunks_mut(CHUNK).zip(wide.chunks(CHUNK)), |(y, wide)| {
        let mut block = T::block();
        for (y, wide) in y.chunks_mut(BLOCK).zip(wide.chunks(BLOCK)) {
            T::write(y, &mut block, |y| y.copy_from_slice(wide));
        }
    })
}

fn product<T: Float>(call: &Call<'_>, a: &[T], b: &[T], y: &mut [T]) -> Result<(), KernelError> {
    let a = Matrix::new(a, &call.extents(0), call.arguments.bool("transpose_a"));
    let b = Matrix::new(b, &call.extents(1), call.arguments.bool("transpose_b"));
    if y.is_empty() || a.columns == 0 {
        y.fill(T::ZERO);
        return Ok(());
    }
    let parallelism = match call.context.cores() {
        1 => Parallelism::None,
        cores => Parallelism::Rayon(cores),
    };
    let rows_at_once = (CHUNK_PRODUCTS / (a.columns * b.columns)).max(64);
    call.context.install(|| {
        for (index, y) in y.chunks_mut(rows_at_once * b.columns).enumerate() {
            call.context.check_cancelled()?;
            let rows = y.len() / b.columns;
            multiply(a.rows_from(index * rows_at_once, rows), b, y, parallelism);
        }
        Ok(())
    })
}

/// Writes the product of two matrices with `n` rows and columns, above 0, to `y`.
pub(crate) fn multiply_square(
    n: usize,
    a: &[f32],
    b: &[f32],
    y: &mut [f32],
    parallelism: Parallelism,
) {
    multiply(Matrix::new(a, &[n, n], false), Matrix::new(b, &[n, n], false), y, parallelism);
}

/// Writes the product of `a` and `b`, none of whose extents is 0, to `y`.
fn multiply<T: Float>(a: Matrix<'_, T>, b: Matrix<'_, T>, y: &mut [T], parallelism: Parallelism) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(a.is_within_elements() && b.is_within_elements());
    assert!(k == b.rows && y.len() == m * n);
    let one = T::from_f64(1.0);
    // SAFETY: the asserts above keep every element that gemm reads or writes, at row * row_step +
    // column * column_step, within its slice; `y` is borrowed mutably, so nothing else overlaps
    // it. `T` is f32 or f64, which gemm knows.
    unsafe {
        gemm(
            m,
            n,
            k,
            y.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.elements.as_ptr(),
            a.column_step as isize,
            a.row_step as isize,
            b.elements.as_ptr(),
            b.column_step as isize,
            b.row_step as isize,
            one,
            one,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::Attribute;
    use half::{bf16, f16};

    use crate::element::Number;
    use crate::trial::{assert_near, extents, made, numbers, random};

    fn check<T: Number>([m, k, n]: [u64; 3], transpose_a: bool, transpose_b: bool) {
        let a = random::<T>(&if transpose_a { [k, m] } else { [m, k] }, 1);
        let b = random::<T>(&if transpose_b { [n, k] } else { [k, n] }, 2);
        let given = [
            ("transpose_a", Attribute::Bool(transpose_a)),
            ("transpose_b", Attribute::Bool(transpose_b)),
        ];
        let y = made("matmul", &given, &[a.clone(), b.clone()]);
        assert_eq!(extents(&y), [m, n]);
        let (a, b) = (numbers(&a), numbers(&b));
        let (m, k, n) = (m as usize, k as usize, n as usize);
        let mut expected = vec![0.0; m * n];
        for (row, inner, column) in
            (0..m * k * n).map(|place| (place / n / k, place / n % k, place % n))
        {
            let a = if transpose_a { a[inner * m + row] } else { a[row * k + inner] };
            let b = if transpose_b { b[column * k + inner] } else { b[inner * n + column] };
            expected[row * n + column] += a * b;
        }
        let tolerance = match T::DTYPE.size_bytes() {
            2 => 8e-3 / (k as f64).max(1.0),
            4 => 1e-6,
            _ => 1e-14,
        };
        assert_near(&y, &expected, tolerance * (k as f64).max(1.0));
    }

    #[test]
    fn products_of_all_shapes_and_transposes() {
        let shapes = [
            [1, 1, 1],
            [3, 5, 2],
            [17, 64, 10],
            [128, 70, 33],
            [1, 300, 1],
            [65, 1, 200],
            [0, 3, 2],
            [2, 3, 0],
            [2, 0, 3],
        ];
        for shape in shapes {
            for (transpose_a, transpose_b) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                check::<f32>(shape, transpose_a, transpose_b);
                check::<f64>(shape, transpose_a, transpose_b);
                check::<f16>(shape, transpose_a, transpose_b);
                check::<bf16>(shape, transpose_a, transpose_b);
            }
        }
    }

    #[test]
    fn a_large_product_is_the_same_on_any_number_of_cores() {
        check::<f32>([150, 600, 300], false, false);
        check::<f32>([700, 130, 64], true, false);
    }
}
