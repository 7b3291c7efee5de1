//! Arithmetic on elements by themselves, and where shapes broadcast.

use drawloom_model::DType;
use drawloom_model::DType::{I32, I64, U8};

use super::{Calls, Given, NUMBERS, REALS, SIGNED, float, int, text};
use crate::suite::compare::{CANCELLING, ELEMENT, EXACT, SUM};
use crate::suite::values::{positive, tensor};

impl Calls {
    /// A kernel of one tensor by itself.
    fn map(&mut self, kernel: &str, given: Given<'_>, dtypes: &[DType]) {
        let near = if kernel == "scale" { CANCELLING } else { ELEMENT };
        for &dtype in dtypes {
            for shape in [&[][..], &[0, 3], &[1], &[7], &[33, 37]] {
                let x = self.random(dtype, shape);
                self.add(kernel, given, vec![x], near);
            }
            let x = self.wild(dtype, &[509]);
            self.add(kernel, given, vec![x], near);
            self.without_reference();
        }
    }

    pub(super) fn elementwise(&mut self) {
        for kernel in ["neg", "abs", "sign", "relu"] {
            self.map(kernel, &[], &SIGNED);
        }
        for kernel in [
            "sqrt",
            "rsqrt",
            "reciprocal",
            "exp",
            "log",
            "sin",
            "cos",
            "floor",
            "ceil",
            "round",
            "tanh",
            "sigmoid",
            "silu",
            "gelu",
        ] {
            self.map(kernel, &[], &REALS);
        }
        self.map("square", &[], &NUMBERS);
        self.map("scale", &[("factor", float(3.5)), ("offset", float(-0.25))], &REALS);
        self.map("clip", &[("min", float(-1.5)), ("max", int(2))], &NUMBERS);
        self.map("clip", &[("max", int(0))], &NUMBERS);
        for to in NUMBERS {
            self.map("cast", &[("dtype", text(to.name()))], &NUMBERS);
        }
        for count in [1, 2, 8, 9, 20] {
            for dtype in NUMBERS {
                let tensors = (0..count).map(|_| self.random(dtype, &[3, 50])).collect();
                self.add("sum_n", &[], tensors, SUM);
            }
        }
    }

    pub(super) fn broadcast(&mut self) {
        const SHAPES: [(&[u64], &[u64]); 10] = [
            (&[], &[]),
            (&[0], &[1]),
            (&[7], &[7]),
            (&[1031], &[1031]),
            (&[1031], &[]),
            (&[4, 3], &[3]),
            (&[4, 1], &[3]),
            (&[2, 1, 3, 1], &[5, 1, 4]),
            (&[1, 1], &[2, 0]),
            (&[20, 30], &[20, 1]),
        ];
        for dtype in NUMBERS {
            for (a, b) in SHAPES {
                for kernel in ["add", "sub", "mul", "maximum", "minimum"] {
                    let inputs = vec![self.random(dtype, a), self.random(dtype, b)];
                    self.add(kernel, &[], inputs, ELEMENT);
                }
                for kernel in
                    ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
                {
                    let inputs = vec![self.whole(dtype, a, 0, 3), self.whole(dtype, b, 0, 3)];
                    self.add(kernel, &[], inputs, EXACT);
                }
                let inputs = vec![self.random(dtype, a), self.whole(dtype, b, 1, 9)];
                self.add("div", &[], inputs, ELEMENT);
                let base = positive(&mut self.rng, dtype, a);
                let exponent = self.whole(dtype, b, 0, 4);
                self.add("pow", &[], vec![base, exponent], ELEMENT);
                let mask = self.whole(U8, a, 0, 1);
                let inputs = vec![mask, self.random(dtype, b), self.random(dtype, a)];
                self.add("where", &[], inputs, EXACT);
            }
            for kernel in
                ["add", "sub", "mul", "maximum", "minimum", "less", "equal", "greater_equal"]
            {
                let inputs = vec![self.wild(dtype, &[300]), self.wild(dtype, &[300])];
                self.add(kernel, &[], inputs, ELEMENT);
                self.without_reference();
            }
            let inputs = vec![self.random(dtype, &[9, 5]), self.random(dtype, &[5])];
            self.add("bias_add", &[], inputs, ELEMENT);
        }
        for dtype in REALS {
            let inputs = vec![self.wild(dtype, &[300]), self.wild(dtype, &[300])];
            self.add("div", &[], inputs, ELEMENT);
            self.without_reference();
            for (a, b) in SHAPES {
                let inputs = vec![self.random(dtype, a), self.random(dtype, b)];
                self.add("axpy", &[("alpha", float(-2.5))], inputs, CANCELLING);
            }
            for kernel in ["relu_grad", "tanh_grad", "sigmoid_grad", "silu_grad", "gelu_grad"] {
                for shape in [&[][..], &[0], &[1031]] {
                    let inputs = vec![self.random(dtype, shape), self.random(dtype, shape)];
                    self.add(kernel, &[], inputs, CANCELLING);
                }
            }
        }
        for dtype in [U8, I32, I64] {
            let (x, zero) =
                (self.random(dtype, &[6]), tensor(dtype, &[6], &[1., 2., 0., 4., 0., 1.]));
            self.add("div", &[], vec![x, zero], EXACT);
        }
        let least =
            vec![tensor(I32, &[2], &[f64::from(i32::MIN), 7.0]), tensor(I32, &[1], &[-1.0])];
        self.add("div", &[], least, EXACT);
        let negative = vec![self.random(I64, &[4]), tensor(I64, &[4], &[1., 0., -3., -1.])];
        self.add("pow", &[], negative, EXACT);
    }
}
