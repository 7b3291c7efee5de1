//! Rows, losses, optimisers and images.

use drawloom_model::DType::{I32, I64, U8};
use drawloom_model::{Attribute, Value};

use super::{Calls, FLOATS, float, int};
use crate::suite::compare::{ELEMENT, EXACT, SUM, Tolerance};
use crate::suite::values::{positive, tensor};

impl Calls {
    pub(super) fn rows(&mut self) {
        let near = Tolerance { f32: 1e-5, scale: 1.0 };
        for dtype in FLOATS {
            for shape in [&[0, 3][..], &[3, 0], &[1, 1], &[90, 10], &[4, 100], &[2, 2, 1500]] {
                for kernel in ["softmax", "log_softmax"] {
                    let x = self.random(dtype, shape);
                    self.add(kernel, &[], vec![x], near);
                    let inputs = vec![self.random(dtype, shape), self.random(dtype, shape)];
                    self.add(&format!("{kernel}_grad"), &[], inputs, SUM);
                }
                let width = &shape[shape.len() - 1..];
                let (x, gamma, beta) = (
                    self.random(dtype, shape),
                    self.random(dtype, width),
                    self.random(dtype, width),
                );
                let given = [("eps", float(1e-3))];
                self.add("layer_norm", &given, vec![x.clone(), gamma.clone(), beta], near);
                let dy = self.random(dtype, shape);
                self.add("layer_norm_grad", &given, vec![x, gamma, dy], SUM);
            }
            for kernel in ["softmax", "log_softmax"] {
                let x = self.wild(dtype, &[60, 4]);
                self.add(kernel, &[], vec![x], near);
                self.without_reference();
            }
        }
    }

    pub(super) fn training(&mut self) {
        for dtype in FLOATS {
            for labels in [U8, I32, I64] {
                for [rows, classes] in [[1, 1], [33, 10], [3, 200], [5, 1200]] {
                    let logits = self.random(dtype, &[rows, classes]);
                    let labels = self.whole(labels, &[rows], 0, classes.min(200) as i64 - 1);
                    let inputs = vec![logits, labels];
                    self.add(
                        "cross_entropy",
                        &[],
                        inputs.clone(),
                        Tolerance { f32: 1e-5, scale: 0.1 },
                    );
                    self.add(
                        "cross_entropy",
                        &[("denominator", float(64.0))],
                        inputs.clone(),
                        ELEMENT,
                    );
                    self.calls.pop();
                    self.add("accuracy", &[], inputs, EXACT);
                    self.without_reference();
                }
                for kernel in ["cross_entropy", "accuracy"] {
                    let none = vec![self.random(dtype, &[0, 4]), self.random(labels, &[0])];
                    self.add(kernel, &[], none, EXACT);
                    let beyond =
                        vec![self.random(dtype, &[3, 4]), tensor(labels, &[3], &[0.0, 3.0, 9.0])];
                    self.add(kernel, &[], beyond, EXACT);
                    let of_nothing =
                        vec![self.random(dtype, &[2, 0]), tensor(labels, &[2], &[0.0, 1.0])];
                    self.add(kernel, &[], of_nothing, EXACT);
                }
            }
            for shape in [&[0][..], &[1], &[40, 7]] {
                let more: Vec<Value> = (0..4).map(|_| self.random(dtype, shape)).collect();
                let near = Tolerance { f32: 1e-5, scale: 0.1 };
                let decay = [("lr", float(0.1)), ("weight_decay", float(0.2))];
                self.add("sgd", &decay, more[..2].to_vec(), near);
                for nesterov in [false, true] {
                    let given = [&decay[..], &[("nesterov", Attribute::Bool(nesterov))]].concat();
                    self.add("sgd_momentum", &given, more[..3].to_vec(), near);
                }
                let v = positive(&mut self.rng, dtype, shape);
                let inputs = [&more[..3], &[v]].concat();
                self.add("adam", &[&decay[..], &[("step", int(3))]].concat(), inputs, near);
            }
        }
    }

    pub(super) fn images(&mut self) {
        for dtype in FLOATS {
            for (n, height, width, rotation, noise) in [
                (0, 3, 4, 0.0, 0.0),
                (20, 3, 4, 0.0, 0.0),
                (9, 7, 9, 0.0, 0.25),
                (6, 8, 8, 90.0, 0.0),
                (5, 5, 3, 30.0, 0.1),
                (4, 1, 1, 180.0, 0.0),
            ] {
                let x = self.random(dtype, &[n, height * width]);
                let given = [
                    ("height", int(height as i64)),
                    ("width", int(width as i64)),
                    ("max_shift", int(2)),
                    ("max_rotation", float(rotation)),
                    ("noise", float(noise)),
                    ("seed", int(11)),
                ];
                self.add("image_shift", &given, vec![x], Tolerance { f32: 1e-5, scale: 1.0 });
            }
        }
    }
}
