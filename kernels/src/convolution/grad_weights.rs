//! The gradient of a convolution's weights.

use drawloom_signature::windows::pair;
use gemm::Parallelism;

use super::{Convolution, PARTS, patches_at_once, with_patches};
use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Float, for_floats};
use crate::matrix::{Before, Matrix, MatrixMut, multiply};
use crate::scratch::Scratch;
use crate::{KernelError, Outputs};

/// How many bytes the sums of parts of the places take at most, where there are more than two.
const SUMS_BYTES: usize = 64 << 20;

pub(crate) fn conv2d_grad_weights(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => grad_weights::<T>(call, outputs))
}

/// Each part of the places has a sum of its own. How many there are depends on extents alone, so
/// that the result is the same on any number of cores.
fn grad_weights<T: Float>(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (x, dy) = (call.input::<T>(0), call.input::<T>(1));
    let taps = pair(&call.arguments, "window", [1; 2])?;
    let convolution = Convolution::new(call, &call.extents(0), &call.extents(1), taps)?;
    let y = call.create_one::<T>(outputs)?;
    let (size, places) = (y.len(), convolution.all_places());
    if size == 0 || places == 0 {
        y.fill(T::ZERO);
        return Ok(());
    }
    let at_once = patches_at_once::<T>(places, convolution.taps() * convolution.own_channels());
    let most = (SUMS_BYTES / (size * size_of::<T>())).clamp(2, PARTS);
    let part = places.div_ceil(most).next_multiple_of(at_once);
    let mut sums = vec![T::ZERO; places.div_ceil(part) * size];
    let scratch = Scratch::default();
    call.context.for_each(sums.chunks_exact_mut(size).enumerate(), |(index, sum)| {
        let end = ((index + 1) * part).min(places);
        for first in (index * part..end).step_by(at_once) {
            if call.context.check_cancelled().is_ok() {
                let places = (first, at_once.min(end - first));
                convolution.add_products(&x, &dy, places, sum, &scratch);
            }
        }
    })?;
    call.context.for_each(y.chunks_mut(CHUNK).enumerate(), |(index, y)| {
        let part = index * CHUNK..index * CHUNK + y.len();
        let mut parts = sums.chunks_exact(size).map(|sum| &sum[part.clone()]);
        y.copy_from_slice(parts.next().unwrap_or_default());
        for part in parts {
            y.iter_mut().zip(part).for_each(|(y, x)| *y = y.plus(*x));
        }
    })
}

impl Convolution {
    /// Adds to a gradient of the weights what these places give.
    fn add_products<T: Float>(
        &self,
        x: &[T],
        dy: &[T],
        (first, count): (usize, usize),
        sum: &mut [T],
        scratch: &Scratch<T>,
    ) {
        let (all, own) = (self.outputs, self.own_outputs());
        for group in 0..self.groups {
            let patches = self.patches(group);
            let dy = Matrix::with_step(&dy[first * all + group * own..], count, own, all);
            let sum = MatrixMut::with_step(&mut sum[group * own..], patches.len(), own, all);
            with_patches(&patches, x, (first, count), scratch, |patches| {
                multiply(patches.transposed(), dy, sum, Before::Kept, Parallelism::None);
            });
        }
    }
}
