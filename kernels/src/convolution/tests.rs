//! Convolutions and their gradients against sums written out, and against differences.

use drawloom_model::{Attribute, Value};

use crate::element::Number;
use crate::trial::{assert_gradient, assert_near, extents, made, numbers, random, refused, tensor};

/// A convolution's extents, all of which the test chooses.
#[derive(Clone, Copy, Debug)]
struct Case {
    n: usize,
    image: [usize; 2],
    channels: usize,
    outputs: usize,
    taps: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
}

const PLAIN: Case = Case {
    n: 2,
    image: [7, 6],
    channels: 3,
    outputs: 4,
    taps: [3, 3],
    stride: [1, 1],
    padding: [0, 0],
    dilation: [1, 1],
    groups: 1,
};

const CASES: &[Case] = &[
    PLAIN,
    Case { padding: [1, 1], ..PLAIN },
    Case { n: 1, image: [1, 1], taps: [1, 1], channels: 1, outputs: 1, ..PLAIN },
    Case { taps: [1, 1], channels: 17, outputs: 9, ..PLAIN },
    Case { taps: [1, 1], stride: [2, 2], ..PLAIN },
    Case { taps: [2, 5], padding: [1, 2], ..PLAIN },
    Case { stride: [2, 2], padding: [1, 1], ..PLAIN },
    Case { stride: [3, 2], padding: [0, 2], taps: [2, 3], ..PLAIN },
    Case { stride: [4, 5], taps: [2, 2], padding: [1, 0], ..PLAIN },
    Case { dilation: [2, 3], padding: [2, 3], ..PLAIN },
    Case { dilation: [3, 2], stride: [2, 3], padding: [4, 1], ..PLAIN },
    Case { groups: 3, outputs: 6, padding: [1, 1], ..PLAIN },
    Case { groups: 2, channels: 4, outputs: 2, stride: [2, 1], taps: [1, 1], ..PLAIN },
    Case { n: 40, image: [12, 11], padding: [1, 1], channels: 5, outputs: 8, ..PLAIN },
    Case { n: 30, image: [13, 10], stride: [2, 2], padding: [1, 1], channels: 20, ..PLAIN },
    Case { n: 1, image: [2, 900], taps: [1, 3], padding: [0, 1], channels: 1, ..PLAIN },
    Case { n: 0, ..PLAIN },
    Case { channels: 0, ..PLAIN },
    Case { outputs: 0, ..PLAIN },
    Case { image: [0, 4], padding: [2, 0], ..PLAIN },
];

impl Case {
    fn places(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let span = self.dilation[axis] * (self.taps[axis] - 1) + 1;
            (self.image[axis] + 2 * self.padding[axis] - span) / self.stride[axis] + 1
        })
    }

    fn x<T: Number>(&self) -> Value {
        random::<T>(&[self.n, self.image[0], self.image[1], self.channels].map(|e| e as u64), 1)
    }

    fn weights<T: Number>(&self) -> Value {
        let own = self.channels / self.groups;
        random::<T>(&[self.taps[0], self.taps[1], own, self.outputs].map(|e| e as u64), 2)
    }

    fn dy<T: Number>(&self) -> Value {
        let [rows, columns] = self.places();
        random::<T>(&[self.n, rows, columns, self.outputs].map(|e| e as u64), 3)
    }

    fn given(&self) -> Vec<(&'static str, Attribute)> {
        let pair = |pair: [usize; 2]| Attribute::Ints(pair.map(|value| value as i64).to_vec());
        vec![
            ("stride", pair(self.stride)),
            ("padding", pair(self.padding)),
            ("dilation", pair(self.dilation)),
            ("groups", Attribute::Int(self.groups as i64)),
        ]
    }

    fn given_image(&self) -> Vec<(&'static str, Attribute)> {
        let [height, width] = self.image.map(|extent| Attribute::Int(extent as i64));
        [self.given(), vec![("height", height), ("width", width)]].concat()
    }

    fn given_window(&self) -> Vec<(&'static str, Attribute)> {
        let window = self.taps.map(|taps| taps as i64).to_vec();
        [self.given(), vec![("window", Attribute::Ints(window))]].concat()
    }

    /// Calls `visit` with each element of x, weight and element of y that meet, by their places.
    fn meetings(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let [rows, columns] = self.places();
        let (own, own_outputs) = (self.channels / self.groups, self.outputs / self.groups);
        let outputs = (0..self.n * rows * columns * self.outputs).map(|y| {
            let (pixel, output) = (y / self.outputs, y % self.outputs);
            (y, pixel / columns / rows, pixel / columns % rows, pixel % columns, output)
        });
        for (y, image, row, column, output) in outputs {
            for weight in 0..self.taps[0] * self.taps[1] * own {
                let (tap, channel) = (weight / own, weight % own);
                let (down, right) = (tap / self.taps[1], tap % self.taps[1]);
                let met = |axis: usize, place: usize, tap: usize| {
                    (place * self.stride[axis] + tap * self.dilation[axis])
                        .checked_sub(self.padding[axis])
                        .filter(|element| *element < self.image[axis])
                };
                let Some((row, column)) = met(0, row, down).zip(met(1, column, right)) else {
                    continue;
                };
                let pixel = (image * self.image[0] + row) * self.image[1] + column;
                let x = pixel * self.channels + output / own_outputs * own + channel;
                visit(x, weight * self.outputs + output, y);
            }
        }
    }
}

fn check<T: Number>(case: Case) {
    let (x, weights, dy) = (case.x::<T>(), case.weights::<T>(), case.dy::<T>());
    let tolerance = if T::DTYPE.size_bytes() == 4 { 2e-5 } else { 1e-13 };
    let (of_x, of_weights, of_dy) = (numbers(&x), numbers(&weights), numbers(&dy));
    let (mut y, mut dx, mut dweights) =
        (vec![0.0; of_dy.len()], vec![0.0; of_x.len()], vec![0.0; of_weights.len()]);
    case.meetings(|at_x, at_weight, at_y| {
        y[at_y] += of_x[at_x] * of_weights[at_weight];
        dx[at_x] += of_dy[at_y] * of_weights[at_weight];
        dweights[at_weight] += of_x[at_x] * of_dy[at_y];
    });
    let made_y = made("conv2d", &case.given(), &[x.clone(), weights.clone()]);
    assert_eq!(extents(&made_y), extents(&dy), "{case:?}");
    assert_near(&made_y, &y, tolerance);
    let made_dx = made("conv2d_grad_input", &case.given_image(), &[dy.clone(), weights.clone()]);
    assert_eq!(extents(&made_dx), extents(&x), "{case:?}");
    assert_near(&made_dx, &dx, tolerance);
    let made_dweights = made("conv2d_grad_weights", &case.given_window(), &[x, dy]);
    assert_eq!(extents(&made_dweights), extents(&weights), "{case:?}");
    assert_near(&made_dweights, &dweights, tolerance * 10.0);
}

#[test]
fn sums_over_windows() {
    for case in CASES {
        check::<f32>(*case);
        check::<f64>(*case);
    }
}

#[test]
fn gradients_are_slopes() {
    let small = Case { n: 2, image: [4, 3], channels: 2, outputs: 2, ..PLAIN };
    for case in [
        Case { padding: [1, 1], ..small },
        Case { stride: [2, 1], padding: [1, 2], groups: 2, ..small },
        Case { taps: [2, 2], dilation: [2, 1], ..small },
    ] {
        let (x, weights, dy) = (case.x::<f64>(), case.weights::<f64>(), case.dy::<f64>());
        let inputs = [x.clone(), weights.clone()];
        let dx = made("conv2d_grad_input", &case.given_image(), &[dy.clone(), weights]);
        assert_gradient("conv2d", &case.given(), &inputs, 0, &dy, &dx);
        let dweights = made("conv2d_grad_weights", &case.given_window(), &[x, dy.clone()]);
        assert_gradient("conv2d", &case.given(), &inputs, 1, &dy, &dweights);
    }
}

#[test]
fn one_number_serves_both_axes_and_the_least_image_is_found() {
    let case = Case { padding: [1, 1], ..PLAIN };
    let short = [("padding", Attribute::Ints(vec![1]))];
    let (x, weights, dy) = (case.x::<f32>(), case.weights::<f32>(), case.dy::<f32>());
    let inputs = [x.clone(), weights.clone()];
    assert_eq!(made("conv2d", &short, &inputs), made("conv2d", &case.given(), &inputs));
    let inputs = [dy, weights];
    let dx = made("conv2d_grad_input", &short, &inputs);
    assert_eq!(extents(&dx), extents(&x));
    assert_eq!(dx, made("conv2d_grad_input", &case.given_image(), &inputs));
}

#[test]
fn nan_and_infinity_stay_within_their_windows() {
    let mut elements = [1.0f32; 25];
    (elements[0], elements[24]) = (f32::NAN, f32::INFINITY);
    let x = tensor(&[1, 5, 5, 1], &elements);
    let y = made("conv2d", &[], &[x, tensor(&[2, 2, 1, 1], &[1.0f32; 4])]);
    let mut expected = [4.0; 16];
    (expected[0], expected[15]) = (f64::NAN, f64::INFINITY);
    assert_near(&y, &expected, 0.0);
}

#[test]
fn mistakes_are_told() {
    let (x, weights) = (PLAIN.x::<f32>(), PLAIN.weights::<f32>());
    let refusal =
        |given: &[(&str, Attribute)]| refused("conv2d", given, &[x.clone(), weights.clone()]);
    let ints = |values: &[i64]| Attribute::Ints(values.to_vec());
    let of = "x is f32[2, 7, 6, 3], weights is f32[3, 3, 3, 4]";
    assert_eq!(
        refusal(&[("dilation", ints(&[1, 4]))]),
        format!("conv2d: a window of 3 columns does not fit: {of}")
    );
    assert_eq!(
        refusal(&[("groups", Attribute::Int(2))]),
        format!("conv2d: channels differ with groups = 2: {of}")
    );
    assert_eq!(
        refusal(&[("stride", ints(&[1, 2, 3]))]),
        "conv2d, attribute stride: must be 1 number or 2 (rows, columns), is 3"
    );
    assert_eq!(
        refusal(&[("padding", ints(&[1 << 40]))]),
        "conv2d, attribute padding: 1099511627776 is above 4294967295"
    );
    let dy = [PLAIN.dy::<f32>(), weights.clone()];
    assert_eq!(
        refused("conv2d_grad_input", &[("height", Attribute::Int(8))], &dy),
        "conv2d_grad_input, attribute height: 8 does not give 5 places of the window"
    );
    assert_eq!(
        refused("conv2d_grad_input", &[("padding", ints(&[9]))], &dy),
        "conv2d_grad_input, attribute height: no number gives 5 places of the window"
    );
    let both = [x.clone(), PLAIN.dy::<f32>()];
    assert_eq!(
        refused("conv2d_grad_weights", &[("window", ints(&[3, 4]))], &both),
        "conv2d_grad_weights: dy would be f32[2, 5, 3, 4]: x is f32[2, 7, 6, 3], dy is \
         f32[2, 5, 4, 4]"
    );
    let odd = [tensor(&[1, 2, 2, 3], &[0f32; 12]), tensor(&[1, 1, 1, 3], &[0f32; 3])];
    assert!(
        refused(
            "conv2d",
            &[("groups", Attribute::Int(3))],
            &[odd[0].clone(), tensor(&[1, 1, 1, 4], &[0f32; 4])]
        )
        .contains("channels do not divide into groups = 3")
    );
}
