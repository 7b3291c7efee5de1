//! Rows as probabilities, and their gradients.

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Float, for_floats};
use crate::vector::{fold, sum, sum_of_both, vectorised_wide};
use crate::{KernelError, Outputs};

// The closures that compute a row are inlined, so that they too are compiled for vectors. A function
// given by its name is not.

pub(crate) fn softmax(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => {
        by_rows::<T>(call, outputs, #[inline(always)] |x, y| { softmax_row(x, y); })
    })
}

#[allow(clippy::redundant_closure)]
pub(crate) fn log_softmax(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => {
        by_rows::<T>(call, outputs, #[inline(always)] |x, y| log_softmax_row(x, y))
    })
}

#[allow(clippy::redundant_closure)]
pub(crate) fn softmax_grad(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => {
        by_pairs_of_rows::<T>(call, outputs, #[inline(always)] |y, dy, dx| gradient_of_row(y, dy, dx))
    })
}

pub(crate) fn log_softmax_grad(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => {
        by_pairs_of_rows::<T>(call, outputs, #[inline(always)] |y, dy, dx| {
            gradient_of_log_row(y, dy, dx)
        })
    })
}

/// Writes the probabilities of a row to `y`; returns the logarithm of the sum of exponentials.
#[inline(always)]
pub(crate) fn softmax_row<T: Float>(x: &[T], y: &mut [T]) -> f64 {
    let most = fold(x, T::LOWEST, T::larger, T::larger);
    // At most 1, and 1 for the largest: nothing overflows and the sum is not 0.
    for (y, x) in y.iter_mut().zip(x) {
        *y = x.minus(most).exp();
    }
    let sum = sum(y, T::to_f64);
    let share = T::from_f64(1.0 / sum);
    for y in y {
        *y = y.times(share);
    }
    most.to_f64() + sum.ln()
}

#[inline(always)]
fn log_softmax_row<T: Float>(x: &[T], y: &mut [T]) {
    let log_sum = softmax_row(x, y);
    for (y, x) in y.iter_mut().zip(x) {
        *y = T::from_f64(x.to_f64() - log_sum);
    }
}

#[inline(always)]
fn gradient_of_row<T: Float>(y: &[T], dy: &[T], dx: &mut [T]) {
    let along = sum_of_both(y, dy, |y, dy| y.to_f64() * dy.to_f64());
    for (dx, (y, dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
        *dx = T::from_f64(y.to_f64() * (dy.to_f64() - along));
    }
}

#[inline(always)]
fn gradient_of_log_row<T: Float>(y: &[T], dy: &[T], dx: &mut [T]) {
    let sum = sum(dy, T::to_f64);
    for (dx, (y, dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
        *dx = T::from_f64(dy.to_f64() - y.exp().to_f64() * sum);
    }
}

/// How many rows of this length are computed at a time.
pub(crate) fn rows_at_once(length: usize) -> usize {
    (CHUNK / length.max(1)).max(1)
}

fn row_length(call: &Call<'_>) -> usize {
    call.extents(0).last().copied().unwrap_or(1).max(1)
}

/// Computes each row of the output from one of the input.
fn by_rows<T: Float>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    row: impl Fn(&[T], &mut [T]) + Sync,
) -> Result<(), KernelError> {
    let length = row_length(call);
    let x = call.input::<T>(0);
    let y = call.create_one::<T>(outputs)?;
    let chunk = rows_at_once(length) * length;
    call.context.for_each(y.chunks_mut(chunk).zip(x.chunks(chunk)), |(y, x)| {
        vectorised_wide(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(length).zip(x.chunks_exact(length)) {
                    row(x, y);
                }
            },
        );
    })
}

/// Computes each row of the output from one of each of two inputs.
fn by_pairs_of_rows<T: Float>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    row: impl Fn(&[T], &[T], &mut [T]) + Sync,
) -> Result<(), KernelError> {
    let length = row_length(call);
    let (a, b) = (call.input::<T>(0), call.input::<T>(1));
    let y = call.create_one::<T>(outputs)?;
    let chunk = rows_at_once(length) * length;
    let chunks = y.chunks_mut(chunk).zip(a.chunks(chunk).zip(b.chunks(chunk)));
    call.context.for_each(chunks, |(y, (a, b))| {
        vectorised_wide(
            #[inline(always)]
            || {
                let rows = a.chunks_exact(length).zip(b.chunks_exact(length));
                for (y, (a, b)) in y.chunks_exact_mut(length).zip(rows) {
                    row(a, b, y);
                }
            },
        );
    })
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::{Attribute, Value};

    use crate::trial::{assert_gradient, assert_near, made, numbers, random, refused, tensor};

    const SHAPES: [[u64; 2]; 6] = [[0, 3], [3, 0], [1, 1], [9000, 10], [40, 100], [3, 40_000]];

    fn of_rows(x: &Value, classes: u64, row: fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
        numbers(x).chunks(classes.max(1) as usize).flat_map(row).collect()
    }

    fn softmax(row: &[f64]) -> Vec<f64> {
        let sum: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(|x| x.exp() / sum).collect()
    }

    fn log_softmax(row: &[f64]) -> Vec<f64> {
        softmax(row).into_iter().map(f64::ln).collect()
    }

    #[test]
    fn rows_become_probabilities() {
        for [rows, classes] in SHAPES {
            let x = random::<f32>(&[rows, classes], 1);
            assert_near(&made("softmax", &[], from_ref(&x)), &of_rows(&x, classes, softmax), 1e-6);
            let expected = of_rows(&x, classes, log_softmax);
            assert_near(&made("log_softmax", &[], &[x]), &expected, 1e-6);
            let x = random::<f64>(&[rows, classes], 1);
            let expected = of_rows(&x, classes, log_softmax);
            assert_near(&made("log_softmax", &[], &[x]), &expected, 1e-12);
        }
    }

    #[test]
    fn extremes_and_nan() {
        let large = tensor(&[3], &[1000.0f32, 1000.0, f32::NEG_INFINITY]);
        assert_near(&made("softmax", &[], from_ref(&large)), &[0.5, 0.5, 0.0], 1e-7);
        let half = 0.5f64.ln();
        let expected = [half, half, f64::NEG_INFINITY];
        assert_near(&made("log_softmax", &[], &[large]), &expected, 1e-4);
        let nan = tensor(&[2], &[f64::NAN, 1.0]);
        assert_near(&made("softmax", &[], from_ref(&nan)), &[f64::NAN; 2], 0.0);
        assert_near(&made("log_softmax", &[], &[nan]), &[f64::NAN; 2], 0.0);
        assert!(refused("log_softmax", &[], &[tensor(&[], &[1.0f32])]).contains("with rows"));
    }

    #[test]
    fn gradients_are_slopes() {
        for [rows, classes] in [[0, 3], [1, 1], [3, 5], [2, 20]] {
            let x = random::<f64>(&[rows, classes], 1);
            let dy = random::<f64>(&[rows, classes], 2);
            for (kernel, gradient) in
                [("softmax", "softmax_grad"), ("log_softmax", "log_softmax_grad")]
            {
                let y = made(kernel, &[], from_ref(&x));
                let dx = made(gradient, &[], &[y, dy.clone()]);
                assert_gradient(kernel, &[], from_ref(&x), 0, &dy, &dx);
            }
        }
    }

    #[test]
    fn gradients_of_many_rows() {
        let given: [(&str, Attribute); 0] = [];
        for [rows, classes] in SHAPES {
            let (x, dy) = (random::<f32>(&[rows, classes], 1), random::<f32>(&[rows, classes], 2));
            let width = classes.max(1) as usize;
            let mut expected = [Vec::new(), Vec::new()];
            for (x, dy) in numbers(&x).chunks(width).zip(numbers(&dy).chunks(width)) {
                let y = softmax(x);
                let along: f64 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
                let sum: f64 = dy.iter().sum();
                expected[0].extend(y.iter().zip(dy).map(|(y, dy)| y * (dy - along)));
                expected[1].extend(y.iter().zip(dy).map(|(y, dy)| dy - y * sum));
            }
            let y = made("softmax", &given, from_ref(&x));
            assert_near(&made("softmax_grad", &given, &[y, dy.clone()]), &expected[0], 1e-6);
            let y = made("log_softmax", &given, &[x]);
            assert_near(&made("log_softmax_grad", &given, &[y, dy]), &expected[1], 1e-5);
        }
    }
}
