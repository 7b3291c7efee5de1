//! The gradient of what a convolution takes.
//!
//! A pixel of x is met by those taps of the window that its place goes into by whole strides. So
//! pixels whose rows and columns leave the same rest when divided by the stride, a phase, are met
//! by the same taps, and their gradients are a convolution of dy without a stride.

use std::ops::Range;

use gemm::Parallelism;

use super::{Convolution, patches_at_once, with_patches};
use crate::call::Call;
use crate::element::{Float, for_floats};
use crate::matrix::{Before, Matrix, MatrixMut, multiply};
use crate::patches::{Patches, Slide};
use crate::scratch::Scratch;
use crate::{KernelError, Outputs};

/// Along one axis, elements that the same taps meet: every `stride`-th from `first` on.
struct AxisPhase {
    first: usize,
    /// In the order of `slide.offsets`.
    taps: Vec<usize>,
    /// Where dy's elements are that the taps lead to.
    slide: Slide,
}

/// Pixels that the same taps meet, for one group of channels.
struct Phase<T> {
    /// The first of its rows and columns.
    first: [usize; 2],
    group: usize,
    /// Of dy.
    patches: Patches,
    /// [channels, taps, outputs] of the group.
    weights: Vec<T>,
}

pub(crate) fn conv2d_grad_input(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => grad_input::<T>(call, outputs))
}

fn grad_input<T: Float>(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (dy, weights) = (call.input::<T>(0), call.input::<T>(1));
    let taps = [0, 1].map(|axis| call.extents(1)[axis] as u64);
    let convolution = Convolution::new(call, &call.output_extents(0)?, &call.extents(0), taps)?;
    let dx = call.create_one::<T>(outputs)?;
    if dx.is_empty() || dy.is_empty() {
        dx.fill(T::ZERO);
        return Ok(());
    }
    let (phases, size) = (convolution.phases(&weights), convolution.phase_size());
    let longest = phases.iter().map(|phase| phase.patches.len()).max().unwrap_or(0);
    let [height, width] = convolution.image;
    let at_once = patches_at_once::<T>(convolution.n * height * width / size, longest);
    let rows = (at_once.saturating_mul(size) / width).clamp(1, convolution.n * height);
    let row = width * convolution.channels;
    let scratch = Scratch::default();
    call.context.for_each(dx.chunks_mut(rows * row).enumerate(), |(index, dx)| {
        // Pixels that no tap meets are of no phase.
        if phases.len() < size.saturating_mul(convolution.groups) {
            dx.fill(T::ZERO);
        }
        for phase in &phases {
            let places = convolution.places_of(phase, index * rows, dx.len() / row);
            for first in places.clone().step_by(at_once) {
                if call.context.check_cancelled().is_ok() {
                    let places = (first, at_once.min(places.end - first));
                    convolution.write_phase(phase, &dy, places, index * rows, dx, &scratch);
                }
            }
        }
    })
}

impl Convolution {
    fn strides(&self) -> [usize; 2] {
        self.windows.map(|window| window.stride as usize)
    }

    /// One in how many pixels is of a phase.
    fn phase_size(&self) -> usize {
        self.strides().into_iter().fold(1, usize::saturating_mul)
    }

    /// The phases that any taps meet, for each group.
    fn phases<T: Float>(&self, weights: &[T]) -> Vec<Phase<T>> {
        let (rows, columns) = (self.axis_phases(0), self.axis_phases(1));
        let mut phases = Vec::new();
        for (rows, columns) in rows.iter().flat_map(|rows| columns.iter().map(move |c| (rows, c))) {
            for group in 0..self.groups {
                phases.push(self.phase(rows, columns, group, weights));
            }
        }
        phases
    }

    fn phase<T: Float>(
        &self,
        rows: &AxisPhase,
        columns: &AxisPhase,
        group: usize,
        weights: &[T],
    ) -> Phase<T> {
        let in_row = self.windows[1].taps as usize;
        let taps =
            rows.taps.iter().flat_map(|row| columns.taps.iter().map(move |c| row * in_row + c));
        let own = self.own_outputs();
        Phase {
            first: [rows.first, columns.first],
            group,
            patches: Patches {
                rows: rows.slide.clone(),
                columns: columns.slide.clone(),
                depth: self.outputs,
                channels: group * own..(group + 1) * own,
            },
            weights: self.turned(weights, group, &taps.collect::<Vec<_>>()),
        }
    }

    fn axis_phases(&self, axis: usize) -> Vec<AxisPhase> {
        let (window, stride) = (self.windows[axis], self.strides()[axis]);
        let phase = |first: usize| {
            // From tap to where dy's element is, counted in strides.
            let way = |tap: &usize| {
                let tap = *tap as isize * window.dilation as isize;
                let way = (first + window.padding as usize) as isize - tap;
                (way % stride as isize == 0).then_some(way / stride as isize)
            };
            let taps = (0..window.taps as usize).rev().filter(|tap| way(tap).is_some());
            let taps: Vec<usize> = taps.collect();
            let slide = Slide {
                places: (self.image[axis] - first).div_ceil(stride),
                step: 1,
                offsets: taps.iter().filter_map(way).collect(),
                extent: self.places[axis],
            };
            AxisPhase { first, taps, slide }
        };
        (0..stride.min(self.image[axis]))
            .map(phase)
            .filter(|phase| !phase.taps.is_empty())
            .collect()
    }

    /// The weights of a group at these taps, as `[channels, taps, outputs]`.
    fn turned<T: Float>(&self, weights: &[T], group: usize, taps: &[usize]) -> Vec<T> {
        let (channels, own) = (self.own_channels(), self.own_outputs());
        let mut turned = Vec::with_capacity(channels * taps.len() * own);
        for channel in 0..channels {
            for tap in taps {
                let start = (tap * channels + channel) * self.outputs + group * own;
                turned.extend_from_slice(&weights[start..][..own]);
            }
        }
        turned
    }

    /// Which places of a phase are in `count` rows of all images' from row `first` on.
    fn places_of<T>(&self, phase: &Phase<T>, first: usize, count: usize) -> Range<usize> {
        let before = |row: usize| {
            let (image, row) = (row / self.image[0], row % self.image[0]);
            let in_image = (row + self.strides()[0] - 1 - phase.first[0]) / self.strides()[0];
            (image * phase.patches.rows.places + in_image) * phase.patches.columns.places
        };
        before(first)..before(first + count)
    }

    /// Writes the gradients at places of a phase to `dx`, which begins with row `first_row` of all
    /// images'.
    fn write_phase<T: Float>(
        &self,
        phase: &Phase<T>,
        dy: &[T],
        (first, count): (usize, usize),
        first_row: usize,
        dx: &mut [T],
        scratch: &Scratch<T>,
    ) {
        let (own, patches) = (self.own_channels(), &phase.patches);
        let weights = Matrix::new(&phase.weights, own, patches.len()).transposed();
        let skip = phase.group * own;
        let product = |y: MatrixMut<'_, T>| {
            with_patches(patches, dy, (first, count), scratch, |patches| {
                multiply(patches, weights, y, Before::Replaced, Parallelism::None);
            });
        };
        if self.strides() == [1, 1] {
            let start = (first - first_row * self.image[1]) * self.channels + skip;
            return product(MatrixMut::with_step(&mut dx[start..], count, own, self.channels));
        }
        scratch.lend(count * own, |gradients| {
            product(MatrixMut::new(gradients, count, own));
            for (place, gradient) in (first..).zip(gradients.chunks_exact(own.max(1))) {
                let start = (self.pixel(phase, place) - first_row * self.image[1]) * self.channels;
                dx[start + skip..][..own].copy_from_slice(gradient);
            }
        });
    }

    /// Which of all images' pixels is at a place of a phase.
    fn pixel<T>(&self, phase: &Phase<T>, place: usize) -> usize {
        let [rows, columns] = [&phase.patches.rows, &phase.patches.columns].map(|s| s.places);
        let (row, column) = (place / columns, place % columns);
        let (image, row) = (row / rows, row % rows);
        let [down, right] = self.strides();
        let row = image * self.image[0] + phase.first[0] + row * down;
        row * self.image[1] + phase.first[1] + column * right
    }
}
