//! Convolutions of images, as products of their patches and the weights.
//!
//! The patches of some hundred places at a time are copied to scratch memory, which stays in a
//! core's cache, and multiplied; so there is never memory for all patches.

mod forward;
mod grad_input;
mod grad_weights;
#[cfg(test)]
mod tests;

use drawloom_signature::windows::{Window, windows};

use crate::KernelError;
use crate::call::Call;
use crate::element::Float;
use crate::matrix::Matrix;
use crate::patches::{Patches, Slide};
use crate::scratch::Scratch;

pub(crate) use forward::conv2d;
pub(crate) use grad_input::conv2d_grad_input;
pub(crate) use grad_weights::conv2d_grad_weights;

/// How many bytes of patches are multiplied at a time: less than a core's own cache.
const PATCHES_BYTES: usize = 512 << 10;
/// How many patches are multiplied at least, so that the weights are not read too often.
const LEAST_PATCHES: usize = 192;
/// Into how many parts work is divided where there is enough of it, so that cores end at about the
/// same time.
const PARTS: usize = 16;

/// A convolution's extents; x and y are what `conv2d` takes and makes.
struct Convolution {
    n: usize,
    /// Rows and columns of an image of x.
    image: [usize; 2],
    /// Channels of x.
    channels: usize,
    /// Rows and columns of an image of y.
    places: [usize; 2],
    /// Channels of y.
    outputs: usize,
    windows: [Window; 2],
    groups: usize,
}

impl Convolution {
    fn new(call: &Call<'_>, x: &[usize], y: &[usize], taps: [u64; 2]) -> Result<Self, KernelError> {
        Ok(Convolution {
            n: x[0],
            image: [x[1], x[2]],
            channels: x[3],
            places: [y[1], y[2]],
            outputs: y[3],
            windows: windows(&call.arguments, taps, [1; 2])?,
            groups: call.arguments.int("groups") as usize,
        })
    }

    /// How many places all images have.
    fn all_places(&self) -> usize {
        self.n * self.places[0] * self.places[1]
    }

    fn taps(&self) -> usize {
        (self.windows[0].taps * self.windows[1].taps) as usize
    }

    /// The channels of x that a group takes.
    fn own_channels(&self) -> usize {
        self.channels / self.groups
    }

    /// The channels of y that a group makes.
    fn own_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// The patches of x that a group takes.
    fn patches(&self, group: usize) -> Patches {
        let slide = |axis: usize| {
            let Window { taps, stride, padding, dilation } = self.windows[axis];
            let offset = |tap| (tap * dilation) as isize - padding as isize;
            Slide {
                places: self.places[axis],
                step: stride as isize,
                offsets: (0..taps).map(offset).collect(),
                extent: self.image[axis],
            }
        };
        let own = self.own_channels();
        let channels = group * own..(group + 1) * own;
        Patches { rows: slide(0), columns: slide(1), depth: self.channels, channels }
    }

    /// Where a group's weights begin, which are a matrix of `outputs` elements from row to row.
    fn weights_of<'w, T>(&self, group: usize, weights: &'w [T]) -> &'w [T] {
        &weights[(group * self.own_outputs()).min(weights.len())..]
    }
}

/// How many of `all` patches of `len` elements are multiplied at a time.
fn patches_at_once<T>(all: usize, len: usize) -> usize {
    let in_cache = PATCHES_BYTES / (len * size_of::<T>()).max(1);
    in_cache.min(all.div_ceil(PARTS)).max(LEAST_PATCHES)
}

/// Calls `use_it` with the matrix of `count` patches from number `first` on, a row each.
fn with_patches<T: Float>(
    patches: &Patches,
    x: &[T],
    (first, count): (usize, usize),
    scratch: &Scratch<T>,
    use_it: impl FnOnce(Matrix<'_, T>),
) {
    let len = patches.len();
    if patches.are_pixels() {
        let start = (first * patches.depth + patches.channels.start).min(x.len());
        return use_it(Matrix::with_step(&x[start..], count, len, patches.depth));
    }
    scratch.lend(count * len, |memory| {
        patches.gather(x, first, memory);
        use_it(Matrix::new(memory, count, len));
    });
}
