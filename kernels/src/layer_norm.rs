//! Rows brought to mean 0 and variance 1.

use crate::call::{Call, elements};
use crate::context::CHUNK;
use crate::element::{Float, Number, for_floats};
use crate::softmax::rows_at_once;
use crate::vector::{sum, sum_of_both, vectorised};
use crate::{KernelError, Outputs};

/// In how many parts the gradients of columns are added up, at most.
const PARTS: usize = 64;

/// A row's mean, and what its distances from it are multiplied by.
#[derive(Clone, Copy)]
struct Scale {
    mean: f64,
    factor: f64,
}

impl Scale {
    #[inline(always)]
    fn of<T: Number>(row: &[T], eps: f64) -> Self {
        let mean = sum(row, T::to_f64) / row.len() as f64;
        let squares = sum(row, |x| (x.to_f64() - mean) * (x.to_f64() - mean));
        Scale { mean, factor: 1.0 / (squares / row.len() as f64 + eps).sqrt() }
    }

    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> f64 {
        (x.to_f64() - self.mean) * self.factor
    }
}

pub(crate) fn layer_norm(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let eps = call.arguments.float("eps");
    for_floats!(call, call.dtype(0), T => {
        let [x, gamma, beta] = [0, 1, 2].map(|input| call.input::<T>(input));
        let y = call.create_one::<T>(outputs)?;
        let width = gamma.len().max(1);
        let chunk = rows_at_once(width) * width;
        call.context.for_each(y.chunks_mut(chunk).zip(x.chunks(chunk)), |(y, x)| {
            vectorised(#[inline(always)] || {
                for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                    let scale = Scale::of(x, eps);
                    let columns = gamma.iter().zip(beta.iter());
                    for ((y, x), (gamma, beta)) in y.iter_mut().zip(x).zip(columns) {
                        *y = T::from_f64(scale.apply(*x) * gamma.to_f64() + beta.to_f64());
                    }
                }
            });
        })
    })
}

pub(crate) fn layer_norm_grad(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => gradients::<T>(call, outputs))
}

/// Parts of the rows add up the gradients of columns by themselves; how many there are depends on
/// extents alone, so that the result is the same on any number of cores.
fn gradients<T: Float>(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let eps = call.arguments.float("eps");
    let [x, gamma, dy] = [0, 1, 2].map(|input| call.input::<T>(input));
    let [dx, dgamma, dbeta] = call.create_all(outputs)?;
    let (dx, dgamma, dbeta) = (elements::<T>(dx)?, elements(dgamma)?, elements(dbeta)?);
    let width = gamma.len();
    if width == 0 {
        return Ok(());
    }
    let rows = dx.len() / width;
    let part = rows.div_ceil(PARTS).max(CHUNK / width).max(1) * width;
    let mut sums = vec![[0.0f64; 2]; dx.len().div_ceil(part) * width];
    let chunks = dx
        .chunks_mut(part)
        .zip(x.chunks(part).zip(dy.chunks(part)))
        .zip(sums.chunks_exact_mut(width));
    call.context.for_each(chunks, |((dx, (x, dy)), sums)| {
        vectorised(
            #[inline(always)]
            || {
                let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
                for (dx, (x, dy)) in dx.chunks_exact_mut(width).zip(rows) {
                    gradient_of_row(x, &gamma, dy, dx, sums, eps);
                }
            },
        );
    })?;
    for (column, (dgamma, dbeta)) in dgamma.iter_mut().zip(dbeta).enumerate() {
        let parts = sums.iter().skip(column).step_by(width);
        let [of_gamma, of_beta] = parts.fold([0.0, 0.0], |[a, b], [c, d]| [a + c, b + d]);
        (*dgamma, *dbeta) = (T::from_f64(of_gamma), T::from_f64(of_beta));
    }
    Ok(())
}

/// Writes the gradient of a row of x, and adds to those of gamma and beta.
#[inline(always)]
fn gradient_of_row<T: Float>(
    x: &[T],
    gamma: &[T],
    dy: &[T],
    dx: &mut [T],
    sums: &mut [[f64; 2]],
    eps: f64,
) {
    let scale = Scale::of(x, eps);
    let inner = |gamma: T, dy: T| gamma.to_f64() * dy.to_f64();
    let mean = sum_of_both(gamma, dy, inner) / x.len() as f64;
    // Kept in dx until all of it is known.
    for ((dx, dy), gamma) in dx.iter_mut().zip(dy).zip(gamma) {
        *dx = T::from_f64(inner(*gamma, *dy));
    }
    let along = sum_of_both(x, dx, |x, dx| scale.apply(x) * dx.to_f64()) / x.len() as f64;
    for (((dx, x), dy), [of_gamma, of_beta]) in dx.iter_mut().zip(x).zip(dy).zip(sums) {
        let normal = scale.apply(*x);
        *of_gamma += dy.to_f64() * normal;
        *of_beta += dy.to_f64();
        *dx = T::from_f64(scale.factor * (dx.to_f64() - mean - normal * along));
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::Attribute;

    use crate::element::Number;
    use crate::trial::{
        assert_gradient, assert_near, attributes, extents, made, numbers, random, refused, tensor,
        trial,
    };

    fn normalised(row: &[f64], eps: f64) -> (Vec<f64>, f64) {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
        let deviation = (variance + eps).sqrt();
        (row.iter().map(|x| (x - mean) / deviation).collect(), deviation)
    }

    fn check<T: Number>(shape: &[u64], tolerance: f64) {
        let width = shape[shape.len() - 1];
        let x = random::<T>(shape, 1);
        let [gamma, beta] = [2, 3].map(|seed| random::<T>(&[width], seed));
        let given = [("eps", Attribute::Float(1e-3))];
        let y = made("layer_norm", &given, &[x.clone(), gamma.clone(), beta.clone()]);
        assert_eq!(extents(&y), shape);
        let dy = random::<T>(shape, 4);
        let gradients =
            trial("layer_norm_grad", attributes(&given), &[x.clone(), gamma.clone(), dy.clone()])
                .expect("gradients");
        let (gamma, beta) = (numbers(&gamma), numbers(&beta));
        let width = width.max(1) as usize;
        let (mut expected, mut dx) = (Vec::new(), Vec::new());
        let (mut dgamma, mut dbeta) = (vec![0.0; gamma.len()], vec![0.0; gamma.len()]);
        for (x, dy) in numbers(&x).chunks(width).zip(numbers(&dy).chunks(width)) {
            let (normal, deviation) = normalised(x, 1e-3);
            let inner: Vec<f64> = dy.iter().zip(&gamma).map(|(dy, gamma)| dy * gamma).collect();
            let mean = inner.iter().sum::<f64>() / width as f64;
            let along = inner.iter().zip(&normal).map(|(a, b)| a * b).sum::<f64>() / width as f64;
            for column in 0..width {
                expected.push(normal[column] * gamma[column] + beta[column]);
                dx.push((inner[column] - mean - normal[column] * along) / deviation);
                dgamma[column] += dy[column] * normal[column];
                dbeta[column] += dy[column];
            }
        }
        assert_near(&y, &expected, tolerance);
        assert_near(&gradients[0], &dx, tolerance * 30.0);
        assert_near(&gradients[1], &dgamma, tolerance);
        assert_near(&gradients[2], &dbeta, tolerance);
    }

    #[test]
    fn rows_and_their_gradients() {
        for shape in [&[3u64, 5][..], &[1], &[7, 1], &[2, 3, 40], &[3000, 33], &[0, 4], &[4, 0]] {
            check::<f32>(shape, 2e-6);
            check::<f64>(shape, 1e-12);
        }
    }

    #[test]
    fn gradients_are_slopes() {
        let (x, gamma) = (random::<f64>(&[3, 4], 1), random::<f64>(&[4], 2));
        let (beta, dy) = (random::<f64>(&[4], 3), random::<f64>(&[3, 4], 4));
        let inputs = [x.clone(), gamma.clone(), dy.clone()];
        let gradients = trial("layer_norm_grad", attributes(&[]), &inputs).expect("gradients");
        let inputs = [x, gamma, beta];
        for (which, gradient) in gradients.iter().enumerate() {
            assert_gradient("layer_norm", &[], &inputs, which, &dy, gradient);
        }
    }

    #[test]
    fn nan_stays_in_its_row_and_shapes_are_checked() {
        let x = tensor(&[2, 2], &[f32::NAN, 1.0, 0.0, 2.0]);
        let [gamma, beta] = [1.0f32, 0.0].map(|value| tensor(&[2], &[value; 2]));
        let y = made("layer_norm", &[], &[x.clone(), gamma.clone(), beta]);
        assert_near(&y, &[f64::NAN, f64::NAN, -1.0, 1.0], 1e-4);
        let wrong = [x, gamma, random::<f32>(&[3], 1)];
        assert_eq!(
            refused("layer_norm", &[], &wrong),
            "layer_norm: row lengths differ: x is f32[2, 2], beta is f32[3]"
        );
    }
}
