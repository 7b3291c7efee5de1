//! Matrices in memory, and their products.

use gemm::{Parallelism, gemm};

use crate::CpuContext;
use crate::element::Float;

/// A matrix in memory, perhaps read the other way round.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    elements: &'a [T],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    row_step: usize,
    column_step: usize,
}

/// A matrix in memory that is written to, whose neighbouring columns are neighbours.
pub(crate) struct MatrixMut<'a, T> {
    elements: &'a mut [T],
    rows: usize,
    columns: usize,
    row_step: usize,
}

/// What becomes of the elements that a product is written to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// They are replaced.
    Replaced,
    /// The product is added to them.
    Kept,
}

impl<'a, T> Matrix<'a, T> {
    /// A matrix whose rows follow one another.
    pub(crate) fn new(elements: &'a [T], rows: usize, columns: usize) -> Self {
        Matrix::with_step(elements, rows, columns, columns)
    }

    /// A matrix whose rows begin `row_step` elements apart.
    pub(crate) fn with_step(
        elements: &'a [T],
        rows: usize,
        columns: usize,
        row_step: usize,
    ) -> Self {
        Matrix { elements, rows, columns, row_step, column_step: 1 }
    }

    /// The matrix with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    /// The matrix from row `first` on, `rows` of them.
    pub(crate) fn rows_from(self, first: usize, rows: usize) -> Self {
        Matrix { elements: &self.elements[first * self.row_step..], rows, ..self }
    }

    fn is_within_elements(&self) -> bool {
        reaches(self.rows, self.row_step, self.columns, self.column_step) < self.elements.len()
    }
}

impl<'a, T> MatrixMut<'a, T> {
    /// A matrix whose rows follow one another.
    pub(crate) fn new(elements: &'a mut [T], rows: usize, columns: usize) -> Self {
        MatrixMut { elements, rows, columns, row_step: columns }
    }

    /// A matrix whose rows begin `row_step` elements apart.
    pub(crate) fn with_step(
        elements: &'a mut [T],
        rows: usize,
        columns: usize,
        row_step: usize,
    ) -> Self {
        MatrixMut { elements, rows, columns, row_step }
    }
}

/// Where the last element of a matrix is.
fn reaches(rows: usize, row_step: usize, columns: usize, column_step: usize) -> usize {
    let along = |extent: usize, step: usize| (extent - 1).saturating_mul(step);
    along(rows, row_step).saturating_add(along(columns, column_step))
}

/// As many threads as the task was given.
pub(crate) fn parallelism(context: &CpuContext<'_>) -> Parallelism {
    match context.cores() {
        1 => Parallelism::None,
        cores => Parallelism::Rayon(cores),
    }
}

/// Writes the product of `a` and `b` to `y`.
pub(crate) fn multiply<T: Float>(
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    y: MatrixMut<'_, T>,
    before: Before,
    parallelism: Parallelism,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(k == b.rows && y.rows == m && y.columns == n && y.row_step >= n);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if before == Before::Replaced {
            y.elements.chunks_mut(y.row_step).take(m).for_each(|row| row[..n].fill(T::ZERO));
        }
        return;
    }
    assert!(a.is_within_elements() && b.is_within_elements());
    assert!(reaches(m, y.row_step, n, 1) < y.elements.len());
    let one = T::from_f64(1.0);
    // SAFETY: the asserts above keep every element that gemm reads or writes, at row * row_step +
    // column * column_step, within its slice, and the rows of `y` apart; `y` is borrowed mutably,
    // so nothing else overlaps it. `T` is f32 or f64, which gemm knows.
    unsafe {
        gemm(
            m,
            n,
            k,
            y.elements.as_mut_ptr(),
            1,
            y.row_step as isize,
            before == Before::Kept,
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
    use super::*;

    #[test]
    fn products_replace_or_add() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 9.0, 0.0, 1.0]);
        let (a, b) = (Matrix::new(&a, 3, 2), Matrix::with_step(&b, 2, 2, 3));
        let mut y = [10.0f64; 8];
        multiply(a, b, MatrixMut::with_step(&mut y, 3, 2, 3), Before::Replaced, Parallelism::None);
        assert_eq!(y, [1.0, 2.0, 10.0, 3.0, 4.0, 10.0, 5.0, 6.0]);
        let (columns, part) = (a.transposed().rows_from(1, 1), a.rows_from(0, 3));
        let mut y = [10.0; 2];
        multiply(columns, part, MatrixMut::new(&mut y, 1, 2), Before::Kept, Parallelism::None);
        assert_eq!(y, [10.0 + 44.0, 10.0 + 56.0]);
    }

    #[test]
    fn a_product_over_nothing_is_zero() {
        let none = Matrix::<f32>::new(&[], 2, 0);
        let mut y = [7.0; 5];
        let all = MatrixMut::with_step(&mut y, 2, 2, 3);
        multiply(none, none.transposed(), all, Before::Kept, Parallelism::None);
        assert_eq!(y, [7.0; 5]);
        let all = MatrixMut::with_step(&mut y, 2, 2, 3);
        multiply(none, none.transposed(), all, Before::Replaced, Parallelism::None);
        assert_eq!(y, [0.0, 0.0, 7.0, 0.0, 0.0]);
    }
}
