//! Shapes that nobody has thought of, and large ones.

use drawloom_model::Attribute;
use drawloom_model::DType::{F32, I32, I64, U8};

use super::{Calls, NUMBERS, REALS, float, int, ints};
use crate::suite::compare::{CANCELLING, ELEMENT, EXACT, SUM, Tolerance};

impl Calls {
    fn random_shape(&mut self, least_rank: usize) -> Vec<u64> {
        const EXTENTS: [u64; 10] = [1, 1, 2, 3, 5, 8, 13, 31, 33, 64];
        let rank = self.rng.usize(least_rank..=4);
        let empty = self.rng.u8(..20) == 0;
        let mut shape: Vec<u64> =
            (0..rank).map(|_| EXTENTS[self.rng.usize(..EXTENTS.len())]).collect();
        // Not more elements than a simulated device computes in a moment.
        while shape.iter().product::<u64>() > 1 << 13 {
            let largest = (0..rank).max_by_key(|axis| shape[*axis]).expect("an axis");
            shape[largest] = shape[largest].div_ceil(3);
        }
        if empty && rank > 0 {
            shape[self.rng.usize(..rank)] = 0;
        }
        shape
    }

    /// Kernels that take any shape, with shapes that nobody has thought of.
    pub(super) fn random_shapes(&mut self, rounds: usize) {
        for dtype in NUMBERS.into_iter().cycle().take(rounds * NUMBERS.len()) {
            let shape = self.random_shape(1);
            let axis = self.rng.usize(..shape.len());
            let along = [("axis", int(axis as i64))];
            let x = self.random(dtype, &shape);
            // One operand has some axes of extent 1, another lacks the first ones.
            let stretched: Vec<u64> =
                shape.iter().map(|extent| if self.rng.bool() { 1 } else { *extent }).collect();
            let short = shape[self.rng.usize(..shape.len())..].to_vec();
            for other in [stretched, short] {
                let inputs = vec![x.clone(), self.random(dtype, &other)];
                self.add("sub", &[], inputs.clone(), CANCELLING);
                self.add("less_equal", &[], inputs, EXACT);
                let mask = self.whole(U8, &other, 0, 1);
                let inputs = vec![mask, x.clone(), self.random(dtype, &other)];
                self.add("where", &[], inputs, EXACT);
            }
            let axes: Vec<i64> = (0..shape.len() as i64).filter(|_| self.rng.bool()).collect();
            for kernel in ["sum", "max", "min"] {
                self.add(kernel, &[("axes", ints(&axes))], vec![x.clone()], SUM);
            }
            self.add("argmax", &along, vec![x.clone()], EXACT);
            self.add("sort", &along, vec![x.clone()], EXACT);
            let reverse = ("reverse", Attribute::Bool(self.rng.bool()));
            self.add("scan", &[along[0].clone(), reverse], vec![x.clone()], SUM);
            self.add("concat", &along, vec![x.clone(), x.clone()], EXACT);
            let mut perm: Vec<i64> = (0..shape.len() as i64).collect();
            self.rng.shuffle(&mut perm);
            self.add("transpose", &[("perm", ints(&perm))], vec![x.clone()], EXACT);
            let mut length = || -> Vec<i64> { shape.iter().map(|_| self.rng.i64(..3)).collect() };
            let (before, after) = (length(), length());
            let given = [("before", ints(&before)), ("after", ints(&after)), ("value", int(1))];
            self.add("pad", &given, vec![x], EXACT);
        }
        for dtype in REALS.into_iter().cycle().take(rounds * REALS.len()) {
            let [m, k, n] = [150, 200, 150].map(|most| self.rng.u64(1..most));
            let (turn_a, turn_b) = (self.rng.bool(), self.rng.bool());
            let a = self.random(dtype, &if turn_a { [2, k, m] } else { [2, m, k] });
            let b = self.random(dtype, &if turn_b { [n, k] } else { [k, n] });
            let given = [
                ("transpose_a", Attribute::Bool(turn_a)),
                ("transpose_b", Attribute::Bool(turn_b)),
            ];
            self.add("matmul", &given, vec![a, b], Tolerance { f32: 1e-5, scale: 15.0 });
        }
    }

    pub(super) fn large(&mut self) {
        let x = self.random(F32, &[17_000_003]);
        self.add("relu", &[], vec![x], EXACT);
        let inputs = vec![self.random(F32, &[2100, 2500]), self.random(F32, &[2500])];
        self.add("add", &[], inputs, ELEMENT);
        for (shape, axes) in [
            (&[3_000_001][..], &[0][..]),
            (&[60_000, 10], &[0]),
            (&[5000, 300], &[0]),
            (&[100, 30_000], &[1]),
            (&[40, 300, 50, 7], &[0, 2]),
            (&[70_000, 20], &[1]),
        ] {
            let x = self.random(F32, shape);
            for kernel in ["sum", "mean", "variance", "max"] {
                self.add(kernel, &[("axes", ints(axes))], vec![x.clone()], SUM);
            }
            if axes.len() == 1 {
                self.add("argmin", &[("axis", int(axes[0]))], vec![x.clone()], EXACT);
                self.add(
                    "scan",
                    &[("axis", int(axes[0]))],
                    vec![x],
                    Tolerance { f32: 1e-4, scale: 10.0 },
                );
            }
        }
        for dtype in [F32, I64] {
            let x = self.random(dtype, &[300_001]);
            self.add("sort", &[], vec![x.clone()], EXACT);
            self.add("top_k", &[("k", int(10))], vec![x], EXACT);
        }
        self.add("permutation", &[("n", int(200_003)), ("seed", int(3))], Vec::new(), EXACT);
        let indices = self.whole(I32, &[100_000], 0, 999);
        let dy = self.random(F32, &[100_000, 8]);
        self.add("embedding_grad", &[("rows", int(1000))], vec![indices, dy], SUM);
        let x = self.wild(F32, &[2_000_000]);
        let given = [("bins", int(100)), ("low", float(-3.0)), ("high", float(3.0))];
        self.add("histogram", &given, vec![x], EXACT);
        for dtype in REALS {
            let (a, b) = (self.random(dtype, &[1030, 130]), self.random(dtype, &[130, 1000]));
            self.add("matmul", &[], vec![a, b], Tolerance { f32: 1e-5, scale: 15.0 });
        }
        let (a, b) = (self.random(F32, &[20_000, 20]), self.random(F32, &[20_000, 10]));
        let given = [("transpose_a", Attribute::Bool(true))];
        self.add("matmul", &given, vec![a, b], Tolerance { f32: 1e-5, scale: 200.0 });
        let x = self.random(F32, &[8, 28, 28, 16]);
        let weights = self.random(F32, &[3, 3, 16, 32]);
        let dy = self.random(F32, &[8, 28, 28, 32]);
        let given = [("padding", ints(&[1]))];
        let near = Tolerance { f32: 1e-5, scale: 30.0 };
        self.add("conv2d", &given, vec![x.clone(), weights.clone()], near);
        self.add("conv2d_grad_input", &given, vec![dy.clone(), weights], near);
        let window = [given[0].clone(), ("window", ints(&[3]))];
        self.add("conv2d_grad_weights", &window, vec![x, dy], Tolerance { scale: 300.0, ..near });
        let x = self.random(F32, &[3000, 700]);
        self.add("softmax", &[], vec![x.clone()], ELEMENT);
        self.add("transpose", &[], vec![x], EXACT);
    }
}
