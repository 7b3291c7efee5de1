//! The patches of images that a window meets, as rows of a matrix.

use std::ops::Range;

use crate::element::Number;

/// A window along one axis: tap `t` of place `p` meets element `p * step + offsets[t]`, where
/// there is one.
#[derive(Clone, Debug)]
pub(crate) struct Slide {
    pub(crate) places: usize,
    pub(crate) step: isize,
    /// In ascending order.
    pub(crate) offsets: Vec<isize>,
    /// How many elements there are.
    pub(crate) extent: usize,
}

/// The patches of images of `[n, rows.extent, columns.extent, depth]` elements.
#[derive(Clone, Debug)]
pub(crate) struct Patches {
    pub(crate) rows: Slide,
    pub(crate) columns: Slide,
    /// How many channels a pixel has in memory.
    pub(crate) depth: usize,
    /// Which of them are taken.
    pub(crate) channels: Range<usize>,
}

/// How many elements are copied at a time, where there are fewer and there is room: a fixed number
/// takes fewer instructions than any other.
const BLOCK: usize = 16;
/// The same for the shortest runs, as a window's row of a single channel is.
const SHORT_BLOCK: usize = 4;

impl Patches {
    /// How many elements a patch has: taps of rows, of columns, channels.
    pub(crate) fn len(&self) -> usize {
        self.rows.offsets.len() * self.columns.offsets.len() * self.channels.len()
    }

    /// Whether each patch is its pixel, so that the images are the patches already.
    pub(crate) fn are_pixels(&self) -> bool {
        let still =
            |slide: &Slide| slide.step == 1 && slide.offsets == [0] && slide.places == slide.extent;
        still(&self.rows) && still(&self.columns)
    }

    /// Writes patches from number `first` on, one after the other and all of them, to `patches`.
    /// They are numbered by image, place of rows, place of columns.
    pub(crate) fn gather<T: Number>(&self, x: &[T], first: usize, patches: &mut [T]) {
        let len = self.len();
        if len == 0 {
            return;
        }
        let runs = self.runs();
        let (mut number, mut at) = (first, 0);
        let mut rows: Vec<Option<usize>> = Vec::with_capacity(self.rows.offsets.len());
        while at < patches.len() {
            let (row, column) = (number / self.columns.places, number % self.columns.places);
            let (image, row) = (row / self.rows.places, row % self.rows.places);
            rows.clear();
            rows.extend((0..self.rows.offsets.len()).map(|tap| self.row_at(image, row, tap)));
            let count = ((patches.len() - at) / len).min(self.columns.places - column);
            for place in column..column + count {
                for row in &rows {
                    at = self.gather_row((x, *row), place, &runs, patches, at);
                }
            }
            number += count;
        }
    }

    /// Where the row of an image that a tap meets begins, where there is one.
    fn row_at(&self, image: usize, place: usize, tap: usize) -> Option<usize> {
        let row = place as isize * self.rows.step + self.rows.offsets[tap];
        let row = usize::try_from(row).ok().filter(|row| *row < self.rows.extent)?;
        Some((image * self.rows.extent + row) * self.columns.extent * self.depth)
    }

    /// Writes what the taps meet in a row of an image, from `at` on; returns where it ends.
    fn gather_row<T: Number>(
        &self,
        (x, row): (&[T], Option<usize>),
        place: usize,
        runs: &[Run],
        patches: &mut [T],
        mut at: usize,
    ) -> usize {
        for run in runs {
            let start = place as isize * self.columns.step + run.offset;
            let len = run.pixels * self.channels.len();
            match row {
                Some(row) if start >= 0 && start as usize + run.pixels <= self.columns.extent => {
                    let from = row + start as usize * self.depth + self.channels.start;
                    copy(&x[from..], &mut patches[at..], len);
                }
                Some(row) => self.gather_edge((x, row), start, run.pixels, &mut patches[at..]),
                None => patches[at..at + len].fill(T::ZERO),
            }
            at += len;
        }
        at
    }

    /// A run that begins before the row or goes on after it, where zeros are.
    fn gather_edge<T: Number>(
        &self,
        (x, row): (&[T], usize),
        start: isize,
        pixels: usize,
        run: &mut [T],
    ) {
        let len = self.channels.len();
        for (place, pixel) in (start..).take(pixels).enumerate() {
            match usize::try_from(pixel).ok().filter(|pixel| *pixel < self.columns.extent) {
                Some(pixel) => {
                    let from = row + pixel * self.depth + self.channels.start;
                    copy(&x[from..], &mut run[place * len..], len);
                }
                None => run[place * len..][..len].fill(T::ZERO),
            }
        }
    }

    /// The taps along a row, those joined whose elements are neighbours in memory.
    fn runs(&self) -> Vec<Run> {
        let whole_pixels = self.channels.len() == self.depth;
        let mut runs: Vec<Run> = Vec::new();
        for &offset in &self.columns.offsets {
            match runs.last_mut() {
                Some(run) if whole_pixels && run.offset + run.pixels as isize == offset => {
                    run.pixels += 1;
                }
                _ => runs.push(Run { offset, pixels: 1 }),
            }
        }
        runs
    }
}

/// Taps that meet neighbouring pixels.
struct Run {
    offset: isize,
    pixels: usize,
}

/// Copies `len` elements. A few more may be written after them, where later patches go.
#[inline]
fn copy<T: Copy>(from: &[T], to: &mut [T], len: usize) {
    let room = from.len().min(to.len());
    match len {
        ..=SHORT_BLOCK if room >= SHORT_BLOCK => copy_block::<T, SHORT_BLOCK>(from, to),
        ..=BLOCK if room >= BLOCK => copy_block::<T, BLOCK>(from, to),
        _ => to[..len].copy_from_slice(&from[..len]),
    }
}

#[inline]
fn copy_block<T: Copy, const N: usize>(from: &[T], to: &mut [T]) {
    to[..N].copy_from_slice(&from[..N]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patches: &Patches, images: usize, first: usize, count: usize) {
        let size = patches.rows.extent * patches.columns.extent * patches.depth;
        let x: Vec<i32> = (1..=(images * size) as i32).collect();
        let mut got = vec![i32::MAX; count * patches.len()];
        patches.gather(&x, first, &mut got);
        let mut expected = Vec::new();
        for number in first..first + count {
            let per_image = patches.rows.places * patches.columns.places;
            let (image, place) = (number / per_image, number % per_image);
            let (row, column) = (place / patches.columns.places, place % patches.columns.places);
            for down in &patches.rows.offsets {
                for right in &patches.columns.offsets {
                    let row = row as isize * patches.rows.step + down;
                    let column = column as isize * patches.columns.step + right;
                    let inside = (0..patches.rows.extent as isize).contains(&row)
                        && (0..patches.columns.extent as isize).contains(&column);
                    let pixel = row * patches.columns.extent as isize + column;
                    expected.extend(patches.channels.clone().map(|channel| match inside {
                        true => x[image * size + pixel as usize * patches.depth + channel],
                        false => 0,
                    }));
                }
            }
        }
        assert_eq!(got, expected, "{patches:?}");
    }

    #[test]
    fn patches_are_what_the_window_meets() {
        for (depth, channels) in [(1, 0..1), (3, 0..3), (4, 1..3), (20, 0..20), (2, 1..1)] {
            for (step, offsets) in
                [(1, vec![-1, 0, 1]), (2, vec![-1, 0, 1]), (1, vec![-4, 0, 1, 9]), (3, vec![2])]
            {
                let slide = |places| Slide { places, step, offsets: offsets.clone(), extent: 6 };
                let (rows, columns) = (slide(4), Slide { extent: 7, ..slide(5) });
                let patches = Patches { rows, columns, depth, channels: channels.clone() };
                check(&patches, 2, 0, 40);
                check(&patches, 2, 13, 22);
                assert!(!patches.are_pixels());
            }
        }
    }

    #[test]
    fn single_pixels_are_patches_already() {
        let slide = Slide { places: 5, step: 1, offsets: vec![0], extent: 5 };
        let patches = Patches { rows: slide.clone(), columns: slide, depth: 3, channels: 0..3 };
        assert!(patches.are_pixels());
        check(&patches, 1, 0, 25);
    }
}
