//! What windows meet in images, made one element a channel.

use std::ops::Range;

use drawloom_signature::windows::{Window, pair, windows};

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_floats};
use crate::{KernelError, Outputs};

/// Windows on images; x and y are what pooling takes and makes.
struct Pooling {
    /// Rows and columns of an image of x.
    image: [usize; 2],
    /// Rows and columns of an image of y.
    places: [usize; 2],
    channels: usize,
    windows: [Window; 2],
}

impl Pooling {
    fn new(call: &Call<'_>, x: &[usize], y: &[usize]) -> Result<Self, KernelError> {
        let taps = pair(&call.arguments, "window", [1; 2])?;
        let windows = windows(&call.arguments, taps, taps)?;
        Ok(Pooling { image: [x[1], x[2]], places: [y[1], y[2]], channels: x[3], windows })
    }

    /// What of the window at a place is within the image, along an axis. It is never empty.
    fn met(&self, axis: usize, place: usize) -> Range<usize> {
        let Window { taps, stride, padding, .. } = self.windows[axis];
        let start = place as u64 * stride;
        let end = (start + taps - padding).min(self.image[axis] as u64);
        start.saturating_sub(padding) as usize..end as usize
    }

    /// The pixels of an image that the window at a place meets, those of each row together.
    fn pixels(&self, [row, column]: [usize; 2]) -> impl Iterator<Item = Range<usize>> {
        let (columns, width) = (self.met(1, column), self.image[1]);
        self.met(0, row).map(move |row| row * width + columns.start..row * width + columns.end)
    }

    fn image_size(&self) -> usize {
        self.image[0] * self.image[1] * self.channels
    }

    /// Where in an image's y the elements of a place are.
    fn place_at(&self, [row, column]: [usize; 2]) -> Range<usize> {
        let pixel = row * self.places[1] + column;
        pixel * self.channels..(pixel + 1) * self.channels
    }

    fn all_places(&self) -> impl Iterator<Item = [usize; 2]> {
        let [rows, columns] = self.places;
        (0..rows).flat_map(move |row| (0..columns).map(move |column| [row, column]))
    }

    /// Makes every row of y from the image it is of: `reduce` takes the image and a place, and
    /// writes the place's elements.
    fn forward<T: Number>(
        &self,
        call: &Call<'_>,
        (x, y): (&[T], &mut [T]),
        reduce: impl Fn(&[T], [usize; 2], &mut [T]) + Sync,
    ) -> Result<(), KernelError> {
        let row_size = self.places[1] * self.channels;
        if y.is_empty() {
            return Ok(());
        }
        let met = row_size.saturating_mul((self.windows[0].taps * self.windows[1].taps) as usize);
        let rows = (CHUNK / met).max(1);
        call.context.for_each(y.chunks_mut(rows * row_size).enumerate(), |(index, y)| {
            for (row, y) in (index * rows..).zip(y.chunks_exact_mut(row_size)) {
                let (image, row) = (row / self.places[0], row % self.places[0]);
                let x = &x[image * self.image_size()..][..self.image_size()];
                for (column, y) in y.chunks_exact_mut(self.channels).enumerate() {
                    reduce(x, [row, column], y);
                }
            }
        })
    }
}

pub(crate) fn max_pool2d(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let pooling = Pooling::new(call, &call.extents(0), &call.output_extents(0)?)?;
    for_floats!(call, call.dtype(0), T => {
        let x = call.input::<T>(0);
        let y = call.create_one::<T>(outputs)?;
        pooling.forward(call, (&x, y), |x, place, y| {
            y.fill(T::LOWEST);
            for pixel in pooling.pixels(place).flatten() {
                for (y, x) in y.iter_mut().zip(&x[pixel * pooling.channels..]) {
                    *y = x.larger(*y);
                }
            }
        })
    })
}

pub(crate) fn avg_pool2d(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let pooling = Pooling::new(call, &call.extents(0), &call.output_extents(0)?)?;
    for_floats!(call, call.dtype(0), T => {
        let x = call.input::<T>(0);
        let y = call.create_one::<T>(outputs)?;
        pooling.forward(call, (&x, y), |x, place, y| {
            y.fill(T::ZERO);
            let mut count = 0.0;
            for pixel in pooling.pixels(place).flatten() {
                count += 1.0;
                for (y, x) in y.iter_mut().zip(&x[pixel * pooling.channels..]) {
                    *y = y.plus(*x);
                }
            }
            for y in y {
                *y = y.over(T::from_f64(count));
            }
        })
    })
}

pub(crate) fn max_pool2d_grad(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let pooling = Pooling::new(call, &call.extents(0), &call.extents(1))?;
    let channels = pooling.channels;
    for_floats!(call, call.dtype(0), T => {
        let (x, dy) = (call.input::<T>(0), call.input::<T>(1));
        let dx = call.create_one::<T>(outputs)?;
        if dx.is_empty() {
            return Ok(());
        }
        let (size, dy_size) = (pooling.image_size(), dy.len() / call.extents(0)[0]);
        let images = dx.chunks_exact_mut(size).zip(x.chunks_exact(size));
        call.context.for_each(images.zip(dy.chunks_exact(dy_size)), |((dx, x), dy)| {
            dx.fill(T::ZERO);
            let mut largest = vec![(T::LOWEST, 0); channels];
            for place in pooling.all_places() {
                pooling.find_largest(x, place, &mut largest);
                let dy = dy[pooling.place_at(place)].iter();
                for ((channel, dy), (_, pixel)) in dy.enumerate().zip(&largest) {
                    let dx = &mut dx[pixel * channels + channel];
                    *dx = dx.plus(*dy);
                }
            }
        })
    })
}

impl Pooling {
    /// The largest element of each channel that the window meets, and its pixel: the first of
    /// equals, and the first NaN before all others.
    fn find_largest<T: Number>(&self, x: &[T], place: [usize; 2], largest: &mut [(T, usize)]) {
        for (count, pixel) in self.pixels(place).flatten().enumerate() {
            for (best, x) in largest.iter_mut().zip(&x[pixel * self.channels..]) {
                if count == 0 || *x > best.0 || (x.is_nan() && !best.0.is_nan()) {
                    *best = (*x, pixel);
                }
            }
        }
    }
}

pub(crate) fn avg_pool2d_grad(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let pooling = Pooling::new(call, &call.output_extents(0)?, &call.extents(0))?;
    for_floats!(call, call.dtype(0), T => {
        let dy = call.input::<T>(0);
        let dx = call.create_one::<T>(outputs)?;
        if dx.is_empty() {
            return Ok(());
        }
        let (size, dy_size) = (pooling.image_size(), dy.len() / call.extents(0)[0]);
        let images = dx.chunks_exact_mut(size).zip(dy.chunks_exact(dy_size));
        call.context.for_each(images, |(dx, dy)| {
            dx.fill(T::ZERO);
            for place in pooling.all_places() {
                let count: usize = pooling.pixels(place).map(|pixels| pixels.len()).sum();
                let share = T::from_f64(1.0 / count as f64);
                let dy = &dy[pooling.place_at(place)];
                for pixel in pooling.pixels(place).flatten() {
                    for (dx, dy) in dx[pixel * pooling.channels..].iter_mut().zip(dy) {
                        *dx = dx.plus(dy.times(share));
                    }
                }
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::{Attribute, Value};

    use crate::element::Number;
    use crate::trial::{
        assert_gradient, assert_near, extents, made, numbers, random, refused, tensor,
    };

    /// Images' extents, then the window's, its strides and paddings.
    type Case = ([usize; 4], [usize; 2], [usize; 2], [usize; 2]);

    const CASES: &[Case] = &[
        ([2, 4, 6, 3], [2, 2], [2, 2], [0, 0]),
        ([2, 5, 7, 1], [2, 3], [2, 3], [0, 0]),
        ([1, 5, 5, 2], [3, 3], [1, 1], [1, 1]),
        ([3, 7, 4, 5], [3, 2], [2, 3], [2, 1]),
        ([1, 1, 1, 1], [1, 1], [1, 1], [0, 0]),
        ([1, 6, 5, 4], [6, 5], [1, 1], [0, 0]),
        ([30, 20, 20, 8], [2, 2], [2, 2], [0, 0]),
        ([0, 4, 4, 2], [2, 2], [2, 2], [0, 0]),
        ([2, 4, 4, 0], [2, 2], [2, 2], [0, 0]),
    ];

    fn given((_, window, stride, padding): Case) -> Vec<(&'static str, Attribute)> {
        let pair = |pair: [usize; 2]| Attribute::Ints(pair.map(|value| value as i64).to_vec());
        vec![("window", pair(window)), ("stride", pair(stride)), ("padding", pair(padding))]
    }

    fn given_image(case: Case) -> Vec<(&'static str, Attribute)> {
        let [_, height, width, _] = case.0.map(|extent| Attribute::Int(extent as i64));
        [given(case), vec![("height", height), ("width", width)]].concat()
    }

    fn places(([_, height, width, _], window, stride, padding): Case) -> [usize; 2] {
        [0, 1].map(|axis| {
            ([height, width][axis] + 2 * padding[axis] - window[axis]) / stride[axis] + 1
        })
    }

    /// For each element of y, the places of the elements of x that its window meets.
    fn met(case: Case) -> Vec<Vec<usize>> {
        let ([n, height, width, channels], window, stride, padding) = case;
        let [rows, columns] = places(case);
        let element = |y: usize| {
            let (pixel, channel) = (y / channels, y % channels);
            let (image, row, column) =
                (pixel / columns / rows, pixel / columns % rows, pixel % columns);
            let mut met = Vec::new();
            for tap in 0..window[0] * window[1] {
                let row = (row * stride[0] + tap / window[1]).checked_sub(padding[0]);
                let column = (column * stride[1] + tap % window[1]).checked_sub(padding[1]);
                let (row, column) = (row.unwrap_or(height), column.unwrap_or(width));
                if row < height && column < width {
                    met.push(((image * height + row) * width + column) * channels + channel);
                }
            }
            met
        };
        (0..n * rows * columns * channels).map(element).collect()
    }

    fn inputs<T: Number>(case: Case) -> (Value, Value) {
        let [n, .., channels] = case.0;
        let [rows, columns] = places(case);
        let dy = [n, rows, columns, channels].map(|extent| extent as u64);
        (random::<T>(&case.0.map(|extent| extent as u64), 1), random::<T>(&dy, 2))
    }

    fn check<T: Number>(case: Case) {
        let (x, dy) = inputs::<T>(case);
        let (of_x, of_dy) = (numbers(&x), numbers(&dy));
        let (mut most, mut mean) = (Vec::new(), Vec::new());
        let (mut of_most, mut of_mean) = (vec![0.0; of_x.len()], vec![0.0; of_x.len()]);
        for (met, dy) in met(case).into_iter().zip(&of_dy) {
            let largest = met.iter().copied().reduce(|a, b| if of_x[b] > of_x[a] { b } else { a });
            let largest = largest.expect("a window meets something");
            most.push(of_x[largest]);
            of_most[largest] += dy;
            let count = met.len() as f64;
            mean.push(met.iter().map(|at| of_x[*at]).sum::<f64>() / count);
            met.iter().for_each(|at| of_mean[*at] += dy / count);
        }
        let given = given(case);
        let y = made("max_pool2d", &given, from_ref(&x));
        assert_eq!(extents(&y), extents(&dy), "{case:?}");
        assert_near(&y, &most, 0.0);
        assert_near(&made("avg_pool2d", &given, from_ref(&x)), &mean, 1e-6);
        let dx = made("max_pool2d_grad", &given, &[x.clone(), dy.clone()]);
        assert_near(&dx, &of_most, 1e-6);
        let dx = made("avg_pool2d_grad", &given_image(case), &[dy]);
        assert_eq!(extents(&dx), extents(&x), "{case:?}");
        assert_near(&dx, &of_mean, 1e-6);
    }

    #[test]
    fn windows_become_one_element() {
        for case in CASES {
            check::<f32>(*case);
            check::<f64>(*case);
        }
    }

    #[test]
    fn gradients_are_slopes() {
        let case = ([2, 3, 4, 2], [2, 2], [1, 2], [1, 0]);
        let (x, dy) = inputs::<f64>(case);
        let dx = made("max_pool2d_grad", &given(case), &[x.clone(), dy.clone()]);
        assert_gradient("max_pool2d", &given(case), from_ref(&x), 0, &dy, &dx);
        let dx = made("avg_pool2d_grad", &given_image(case), from_ref(&dy));
        assert_gradient("avg_pool2d", &given(case), &[x], 0, &dy, &dx);
    }

    #[test]
    fn nan_wins_and_equals_give_to_the_first() {
        let window = [("window", Attribute::Ints(vec![2]))];
        let x = tensor(&[1, 2, 4, 1], &[1.0f32, f32::NAN, 3.0, 3.0, f32::NAN, 2.0, 3.0, 0.0]);
        assert_near(&made("max_pool2d", &window, from_ref(&x)), &[f64::NAN, 3.0], 0.0);
        let dy = tensor(&[1, 1, 2, 1], &[5.0f32, 7.0]);
        let dx = made("max_pool2d_grad", &window, &[x, dy]);
        assert_near(&dx, &[0.0, 5.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.0);
        let low = tensor(&[1, 2, 2, 1], &[f32::NEG_INFINITY; 4]);
        let dx = made("max_pool2d_grad", &window, &[low, tensor(&[1, 1, 1, 1], &[1.0f32])]);
        assert_near(&dx, &[1.0, 0.0, 0.0, 0.0], 0.0);
    }

    #[test]
    fn mistakes_are_told() {
        let x = random::<f32>(&[1, 4, 4, 1], 1);
        let window = |window, padding| {
            [("window", Attribute::Ints(vec![window])), ("padding", Attribute::Ints(vec![padding]))]
        };
        assert_eq!(
            refused("max_pool2d", &window(2, 2), from_ref(&x)),
            "max_pool2d, attribute padding: 2 is not below the window's extent, 2"
        );
        assert_eq!(
            refused("avg_pool2d", &window(7, 1), from_ref(&x)),
            "avg_pool2d: a window of 7 rows does not fit: x is f32[1, 4, 4, 1]"
        );
        assert_eq!(
            refused("max_pool2d_grad", &window(2, 0), &[x.clone(), x.clone()]),
            "max_pool2d_grad: dy would be f32[1, 2, 2, 1]: x is f32[1, 4, 4, 1], dy is \
             f32[1, 4, 4, 1]"
        );
        let flat = random::<f32>(&[1, 0, 4, 1], 1);
        assert!(refused("max_pool2d", &window(2, 1), &[flat]).contains("rows and columns"));
    }
}
