//! What each kernel is measured with: large enough that memory, not caches or calls, counts.

use drawloom_model::{Attribute, Attributes, DType, ObjectType, Shape, Value};

/// Elements of a large tensor.
const LARGE: u64 = 1 << 23;
/// Rows and columns of a large table.
const ROWS: u64 = 1 << 13;
const COLUMNS: u64 = 1 << 10;

/// What a kernel is called with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) inputs: Vec<Input>,
    pub(crate) attributes: Attributes,
}

/// An object to make.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// Spread elements: of floating point from -2 up to 2, whole ones from 0 up to a bound.
    Tensor { dtype: DType, extents: Vec<u64>, below: u64 },
    /// A table in comma-separated text.
    Csv { rows: u64, columns: u64 },
    /// A tensor of f32 in NumPy's format.
    Npy { elements: u64 },
}

impl Input {
    pub(crate) fn object_type(&self) -> ObjectType {
        match self {
            Input::Tensor { dtype, extents, .. } => {
                let shape = Shape::new(extents.iter().copied());
                ObjectType::Tensor { dtype: *dtype, shape }
            }
            Input::Csv { .. } | Input::Npy { .. } => ObjectType::Blob,
        }
    }

    pub(crate) fn make(&self) -> Value {
        let data = match self {
            Input::Tensor { dtype, extents, below } => {
                elements(*dtype, extents.iter().product(), *below)
            }
            Input::Csv { rows, columns } => csv(*rows, *columns),
            Input::Npy { elements } => npy(*elements),
        };
        Value { object_type: self.object_type(), data: data.into() }
    }
}

impl Case {
    fn of(inputs: Vec<Input>) -> Self {
        Case { inputs, attributes: Attributes::new() }
    }

    fn with(mut self, name: &str, value: Attribute) -> Self {
        self.attributes.insert(name.to_owned(), value);
        self
    }

    fn with_int(self, name: &str, value: i64) -> Self {
        self.with(name, Attribute::Int(value))
    }

    pub(crate) fn with_ints(self, name: &str, values: &[i64]) -> Self {
        self.with(name, Attribute::Ints(values.to_vec()))
    }

    pub(crate) fn input_types(&self) -> Vec<ObjectType> {
        self.inputs.iter().map(Input::object_type).collect()
    }
}

fn f32s(extents: &[u64]) -> Input {
    Input::Tensor { dtype: DType::F32, extents: extents.to_vec(), below: 0 }
}

fn whole(dtype: DType, extents: &[u64], below: u64) -> Input {
    Input::Tensor { dtype, extents: extents.to_vec(), below }
}

/// A table of f32.
pub(crate) fn rows() -> Case {
    Case::of(vec![f32s(&[ROWS, COLUMNS])])
}

/// Two square matrices.
pub(crate) fn matmul_1024() -> Case {
    Case::of(vec![f32s(&[1024, 1024]), f32s(&[1024, 1024])])
}

/// Images and the weights of a layer of a network.
pub(crate) fn conv2d() -> Option<Case> {
    of_images("conv2d")
}

/// Two operands that fit any cache.
#[cfg(test)]
pub(crate) fn small() -> Case {
    Case::of(vec![f32s(&[1000]), f32s(&[1000])])
}

/// What a kernel of the catalogue is measured with.
pub(crate) fn case(kernel: &str) -> Option<Case> {
    of_elements(kernel)
        .or_else(|| of_tables(kernel))
        .or_else(|| of_training(kernel))
        .or_else(|| of_images(kernel))
}

/// Kernels that look at each element by itself, and those that make tensors of nothing.
fn of_elements(kernel: &str) -> Option<Case> {
    let large = || f32s(&[LARGE]);
    Some(match kernel {
        "abs" | "ceil" | "clip" | "cos" | "exp" | "floor" | "gelu" | "log" | "neg"
        | "reciprocal" | "relu" | "round" | "rsqrt" | "scale" | "sigmoid" | "sign" | "silu"
        | "sin" | "sqrt" | "square" | "tanh" => Case::of(vec![large()]),
        "add" | "axpy" | "div" | "equal" | "gelu_grad" | "greater" | "greater_equal" | "less"
        | "less_equal" | "maximum" | "minimum" | "mul" | "not_equal" | "pow" | "relu_grad"
        | "sigmoid_grad" | "silu_grad" | "sub" | "tanh_grad" => Case::of(vec![large(), large()]),
        "where" => Case::of(vec![whole(DType::U8, &[LARGE], 2), large(), large()]),
        "sum_n" => Case::of(vec![large(), large(), large()]),
        "cast" => Case::of(vec![large()]).with("dtype", Attribute::Text("f16".to_owned())),
        "fill" | "normal" | "uniform" => Case::default().with_ints("shape", &[LARGE as i64]),
        "permutation" => Case::default().with_int("n", 1 << 20),
        _ => return None,
    })
}

/// Kernels of rows, axes and files.
fn of_tables(kernel: &str) -> Option<Case> {
    let indices = || whole(DType::I64, &[ROWS], ROWS);
    let table = || f32s(&[ROWS, COLUMNS]);
    Some(match kernel {
        "argmax" | "argmin" | "max" | "mean" | "min" | "prod" | "scan" | "sort" | "sum"
        | "transpose" | "variance" => rows(),
        "bias_add" => Case::of(vec![table(), f32s(&[COLUMNS])]),
        "top_k" => rows().with_int("k", 10),
        "histogram" => rows()
            .with_int("bins", 256)
            .with("low", Attribute::Float(-2.0))
            .with("high", Attribute::Float(2.0)),
        "reshape" => rows().with_ints("shape", &[-1]),
        "slice" => rows().with_int("axis", 1).with_int("start", 1),
        "concat" => Case::of(vec![table(), table()]).with_int("axis", 1),
        "pad" => rows().with_ints("before", &[1, 1]).with_ints("after", &[1, 1]),
        "gather" => Case::of(vec![table(), indices()]),
        "scatter" | "scatter_add" => Case::of(vec![table(), indices(), table()]),
        "image_shift" => {
            Case::of(vec![f32s(&[ROWS, 28 * 28])]).with_int("height", 28).with_int("width", 28)
        }
        "read_csv" => Case::of(vec![Input::Csv { rows: ROWS, columns: 32 }])
            .with_int("rows", ROWS as i64)
            .with_int("cols", 32),
        "write_csv" => Case::of(vec![f32s(&[ROWS, 32])]),
        "read_npy" => Case::of(vec![Input::Npy { elements: LARGE }]),
        "write_npy" => Case::of(vec![f32s(&[LARGE])]),
        _ => return None,
    })
}

/// Kernels that train and classify.
fn of_training(kernel: &str) -> Option<Case> {
    let large = || f32s(&[LARGE]);
    let indices = || whole(DType::I64, &[ROWS], ROWS);
    let labels = |classes| whole(DType::U8, &[ROWS], classes);
    Some(match kernel {
        "matmul" => matmul_1024(),
        "log_softmax" | "softmax" => rows(),
        "log_softmax_grad" | "softmax_grad" => {
            Case::of(vec![f32s(&[ROWS, COLUMNS]), f32s(&[ROWS, COLUMNS])])
        }
        "layer_norm" => Case::of(vec![f32s(&[ROWS, COLUMNS]), f32s(&[COLUMNS]), f32s(&[COLUMNS])]),
        "layer_norm_grad" => {
            Case::of(vec![f32s(&[ROWS, COLUMNS]), f32s(&[COLUMNS]), f32s(&[ROWS, COLUMNS])])
        }
        "dropout" | "dropout_grad" => Case::of(vec![large()]),
        "embedding" => Case::of(vec![f32s(&[ROWS, COLUMNS]), indices()]),
        "embedding_grad" => {
            Case::of(vec![indices(), f32s(&[ROWS, COLUMNS])]).with_int("rows", ROWS as i64)
        }
        "cross_entropy" => Case::of(vec![f32s(&[ROWS, COLUMNS]), labels(256)]),
        "accuracy" => Case::of(vec![f32s(&[ROWS, COLUMNS]), labels(256)]),
        "sgd" => Case::of(vec![large(), large()]),
        "sgd_momentum" => Case::of(vec![large(), large(), large()]),
        // Means of squares are not negative: zeros.
        "adam" => {
            let zeros = whole(DType::F32, &[LARGE], 1);
            Case::of(vec![large(), large(), zeros.clone(), zeros]).with_int("step", 1)
        }
        _ => return None,
    })
}

/// Kernels of images, channels last.
fn of_images(kernel: &str) -> Option<Case> {
    let images = || f32s(&[32, 56, 56, 64]);
    let pooled = || f32s(&[32, 28, 28, 64]);
    let weights = || f32s(&[3, 3, 64, 64]);
    let sized = |case: Case| case.with_int("height", 56).with_int("width", 56);
    Some(match kernel {
        "conv2d" => Case::of(vec![images(), weights()]).with_ints("padding", &[1]),
        "conv2d_grad_input" => {
            sized(Case::of(vec![images(), weights()])).with_ints("padding", &[1])
        }
        "conv2d_grad_weights" => {
            Case::of(vec![images(), images()]).with_ints("window", &[3]).with_ints("padding", &[1])
        }
        "avg_pool2d" | "max_pool2d" => Case::of(vec![images()]).with_ints("window", &[2]),
        "avg_pool2d_grad" => sized(Case::of(vec![pooled()])).with_ints("window", &[2]),
        "max_pool2d_grad" => Case::of(vec![images(), pooled()]).with_ints("window", &[2]),
        _ => return None,
    })
}

/// A number that looks random, the same for the same place.
fn mixed(place: u64) -> u64 {
    let mixed = (place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11
}

fn elements(dtype: DType, count: u64, below: u64) -> Vec<u8> {
    let whole = move |place| mixed(place) % below.max(1);
    let part = move |place| match below {
        0 => (mixed(place) % (1 << 20)) as f32 / (1 << 18) as f32 - 2.0,
        _ => whole(place) as f32,
    };
    let places = 0..count;
    match dtype {
        DType::U8 => places.map(|place| whole(place) as u8).collect(),
        DType::I32 => places.flat_map(|place| (whole(place) as i32).to_le_bytes()).collect(),
        DType::I64 => places.flat_map(|place| (whole(place) as i64).to_le_bytes()).collect(),
        DType::F32 => places.flat_map(|place| part(place).to_le_bytes()).collect(),
        DType::F64 => places.flat_map(|place| f64::from(part(place)).to_le_bytes()).collect(),
        DType::F16 | DType::BF16 => vec![0; 2 * count as usize],
    }
}

fn csv(rows: u64, columns: u64) -> Vec<u8> {
    let line = |row: u64| {
        let fields = (0..columns).map(|column| mixed(row * columns + column) % 1_000_000);
        let fields: Vec<String> = fields.map(|field| format!("{}", field as f64 / 1e3)).collect();
        fields.join(",") + "\n"
    };
    (0..rows).map(line).collect::<String>().into_bytes()
}

fn npy(count: u64) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count},), }}");
    let length = (header.len() as u16).to_le_bytes();
    let mut file = [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat();
    file.extend(elements(DType::F32, count, 0));
    file
}
