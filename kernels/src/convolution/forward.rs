//! The convolution itself.

use gemm::Parallelism;

use super::{Convolution, patches_at_once, with_patches};
use crate::call::Call;
use crate::element::{Float, for_floats};
use crate::matrix::{Before, Matrix, MatrixMut, multiply};
use crate::patches::Patches;
use crate::scratch::Scratch;
use crate::{KernelError, Outputs};

pub(crate) fn conv2d(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => forward::<T>(call, outputs))
}

fn forward<T: Float>(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (x, weights) = (call.input::<T>(0), call.input::<T>(1));
    let taps = [0, 1].map(|axis| call.extents(1)[axis] as u64);
    let convolution = Convolution::new(call, &call.extents(0), &call.output_extents(0)?, taps)?;
    let y = call.create_one::<T>(outputs)?;
    if y.is_empty() {
        return Ok(());
    }
    let (all, own) = (convolution.outputs, convolution.own_outputs());
    let groups: Vec<Patches> = (0..convolution.groups).map(|g| convolution.patches(g)).collect();
    let at_once = patches_at_once::<T>(convolution.all_places(), groups[0].len());
    let scratch = Scratch::default();
    call.context.for_each(y.chunks_mut(at_once * all).enumerate(), |(index, y)| {
        let count = y.len() / all;
        for (group, patches) in groups.iter().enumerate() {
            let weights = convolution.weights_of(group, &weights);
            let weights = Matrix::with_step(weights, patches.len(), own, all);
            let y = MatrixMut::with_step(&mut y[group * own..], count, own, all);
            with_patches(patches, &x, (index * at_once, count), &scratch, |patches| {
                multiply(patches, weights, y, Before::Replaced, Parallelism::None);
            });
        }
    })
}
