//! Products of matrices, convolutions and pooling.

use drawloom_model::Attribute;
use drawloom_model::DType::F32;

use super::{Calls, FLOATS, REALS, int, ints};
use crate::suite::compare::{ELEMENT, EXACT, SUM, Tolerance};

impl Calls {
    pub(super) fn products(&mut self) {
        for dtype in REALS {
            for [m, k, n] in [
                [1, 1, 1],
                [3, 5, 2],
                [17, 64, 10],
                [70, 33, 65],
                [1, 300, 1],
                [65, 1, 130],
                [0, 3, 2],
                [2, 0, 3],
                [9, 1100, 5],
                [128, 24, 136],
            ] {
                for (turn_a, turn_b) in [(false, false), (true, false), (false, true), (true, true)]
                {
                    let a = self.random(dtype, &if turn_a { [k, m] } else { [m, k] });
                    let b = self.random(dtype, &if turn_b { [n, k] } else { [k, n] });
                    let given = [
                        ("transpose_a", Attribute::Bool(turn_a)),
                        ("transpose_b", Attribute::Bool(turn_b)),
                    ];
                    self.add(
                        "matmul",
                        &given,
                        vec![a, b],
                        Tolerance { f32: 1e-5, scale: (k as f64).sqrt() + 1.0 },
                    );
                }
            }
            for (a, b) in [
                (&[5, 3, 4][..], &[5, 4, 2][..]),
                (&[2, 3, 4, 5], &[5, 6]),
                (&[4, 5], &[2, 3, 5, 6]),
                (&[2, 1, 3, 2], &[3, 2, 4]),
                (&[4, 3, 0], &[4, 0, 4]),
                (&[0, 3, 2], &[1, 2, 4]),
            ] {
                let inputs = vec![self.random(dtype, a), self.random(dtype, b)];
                self.add("matmul", &[], inputs, SUM);
            }
        }
        // Large enough for the larger tiles.
        let inputs = vec![self.random(F32, &[64, 128, 3]), self.random(F32, &[64, 3, 129])];
        self.add("matmul", &[], inputs, SUM);
    }

    pub(super) fn convolutions(&mut self) {
        // Images, kernel sizes, outputs, stride, padding, dilation, groups.
        type Case = ([u64; 4], [u64; 2], u64, [i64; 2], [i64; 2], [i64; 2], i64);
        const CASES: [Case; 9] = [
            ([2, 5, 6, 3], [3, 3], 4, [1, 1], [1, 1], [1, 1], 1),
            ([1, 7, 8, 4], [3, 2], 6, [2, 1], [1, 0], [1, 1], 2),
            ([2, 9, 9, 2], [3, 3], 2, [2, 3], [2, 2], [2, 2], 1),
            ([1, 4, 4, 6], [1, 1], 3, [1, 1], [0, 0], [1, 1], 3),
            ([3, 3, 3, 1], [3, 3], 5, [1, 1], [0, 0], [1, 1], 1),
            ([0, 4, 4, 2], [2, 2], 2, [1, 1], [0, 0], [1, 1], 1),
            ([1, 4, 4, 0], [2, 2], 3, [1, 1], [0, 0], [1, 1], 1),
            ([2, 20, 20, 1], [5, 5], 8, [1, 1], [2, 2], [1, 1], 1),
            ([1, 10, 11, 70], [1, 2], 66, [3, 2], [0, 1], [1, 3], 2),
        ];
        for dtype in FLOATS {
            for (x, taps, outputs, stride, padding, dilation, groups) in CASES {
                let places = [0, 1].map(|axis| {
                    let span = dilation[axis] as u64 * (taps[axis] - 1) + 1;
                    (x[axis + 1] + 2 * padding[axis] as u64 - span) / stride[axis] as u64 + 1
                });
                let given = [
                    ("stride", ints(&stride)),
                    ("padding", ints(&padding)),
                    ("dilation", ints(&dilation)),
                    ("groups", int(groups)),
                ];
                let weights = [taps[0], taps[1], x[3] / groups as u64, outputs];
                let y = [x[0], places[0], places[1], outputs];
                let (images, weights, dy) =
                    (self.random(dtype, &x), self.random(dtype, &weights), self.random(dtype, &y));
                let near = Tolerance { f32: 1e-5, scale: 10.0 };
                self.add("conv2d", &given, vec![images.clone(), weights.clone()], near);
                let window =
                    [&given[..], &[("window", ints(&taps.map(|taps| taps as i64)))]].concat();
                self.add(
                    "conv2d_grad_weights",
                    &window,
                    vec![images, dy.clone()],
                    Tolerance { scale: 30.0, ..near },
                );
                let sides =
                    [&given[..], &[("height", int(x[1] as i64)), ("width", int(x[2] as i64))]]
                        .concat();
                self.add("conv2d_grad_input", &sides, vec![dy, weights], near);
            }
        }
    }

    pub(super) fn pooling(&mut self) {
        type Case = ([u64; 4], [u64; 2], [u64; 2], [u64; 2]);
        const CASES: [Case; 7] = [
            ([2, 4, 6, 3], [2, 2], [2, 2], [0, 0]),
            ([2, 5, 7, 1], [2, 3], [2, 3], [0, 0]),
            ([1, 5, 5, 2], [3, 3], [1, 1], [1, 1]),
            ([3, 7, 4, 5], [3, 2], [2, 3], [2, 1]),
            ([1, 1, 1, 1], [1, 1], [1, 1], [0, 0]),
            ([0, 4, 4, 2], [2, 2], [2, 2], [0, 0]),
            ([1, 9, 9, 2], [2, 2], [3, 4], [0, 0]),
        ];
        for dtype in FLOATS {
            for (shape, window, stride, padding) in CASES {
                let pair = |pair: [u64; 2]| ints(&pair.map(|value| value as i64));
                let given = [
                    ("window", pair(window)),
                    ("stride", pair(stride)),
                    ("padding", pair(padding)),
                ];
                let places = [0, 1].map(|axis| {
                    (shape[axis + 1] + 2 * padding[axis] - window[axis]) / stride[axis] + 1
                });
                let y = [shape[0], places[0], places[1], shape[3]];
                for hard in [false, true] {
                    let x =
                        if hard { self.wild(dtype, &shape) } else { self.random(dtype, &shape) };
                    let dy = self.random(dtype, &y);
                    self.add("max_pool2d", &given, vec![x.clone()], EXACT);
                    self.without_reference();
                    self.add("max_pool2d_grad", &given, vec![x.clone(), dy.clone()], ELEMENT);
                    self.without_reference();
                    if !hard {
                        self.add("avg_pool2d", &given, vec![x], SUM);
                        let sides =
                            [("height", int(shape[1] as i64)), ("width", int(shape[2] as i64))];
                        self.add("avg_pool2d_grad", &[&given[..], &sides].concat(), vec![dy], SUM);
                    }
                }
            }
        }
    }
}
