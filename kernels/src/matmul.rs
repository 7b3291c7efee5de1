//! Products of matrices, one by one or in batches.

use drawloom_model::DType;
use gemm::Parallelism;
use half::{bf16, f16};

use crate::broadcast::Broadcast;
use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Float, for_floats};
use crate::matrix::{Before, Matrix, MatrixMut, multiply, parallelism};
use crate::wide::{BLOCK, Widen};
use crate::{KernelError, Outputs};

/// How many multiplications go by, at most, between looks at the cancel flag: some 10 ms.
const CHUNK_PRODUCTS: usize = 1 << 28;
/// How many multiplications a core does at a time, where matrices are smaller than that.
const ITEM_PRODUCTS: usize = 1 << 18;

pub(crate) fn matmul(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    match call.dtype(0) {
        DType::F16 => products_of_halves::<f16>(call, outputs),
        DType::BF16 => products_of_halves::<bf16>(call, outputs),
        dtype => for_floats!(call, dtype, T => {
            let (a, b) = (call.input::<T>(0), call.input::<T>(1));
            products(call, &a, &b, call.create_one::<T>(outputs)?)
        }),
    }
}

/// Multiplies and adds up in f32.
fn products_of_halves<T: Widen<Wide = f32>>(
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
    products(call, &a, &b, &mut wide)?;
    call.context.for_each(y.chunks_mut(CHUNK).zip(wide.chunks(CHUNK)), |(y, wide)| {
        let mut block = T::block();
        for (y, wide) in y.chunks_mut(BLOCK).zip(wide.chunks(BLOCK)) {
            T::write(y, &mut block, |y| y.copy_from_slice(wide));
        }
    })
}

/// The matrices of an input: the extents of the batch, and those of each matrix in memory.
struct Batch<'a, T> {
    elements: &'a [T],
    batch: &'a [usize],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a, T> Batch<'a, T> {
    /// `extents` are two or more, as the signature has checked.
    fn new(elements: &'a [T], extents: &'a [usize], transposed: bool) -> Self {
        let (batch, matrix) = extents.split_at(extents.len() - 2);
        Batch { elements, batch, rows: matrix[0], columns: matrix[1], transposed }
    }

    fn get(&self, index: usize) -> Matrix<'a, T> {
        let start = (index * self.rows * self.columns).min(self.elements.len());
        let matrix = Matrix::new(&self.elements[start..], self.rows, self.columns);
        if self.transposed { matrix.transposed() } else { matrix }
    }

    /// All matrices as one, the rows of each below those of the one before.
    fn stacked(&self) -> Matrix<'a, T> {
        let rows = self.batch.iter().product::<usize>() * self.rows;
        Matrix::new(self.elements, rows, self.columns)
    }

    fn is_one(&self) -> bool {
        self.batch.iter().all(|extent| *extent == 1)
    }
}

fn products<T: Float>(call: &Call<'_>, a: &[T], b: &[T], y: &mut [T]) -> Result<(), KernelError> {
    let (a_extents, b_extents) = (call.extents(0), call.extents(1));
    let a = Batch::new(a, &a_extents, call.arguments.bool("transpose_a"));
    let b = Batch::new(b, &b_extents, call.arguments.bool("transpose_b"));
    if y.is_empty() || a.elements.is_empty() {
        y.fill(T::ZERO);
        return Ok(());
    }
    let second = b.get(0);
    if b.is_one() && (a.is_one() || !a.transposed) {
        let first = if a.is_one() { a.get(0) } else { a.stacked() };
        return product(call, first, second, y);
    }
    let first = a.get(0);
    let (size, count) = (first.rows * second.columns, first.rows * first.columns * second.columns);
    let meeting = Broadcast::new([a.batch, b.batch]);
    if y.len() / size < call.context.cores() {
        for (index, y) in y.chunks_exact_mut(size).enumerate() {
            let [first, second] = meeting.places(index);
            product(call, a.get(first), b.get(second), y)?;
        }
        return Ok(());
    }
    let at_once = (ITEM_PRODUCTS / count).max(1);
    call.context.for_each(y.chunks_mut(at_once * size).enumerate(), |(part, y)| {
        for (index, y) in (part * at_once..).zip(y.chunks_exact_mut(size)) {
            let [first, second] = meeting.places(index);
            let (first, second) = (a.get(first), b.get(second));
            let y = MatrixMut::new(y, first.rows, second.columns);
            multiply(first, second, y, Before::Replaced, Parallelism::None);
        }
    })
}

/// One product on all of the task's cores.
fn product<T: Float>(
    call: &Call<'_>,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    y: &mut [T],
) -> Result<(), KernelError> {
    let rows_at_once = (CHUNK_PRODUCTS / (a.columns * b.columns)).max(64);
    call.context.install(|| {
        for (index, y) in y.chunks_mut(rows_at_once * b.columns).enumerate() {
            call.context.check_cancelled()?;
            let rows = y.len() / b.columns;
            let y = MatrixMut::new(y, rows, b.columns);
            let a = a.rows_from(index * rows_at_once, rows);
            multiply(a, b, y, Before::Replaced, parallelism(call.context));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use drawloom_model::Attribute;
    use half::{bf16, f16};

    use crate::element::Number;
    use crate::trial::{assert_near, extents, made, numbers, random, refused};

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

    /// The elements of an input's `index`-th matrix, where its leading axes meet those of `batch`.
    fn met(own: &[u64], batch: &[u64], mut index: u64) -> usize {
        let (mut place, mut size) = (0, 1);
        for (axis, extent) in batch.iter().enumerate().rev() {
            let step = index % extent;
            index /= extent;
            let Some(axis) = (axis + own.len()).checked_sub(batch.len()) else { continue };
            place += if own[axis] == 1 { 0 } else { step * size };
            size *= own[axis];
        }
        place as usize
    }

    fn check_batch(a: &[u64], b: &[u64], batch: &[u64], [m, k, n]: [u64; 3]) {
        for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true)] {
            let of = |batch: &[u64], matrix: [u64; 2]| [batch, &matrix].concat();
            let a_extents = of(a, if transpose_a { [k, m] } else { [m, k] });
            let b_extents = of(b, if transpose_b { [n, k] } else { [k, n] });
            let (left, right) = (random::<f64>(&a_extents, 1), random::<f64>(&b_extents, 2));
            let given = [
                ("transpose_a", Attribute::Bool(transpose_a)),
                ("transpose_b", Attribute::Bool(transpose_b)),
            ];
            let y = made("matmul", &given, &[left.clone(), right.clone()]);
            assert_eq!(extents(&y), of(batch, [m, n]));
            let (left, right) = (numbers(&left), numbers(&right));
            let (m, k, n) = (m as usize, k as usize, n as usize);
            let mut expected = Vec::new();
            for index in 0..batch.iter().product() {
                let left = &left[met(a, batch, index) * m * k..];
                let right = &right[met(b, batch, index) * k * n..];
                for (row, column) in (0..m * n).map(|place| (place / n, place % n)) {
                    let term = |inner: usize| {
                        let a = if transpose_a { inner * m + row } else { row * k + inner };
                        let b = if transpose_b { column * k + inner } else { inner * n + column };
                        left[a] * right[b]
                    };
                    expected.push((0..k).map(term).sum());
                }
            }
            assert_near(&y, &expected, 1e-12);
        }
    }

    #[test]
    fn batches_broadcast() {
        check_batch(&[5], &[5], &[5], [3, 4, 2]);
        check_batch(&[2, 3], &[], &[2, 3], [4, 5, 6]);
        check_batch(&[], &[2, 3], &[2, 3], [4, 5, 6]);
        check_batch(&[2, 1], &[3], &[2, 3], [3, 2, 4]);
        check_batch(&[1, 1], &[1], &[1, 1], [3, 2, 4]);
        check_batch(&[700], &[700], &[700], [9, 8, 7]);
        check_batch(&[1], &[2], &[2], [70, 60, 50]);
        check_batch(&[0], &[1], &[0], [3, 2, 4]);
        check_batch(&[4], &[4], &[4], [3, 0, 4]);
        check_batch(&[4], &[4], &[4], [0, 3, 4]);
    }

    #[test]
    fn batches_that_do_not_go_together_are_told() {
        let of = |shape: &[u64]| random::<f32>(shape, 1);
        assert_eq!(
            refused("matmul", &[], &[of(&[2, 3, 4]), of(&[3, 4, 5])]),
            "matmul: batches do not broadcast: a is f32[2, 3, 4], b is f32[3, 4, 5]"
        );
        assert_eq!(
            refused("matmul", &[], &[of(&[3]), of(&[3, 4])]),
            "matmul, input a: must be a tensor with 2 extents or more, is f32[3]"
        );
    }
}
