//! Conversion between element types.

use bytemuck::Pod;
use drawloom_model::DType;
use half::{bf16, f16};

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::for_dtypes;
use crate::wide::{BLOCK, Widen};
use crate::{KernelError, Outputs};

/// An element that converts by way of the widest type of its kind.
trait Convert: Pod + Send + Sync {
    const INTEGER: bool;
    fn to_i64(self) -> i64;
    fn to_f64(self) -> f64;
    fn from_i64(value: i64) -> Self;
    fn from_f64(value: f64) -> Self;
}

macro_rules! integers {
    ($($T:ident),+) => { $(
        impl Convert for $T {
            const INTEGER: bool = true;
            fn to_i64(self) -> i64 { self as i64 }
            fn to_f64(self) -> f64 { self as f64 }
            fn from_i64(value: i64) -> Self {
                value.clamp($T::MIN as i64, $T::MAX as i64) as $T
            }
            fn from_f64(value: f64) -> Self { value as $T }
        }
    )+ };
}

macro_rules! floats {
    ($($T:ident: $from:expr),+) => { $(
        impl Convert for $T {
            const INTEGER: bool = false;
            fn to_i64(self) -> i64 { self.to_f64() as i64 }
            fn to_f64(self) -> f64 { f64::from(self) }
            fn from_i64(value: i64) -> Self { Self::from_f64(value as f64) }
            fn from_f64(value: f64) -> Self { $from(value) }
        }
    )+ };
}

integers!(u8, i32, i64);
floats!(f16: f16::from_f64, bf16: bf16::from_f64, f32: |value| value as f32, f64: |value| value);

macro_rules! for_all {
    ($call:expr, $dtype:expr, $T:ident => $body:expr) => {
        for_dtypes!(
            $call, $dtype,
            [U8: u8, I32: i32, I64: i64, F16: f16, BF16: bf16, F32: f32, F64: f64],
            $T => $body
        )
    };
}

macro_rules! for_narrow_floats {
    ($call:expr, $dtype:expr, $T:ident => $body:expr) => {
        for_dtypes!($call, $dtype, [F16: f16, BF16: bf16, F32: f32], $T => $body)
    };
}

pub(crate) fn cast(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let to = call.arguments.dtype("dtype");
    let is_narrow = |dtype| matches!(dtype, DType::F16 | DType::BF16 | DType::F32);
    if is_narrow(call.dtype(0)) && is_narrow(to) {
        return for_narrow_floats!(call, call.dtype(0), From => for_narrow_floats!(call, to, To => {
            by_way_of_f32::<From, To>(call, outputs)
        }));
    }
    for_all!(call, call.dtype(0), From => for_all!(call, to, To => {
        convert::<From, To>(call, outputs)
    }))
}

/// Converts blocks to f32 and on from there, both with the machine's own instructions.
fn by_way_of_f32<From: Widen<Wide = f32>, To: Widen<Wide = f32>>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let x = call.input::<From>(0);
    let y = call.create_one::<To>(outputs)?;
    call.context.for_each(y.chunks_mut(CHUNK).zip(x.chunks(CHUNK)), |(y, x)| {
        let (mut from, mut to) = (From::block(), To::block());
        for (y, x) in y.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
            let x = From::read(x, &mut from);
            To::write(y, &mut to, |y| y.copy_from_slice(x));
        }
    })
}

fn convert<From: Convert, To: Convert>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let x = call.input::<From>(0);
    let y = call.create_one::<To>(outputs)?;
    call.context.for_each(y.chunks_mut(CHUNK).zip(x.chunks(CHUNK)), |(y, x)| {
        for (y, x) in y.iter_mut().zip(x) {
            *y = if From::INTEGER && To::INTEGER {
                To::from_i64(x.to_i64())
            } else {
                To::from_f64(x.to_f64())
            };
        }
    })
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, DType, Value};

    use crate::trial::{attributes, numbers, tensor, trial};

    fn cast(x: &Value, to: DType) -> Value {
        let given = attributes(&[("dtype", Attribute::Text(to.name().to_owned()))]);
        trial("cast", given, std::slice::from_ref(x)).expect("a cast").remove(0)
    }

    #[test]
    fn small_integers_survive_every_pair_of_types() {
        let x = tensor(&[5], &[0u8, 1, 2, 100, 127]);
        for first in DType::ALL {
            for second in DType::ALL {
                let there = cast(&cast(&x, first), second);
                assert_eq!(cast(&there, DType::U8), x, "{first}, {second}");
            }
        }
    }

    #[test]
    fn values_out_of_range_become_the_nearest() {
        let x = tensor(&[6], &[-1.9f32, 300.0, f32::NAN, f32::INFINITY, -0.9, 255.9]);
        assert_eq!(numbers(&cast(&x, DType::U8)), [0.0, 255.0, 0.0, 255.0, 0.0, 255.0]);
        let wide = tensor(&[3], &[i64::MAX, i64::MIN, (1 << 53) + 1]);
        assert_eq!(cast(&wide, DType::I64), wide);
        let narrow = tensor(&[3], &[i32::MAX, i32::MIN, i32::MAX]);
        assert_eq!(cast(&wide, DType::I32), narrow);
        assert_eq!(numbers(&cast(&tensor(&[1], &[1e30f64]), DType::F32)), [1e30f32 as f64]);
    }
}
