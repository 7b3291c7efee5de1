//! Calls of every kernel that has plans: shapes that are empty, single, odd, broadcast and large enough
//! to be cut; ordinary numbers and wild ones; mistakes that only show in what inputs hold.

use drawloom_model::{Attribute, Attributes, DType, KernelCall, ObjectType, Value};
use fastrand::Rng;

use super::compare::{ELEMENT, EXACT, SUM, Tolerance};
use super::values::{positive, random, tensor, whole, wild};

use DType::{BF16, F16, F32, F64, I32, I64, U8};

/// A call, its inputs, and how near results must be.
pub struct Call {
    pub call: KernelCall,
    pub inputs: Vec<Value>,
    pub tolerance: Tolerance,
    /// Whether results in f64 tell how good those in f32 are.
    pub has_reference: bool,
}

impl Call {
    pub fn types(&self) -> Vec<ObjectType> {
        self.inputs.iter().map(|input| input.object_type.clone()).collect()
    }

    /// The call in a line.
    pub fn describe(&self) -> String {
        let inputs: Vec<String> = self.types().iter().map(ToString::to_string).collect();
        format!("{}({}) {:?}", self.call.name, inputs.join(", "), self.call.attributes)
    }
}

const NUMBERS: [DType; 7] = [U8, I32, I64, F16, BF16, F32, F64];
const REALS: [DType; 4] = [F16, BF16, F32, F64];
const SIGNED: [DType; 6] = [I32, I64, F16, BF16, F32, F64];
const FLOATS: [DType; 2] = [F32, F64];

type Given<'a> = &'a [(&'a str, Attribute)];

/// Calls in the making.
pub struct Calls {
    rng: Rng,
    calls: Vec<Call>,
}

/// Calls of every kernel; the same for the same seed.
pub fn calls(seed: u64) -> Vec<Call> {
    let mut calls = Calls { rng: Rng::with_seed(seed), calls: Vec::new() };
    calls.elementwise();
    calls.broadcast();
    calls.from_nothing();
    calls.reductions();
    calls.scans();
    calls.orders();
    calls.layouts();
    calls.rows_by_index();
    calls.products();
    calls.convolutions();
    calls.pooling();
    calls.rows();
    calls.training();
    calls.images();
    calls.random_shapes(12);
    calls.calls
}

/// Calls so large that threads, blocks and passes have to go on; the same for the same seed.
pub fn large_calls(seed: u64) -> Vec<Call> {
    let mut calls = Calls { rng: Rng::with_seed(seed), calls: Vec::new() };
    calls.large();
    calls.calls
}

fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

fn float(value: f64) -> Attribute {
    Attribute::Float(value)
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

fn text(value: &str) -> Attribute {
    Attribute::Text(value.to_owned())
}

impl Calls {
    fn add(&mut self, kernel: &str, given: Given<'_>, inputs: Vec<Value>, tolerance: Tolerance) {
        let attributes: Attributes =
            given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let call = KernelCall { name: kernel.to_owned(), attributes };
        self.calls.push(Call { call, inputs, tolerance, has_reference: true });
    }

    /// The last call holds numbers that f64 computes with in another way.
    fn without_reference(&mut self) {
        if let Some(call) = self.calls.last_mut() {
            call.has_reference = false;
        }
    }

    fn random(&mut self, dtype: DType, extents: &[u64]) -> Value {
        random(&mut self.rng, dtype, extents)
    }

    fn wild(&mut self, dtype: DType, extents: &[u64]) -> Value {
        wild(&mut self.rng, dtype, extents)
    }

    fn whole(&mut self, dtype: DType, extents: &[u64], low: i64, high: i64) -> Value {
        whole(&mut self.rng, dtype, extents, low, high)
    }

    /// A kernel of one tensor by itself.
    fn map(&mut self, kernel: &str, given: Given<'_>, dtypes: &[DType]) {
        for &dtype in dtypes {
            for shape in [&[][..], &[0, 3], &[1], &[7], &[33, 37]] {
                let x = self.random(dtype, shape);
                self.add(kernel, given, vec![x], ELEMENT);
            }
            let x = self.wild(dtype, &[509]);
            self.add(kernel, given, vec![x], ELEMENT);
            self.without_reference();
        }
    }

    fn elementwise(&mut self) {
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

    fn broadcast(&mut self) {
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
                let inputs = vec![self.random(dtype, a), positive(&mut self.rng, dtype, b)];
                let divisor = self.whole(dtype, b, 1, 9);
                self.add("div", &[], vec![inputs[0].clone(), divisor], ELEMENT);
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
                self.add(
                    "axpy",
                    &[("alpha", float(-2.5))],
                    inputs,
                    Tolerance { f32: 1e-5, scale: 1e-2 },
                );
            }
            for kernel in ["relu_grad", "tanh_grad", "sigmoid_grad", "silu_grad", "gelu_grad"] {
                for shape in [&[][..], &[0], &[1031]] {
                    let inputs = vec![self.random(dtype, shape), self.random(dtype, shape)];
                    self.add(kernel, &[], inputs, Tolerance { f32: 1e-5, scale: 1e-2 });
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

    fn from_nothing(&mut self) {
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

    fn reductions(&mut self) {
        const CASES: [(&[u64], &[i64]); 14] = [
            (&[], &[]),
            (&[5], &[]),
            (&[5], &[0]),
            (&[10_007], &[0]),
            (&[1, 7, 1], &[0, 2]),
            (&[300, 50], &[0]),
            (&[300, 50], &[1]),
            (&[500, 3], &[1]),
            (&[3, 5000], &[0]),
            (&[3, 5000], &[1]),
            (&[2, 9000, 2], &[1]),
            (&[4, 5, 6, 7], &[0, 2]),
            (&[4, 5, 6, 7], &[1, 2]),
            (&[2, 0, 3], &[1]),
        ];
        for dtype in NUMBERS {
            for (shape, axes) in CASES {
                let given = [("axes", ints(axes)), ("keep_dims", Attribute::Bool(axes.len() == 2))];
                for kernel in ["sum", "max", "min"] {
                    let x = self.random(dtype, shape);
                    self.add(kernel, &given, vec![x], SUM);
                }
                let near_one = match dtype {
                    U8 | I32 | I64 => self.whole(dtype, shape, 1, 3),
                    _ => tensor(dtype, shape, &vec![1.0; shape.iter().product::<u64>() as usize]),
                };
                self.add("prod", &given, vec![near_one], SUM);
                if matches!(dtype, F16 | BF16 | F32 | F64) {
                    let x = self.random(dtype, shape);
                    self.add("mean", &given, vec![x.clone()], SUM);
                    self.add("variance", &given, vec![x.clone()], SUM);
                    let more = [&given[..], &[("ddof", int(1))]].concat();
                    self.add("variance", &more, vec![x], SUM);
                }
            }
            for (shape, axis) in [
                (&[1][..], 0),
                (&[9], -1),
                (&[10_007], 0),
                (&[40, 30], 0),
                (&[40, 30], 1),
                (&[3, 0], 0),
                (&[3, 0], 1),
                (&[2, 3000, 3], 1),
            ] {
                for kernel in ["argmax", "argmin"] {
                    let x = self.whole(dtype, shape, 0, 9);
                    self.add(kernel, &[("axis", int(axis))], vec![x], EXACT);
                }
            }
            for kernel in ["max", "min", "argmax", "argmin"] {
                let x = self.wild(dtype, &[30, 40]);
                let name = if kernel.len() > 3 { ("axis", int(1)) } else { ("axes", ints(&[1])) };
                self.add(kernel, &[name], vec![x], EXACT);
                self.without_reference();
            }
        }
    }

    fn scans(&mut self) {
        for dtype in NUMBERS {
            for op in ["sum", "prod", "max", "min"] {
                for (way, (shape, axis)) in [
                    (&[7][..], 0),
                    (&[0, 3], 0),
                    (&[3, 0], 0),
                    (&[1, 1, 1], 1),
                    (&[5000], 0),
                    (&[3, 1100], 1),
                    (&[3, 500, 2], 1),
                    (&[30, 20], 0),
                    (&[30, 20], 1),
                    (&[], -1),
                ]
                .into_iter()
                .enumerate()
                {
                    let x = match (op, dtype) {
                        ("prod", F16 | BF16 | F32 | F64) => {
                            tensor(dtype, shape, &vec![1.0; shape.iter().product::<u64>() as usize])
                        }
                        _ => self.random(dtype, shape),
                    };
                    let given = [
                        ("op", text(op)),
                        ("axis", int(axis)),
                        ("exclusive", Attribute::Bool(way % 2 == 1)),
                        ("reverse", Attribute::Bool(way % 3 == 1)),
                    ];
                    self.add("scan", &given, vec![x], SUM);
                }
            }
            for bins in [1, 17, 5000] {
                for shape in [&[0][..], &[1], &[2003]] {
                    let x = self.wild(dtype, shape);
                    let given = [("bins", int(bins)), ("low", float(-1.5)), ("high", float(20.0))];
                    self.add("histogram", &given, vec![x], EXACT);
                    self.without_reference();
                }
            }
        }
    }

    fn orders(&mut self) {
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

    fn layouts(&mut self) {
        for dtype in NUMBERS {
            for (shape, axis, start, stop) in [
                (&[10][..], 0, 2, 9),
                (&[6, 7], 1, 3, 5),
                (&[6, 8], 0, -4, -1),
                (&[3, 4, 5], 1, 1, 1),
            ] {
                let x = self.random(dtype, shape);
                let given = [("axis", int(axis)), ("start", int(start)), ("stop", int(stop))];
                self.add("slice", &given, vec![x], EXACT);
            }
            for axis in [0, 1, -1] {
                let shapes: [[u64; 3]; 3] = [[2, 3, 4]; 3];
                let parts = shapes.into_iter().enumerate().map(|(part, mut shape)| {
                    shape[if axis < 0 { 2 } else { axis as usize }] = part as u64 * 3;
                    self.random(dtype, &shape)
                });
                let parts = parts.collect();
                self.add("concat", &[("axis", int(axis))], parts, EXACT);
            }
            for shape in [&[0, 3][..], &[35, 3], &[1]] {
                let x = self.random(dtype, shape);
                self.add(
                    "reshape",
                    &[("shape", ints(&[shape.iter().product::<u64>() as i64]))],
                    vec![x],
                    EXACT,
                );
            }
            for perm in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1], [0, 2, 1]] {
                for shape in [[40, 5, 33], [3, 4, 2]] {
                    let x = self.random(dtype, &shape);
                    self.add("transpose", &[("perm", ints(&perm))], vec![x], EXACT);
                }
            }
            for shape in [&[][..], &[0, 3], &[1, 5], &[70, 45], &[2, 3, 2, 3, 2]] {
                let x = self.random(dtype, shape);
                self.add("transpose", &[], vec![x], EXACT);
            }
            for (shape, before, after) in [
                (&[2, 2][..], &[1, 0][..], &[0, 2][..]),
                (&[4, 3, 5], &[0, 0, 7], &[2, 0, 1]),
                (&[], &[], &[]),
                (&[0, 3], &[1, 0], &[1, 0]),
                (&[9, 4], &[0, 0], &[0, 0]),
            ] {
                let x = self.random(dtype, shape);
                let given = [("before", ints(before)), ("after", ints(after)), ("value", int(9))];
                self.add("pad", &given, vec![x], EXACT);
            }
        }
    }

    fn rows_by_index(&mut self) {
        for (dtype, index) in NUMBERS.into_iter().flat_map(|dtype| [(dtype, I32), (dtype, I64)]) {
            for (rows, row, updates) in [
                (5, &[3][..], &[7][..]),
                (40, &[2, 2], &[10, 30]),
                (3, &[16], &[0]),
                (1, &[], &[5]),
                (4, &[0], &[3]),
            ] {
                let table: Vec<u64> = [&[rows][..], row].concat();
                let (table, indices) =
                    (self.random(dtype, &table), self.whole(index, updates, 0, rows as i64 - 1));
                self.add("gather", &[], vec![table.clone(), indices.clone()], EXACT);
                let more: Vec<u64> = [updates, row].concat();
                let more = self.random(dtype, &more);
                let inputs = vec![table, indices, more];
                self.add("scatter", &[], inputs.clone(), EXACT);
                self.add("scatter_add", &[], inputs, SUM);
            }
            for kernel in ["gather", "scatter", "scatter_add"] {
                let beyond = tensor(index, &[3], &[0.0, 4.0, -1.0]);
                let mut inputs = vec![self.random(dtype, &[4, 2]), beyond];
                if kernel != "gather" {
                    inputs.push(self.random(dtype, &[3, 2]));
                }
                self.add(kernel, &[], inputs, EXACT);
            }
        }
        for (dtype, index) in FLOATS.into_iter().flat_map(|dtype| [(dtype, I32), (dtype, I64)]) {
            for (shape, rows, width) in [
                (&[7][..], 5, 3),
                (&[2, 3], 4, 1),
                (&[], 2, 9),
                (&[1500], 40, 2),
                (&[0], 3, 2),
                (&[4], 3, 0),
            ] {
                let indices = self.whole(index, shape, 0, rows - 1);
                let table = self.random(dtype, &[rows as u64, width]);
                self.add("embedding", &[], vec![table, indices.clone()], EXACT);
                let dy = self.random(dtype, &[shape, &[width]].concat());
                self.add("embedding_grad", &[("rows", int(rows))], vec![indices, dy], SUM);
            }
            let inputs = vec![tensor(index, &[2], &[0.0, -7.0]), self.random(dtype, &[2, 3])];
            self.add("embedding_grad", &[("rows", int(5))], inputs, EXACT);
        }
    }

    fn products(&mut self) {
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

    fn convolutions(&mut self) {
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

    fn pooling(&mut self) {
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

    fn rows(&mut self) {
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

    fn training(&mut self) {
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

    fn images(&mut self) {
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
    fn random_shapes(&mut self, rounds: usize) {
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
                self.add("sub", &[], inputs.clone(), Tolerance { f32: 1e-5, scale: 1e-2 });
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

    fn large(&mut self) {
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
