//! Tensors to call kernels with.

use bytes::Bytes;
use drawloom_model::{DType, ObjectType, Shape, Value};
use fastrand::Rng;
use half::{bf16, f16};

/// A tensor of these numbers, each the nearest that its type has.
pub fn tensor(dtype: DType, extents: &[u64], numbers: &[f64]) -> Value {
    let bytes: Vec<u8> = match dtype {
        DType::U8 => numbers.iter().map(|x| *x as u8).collect(),
        DType::I32 => numbers.iter().flat_map(|x| (*x as i32).to_le_bytes()).collect(),
        DType::I64 => numbers.iter().flat_map(|x| (*x as i64).to_le_bytes()).collect(),
        DType::F16 => numbers.iter().flat_map(|x| f16::from_f64(*x).to_le_bytes()).collect(),
        DType::BF16 => numbers.iter().flat_map(|x| bf16::from_f64(*x).to_le_bytes()).collect(),
        DType::F32 => numbers.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect(),
        DType::F64 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
    };
    let object_type = ObjectType::Tensor { dtype, shape: Shape::new(extents.iter().copied()) };
    let value = Value { object_type, data: Bytes::from(bytes) };
    assert!(value.is_consistent(), "{:?} of {} numbers", extents, numbers.len());
    value
}

/// A tensor's element type and numbers.
pub fn numbers(value: &Value) -> (DType, Vec<f64>) {
    let ObjectType::Tensor { dtype, .. } = &value.object_type else { panic!("a blob") };
    let numbers = value.data.chunks_exact(dtype.size_bytes()).map(|bytes| number(*dtype, bytes));
    (*dtype, numbers.collect())
}

fn number(dtype: DType, bytes: &[u8]) -> f64 {
    match (dtype, bytes) {
        (DType::U8, &[byte]) => f64::from(byte),
        (DType::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f64(),
        (DType::BF16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f64(),
        (DType::I32, &[a, b, c, d]) => f64::from(i32::from_le_bytes([a, b, c, d])),
        (DType::F32, &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
        (DType::I64, bytes) => i64::from_le_bytes(bytes.try_into().expect("8 bytes")) as f64,
        (_, bytes) => f64::from_le_bytes(bytes.try_into().expect("8 bytes")),
    }
}

/// Whether elements of this type are whole numbers.
pub fn is_integer(dtype: DType) -> bool {
    matches!(dtype, DType::U8 | DType::I32 | DType::I64)
}

/// A tensor of small random numbers: normally distributed, or whole ones.
pub fn random(rng: &mut Rng, dtype: DType, extents: &[u64]) -> Value {
    fill(dtype, extents, || match dtype {
        DType::U8 => f64::from(rng.u8(..20)),
        DType::I32 | DType::I64 => f64::from(rng.i32(-10..=10)),
        _ => normal(rng),
    })
}

/// The same with numbers among them that are easily got wrong.
pub fn wild(rng: &mut Rng, dtype: DType, extents: &[u64]) -> Value {
    const WILD: [f64; 9] =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e-40, 1e38, -3e38, 0.5];
    const WHOLE: [f64; 6] =
        [0.0, 255.0, i32::MAX as f64, i32::MIN as f64, i64::MAX as f64, i64::MIN as f64];
    let choices: &[f64] = if is_integer(dtype) { &WHOLE } else { &WILD };
    fill(dtype, extents, || match rng.u8(..4) {
        0 => choices[rng.usize(..choices.len())],
        _ if dtype == DType::U8 => f64::from(rng.u8(..)),
        _ if is_integer(dtype) => f64::from(rng.i32(-1000..1000)),
        _ => 10.0 * normal(rng),
    })
}

/// A tensor of whole numbers from `low` up to and including `high`.
pub fn whole(rng: &mut Rng, dtype: DType, extents: &[u64], low: i64, high: i64) -> Value {
    fill(dtype, extents, || rng.i64(low..=high) as f64)
}

/// A tensor of numbers above 0.
pub fn positive(rng: &mut Rng, dtype: DType, extents: &[u64]) -> Value {
    fill(dtype, extents, || normal(rng).abs() + 0.01)
}

fn fill(dtype: DType, extents: &[u64], mut number: impl FnMut() -> f64) -> Value {
    let count = extents.iter().product::<u64>();
    let numbers: Vec<f64> = (0..count).map(|_| number()).collect();
    tensor(dtype, extents, &numbers)
}

fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}
