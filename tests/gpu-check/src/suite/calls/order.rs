//! Sorts, and tensors from nothing: of one value, and random ones.

use drawloom_model::Attribute;
use drawloom_model::DType::{F32, F64};

use super::{Calls, FLOATS, NUMBERS, REALS, float, int, ints, text};
use crate::suite::compare::{ELEMENT, EXACT, Tolerance};

impl Calls {
    pub(super) fn orders(&mut self) {
        for dtype in NUMBERS {
            for (shape, axis) in [
                (&[0][..], 0),
                (&[1], 0),
                (&[3, 0], 1),
                (&[90, 20], 0),
                (&[9, 200], 1),
                (&[5000], 0),
                (&[2, 1500, 2], 1),
            ] {
                for descending in [false, true] {
                    let x = if descending {
                        self.wild(dtype, shape)
                    } else {
                        self.random(dtype, shape)
                    };
                    let given = [("axis", int(axis)), ("descending", Attribute::Bool(descending))];
                    self.add("sort", &given, vec![x], EXACT);
                    self.without_reference();
                }
            }
            for (shape, axis, k) in [
                (&[50, 30][..], 0, 7),
                (&[50, 30], 1, 30),
                (&[5001], 0, 100),
                (&[5001], 0, 3000),
                (&[4, 3], 1, 0),
            ] {
                let x = self.whole(dtype, shape, 0, 200);
                let given =
                    [("axis", int(axis)), ("k", int(k)), ("largest", Attribute::Bool(k % 2 == 0))];
                self.add("top_k", &given, vec![x], EXACT);
            }
        }
    }

    pub(super) fn made_of_nothing(&mut self) {
        for dtype in NUMBERS {
            for count in [0, 1, 17, 1000] {
                let given =
                    [("shape", ints(&[count])), ("dtype", text(dtype.name())), ("value", int(7))];
                self.add("fill", &given, Vec::new(), EXACT);
            }
        }
        for dtype in REALS {
            for (count, seed) in [(0, 1), (1, 2), (15, -3), (1000, i64::MAX)] {
                let of = [("shape", ints(&[count])), ("dtype", text(dtype.name()))];
                let of = [&of[..], &[("seed", int(seed)), ("stream", int(5))]].concat();
                let bounds = [("low", float(-2.0)), ("high", float(3.0))];
                let exact = if matches!(dtype, F32 | F64) { EXACT } else { ELEMENT };
                self.add("uniform", &[&of[..], &bounds].concat(), Vec::new(), exact);
                let shape = [("mean", float(1.5)), ("std", float(2.0))];
                self.add(
                    "normal",
                    &[&of[..], &shape].concat(),
                    Vec::new(),
                    Tolerance { f32: 1e-6, scale: 1e-3 },
                );
            }
        }
        for n in [0, 1, 2, 3, 100, 1025, 5000] {
            self.add("permutation", &[("n", int(n)), ("seed", int(n))], Vec::new(), EXACT);
        }
        for dtype in FLOATS {
            for rate in [0.0, 0.3, 1.0] {
                for shape in [&[0][..], &[3], &[40, 25]] {
                    for kernel in ["dropout", "dropout_grad"] {
                        let x = self.random(dtype, shape);
                        let given = [("rate", float(rate)), ("seed", int(4)), ("stream", int(-1))];
                        self.add(kernel, &given, vec![x], EXACT);
                        self.without_reference();
                    }
                }
            }
        }
    }
}
