//! Element types as traits, and the step from an element type known at run time to one known
//! at compile time.

use std::fmt::Debug;
use std::str::FromStr;

use bytemuck::Pod;
use drawloom_model::DType;
use half::{bf16, f16};

use crate::function;

/// An element that is computed with. Integers wrap around.
pub(crate) trait Number: Pod + PartialOrd + FromStr + Debug + Send + Sync {
    /// Its element type.
    const DTYPE: DType;
    /// Nothing.
    const ZERO: Self;
    /// No value is below it.
    const LOWEST: Self;
    /// No value is above it.
    const HIGHEST: Self;
    /// Whether dividing by zero has no result.
    const INTEGER: bool;
    /// What elements are added up in.
    type Sum: Pod + Send + Sync;
    /// The sum of none.
    const EMPTY_SUM: Self::Sum;
    /// How sums of elements are stored.
    type Total: Pod + Send + Sync;

    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    /// The place that a whole number means, where it is not negative.
    fn to_index(self) -> Option<usize>;
    fn add_to(self, sum: Self::Sum) -> Self::Sum;
    fn combine(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    fn total(sum: Self::Sum) -> Self::Total;
    /// A sum as one element.
    fn of_sum(sum: Self::Sum) -> Self;
    /// The product of none, in what elements are added up in.
    const EMPTY_PRODUCT: Self::Sum;
    fn multiply_to(self, product: Self::Sum) -> Self::Sum;
    fn multiply(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// The quotient; 0 for an integer divided by 0.
    fn over(self, other: Self) -> Self;
    /// The larger; NaN where either is NaN.
    fn larger(self, other: Self) -> Self;
    /// The smaller; NaN where either is NaN.
    fn smaller(self, other: Self) -> Self;
    /// This to the power of another; 0 for an integer's negative power.
    fn power(self, exponent: Self) -> Self;
    fn is_nan(self) -> bool;

    fn squared(self) -> Self {
        self.times(self)
    }
}

/// A number that has negative values.
pub(crate) trait Signed: Number {
    fn negated(self) -> Self;
    fn magnitude(self) -> Self;
    /// 1, 0 or -1 as it is above, equal to or below 0; NaN stays.
    fn sign(self) -> Self;
}

/// A number that is computed with in floating point.
pub(crate) trait Float: Signed<Sum = f64, Total = Self> {
    const ONE: Self;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn tanh(self) -> Self;
    /// 1 / (1 + e^-x).
    fn sigmoid(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn sqrt(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    /// The nearest whole number; the even one of two that are as near.
    fn round(self) -> Self;

    fn reciprocal(self) -> Self {
        Self::ONE.over(self)
    }

    fn rsqrt(self) -> Self {
        Self::ONE.over(Float::sqrt(self))
    }
}

macro_rules! integers {
    ($($T:ident: $dtype:ident),+) => { $(
        impl Number for $T {
            const DTYPE: DType = DType::$dtype;
            const ZERO: Self = 0;
            const LOWEST: Self = $T::MIN;
            const HIGHEST: Self = $T::MAX;
            const INTEGER: bool = true;
            type Sum = i64;
            const EMPTY_SUM: i64 = 0;
            type Total = i64;

            fn from_f64(value: f64) -> Self { value as $T }
            fn to_f64(self) -> f64 { self as f64 }
            fn to_index(self) -> Option<usize> { usize::try_from(self).ok() }
            fn add_to(self, sum: i64) -> i64 { sum.wrapping_add(self as i64) }
            fn combine(a: i64, b: i64) -> i64 { a.wrapping_add(b) }
            fn total(sum: i64) -> i64 { sum }
            fn of_sum(sum: i64) -> Self { sum as $T }
            const EMPTY_PRODUCT: i64 = 1;
            fn multiply_to(self, product: i64) -> i64 { product.wrapping_mul(self as i64) }
            fn multiply(a: i64, b: i64) -> i64 { a.wrapping_mul(b) }
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            fn minus(self, other: Self) -> Self { self.wrapping_sub(other) }
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
            fn over(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            fn larger(self, other: Self) -> Self { self.max(other) }
            fn smaller(self, other: Self) -> Self { self.min(other) }
            fn power(self, exponent: Self) -> Self {
                #[allow(irrefutable_let_patterns)]
                let Ok(mut left) = u64::try_from(exponent) else { return 0 };
                let (mut base, mut power) = (self, 1);
                while left > 0 {
                    if left % 2 == 1 {
                        power = base.wrapping_mul(power);
                    }
                    base = base.wrapping_mul(base);
                    left /= 2;
                }
                power
            }
            fn is_nan(self) -> bool { false }
        }
    )+ };
}

macro_rules! floats {
    ($($T:ident: $dtype:ident, $power:path);+) => { $(
        impl Number for $T {
            const DTYPE: DType = DType::$dtype;
            const ZERO: Self = 0.0;
            const LOWEST: Self = $T::NEG_INFINITY;
            const HIGHEST: Self = $T::INFINITY;
            const INTEGER: bool = false;
            type Sum = f64;
            const EMPTY_SUM: f64 = 0.0;
            type Total = $T;

            fn from_f64(value: f64) -> Self { value as $T }
            fn to_f64(self) -> f64 { self as f64 }
            fn to_index(self) -> Option<usize> { None }
            fn add_to(self, sum: f64) -> f64 { sum + self as f64 }
            fn combine(a: f64, b: f64) -> f64 { a + b }
            fn total(sum: f64) -> $T { sum as $T }
            fn of_sum(sum: f64) -> Self { sum as $T }
            const EMPTY_PRODUCT: f64 = 1.0;
            fn multiply_to(self, product: f64) -> f64 { product * self as f64 }
            fn multiply(a: f64, b: f64) -> f64 { a * b }
            fn plus(self, other: Self) -> Self { self + other }
            fn minus(self, other: Self) -> Self { self - other }
            fn times(self, other: Self) -> Self { self * other }
            fn over(self, other: Self) -> Self { self / other }
            fn larger(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
            fn smaller(self, other: Self) -> Self {
                if self < other || self.is_nan() { self } else { other }
            }
            fn power(self, exponent: Self) -> Self { $power(self, exponent) }
            fn is_nan(self) -> bool { self.is_nan() }
        }

        impl Signed for $T {
            fn negated(self) -> Self { -self }
            fn magnitude(self) -> Self { self.abs() }
            fn sign(self) -> Self {
                if self > 0.0 { 1.0 } else if self < 0.0 { -1.0 } else { self }
            }
        }
    )+ };
}

/// Halves compute in f32 and round to a half after each operation. Kernels that do more than one
/// operation per element go by way of [`crate::wide::Widen`] instead.
macro_rules! halves {
    ($($T:ident: $dtype:ident),+) => { $(
        impl Number for $T {
            const DTYPE: DType = DType::$dtype;
            const ZERO: Self = $T::ZERO;
            const LOWEST: Self = $T::NEG_INFINITY;
            const HIGHEST: Self = $T::INFINITY;
            const INTEGER: bool = false;
            type Sum = f64;
            const EMPTY_SUM: f64 = 0.0;
            type Total = $T;

            fn from_f64(value: f64) -> Self { $T::from_f64(value) }
            fn to_f64(self) -> f64 { $T::to_f64(self) }
            fn to_index(self) -> Option<usize> { None }
            fn add_to(self, sum: f64) -> f64 { sum + $T::to_f64(self) }
            fn combine(a: f64, b: f64) -> f64 { a + b }
            fn total(sum: f64) -> $T { $T::from_f64(sum) }
            fn of_sum(sum: f64) -> Self { $T::from_f64(sum) }
            const EMPTY_PRODUCT: f64 = 1.0;
            fn multiply_to(self, product: f64) -> f64 { product * $T::to_f64(self) }
            fn multiply(a: f64, b: f64) -> f64 { a * b }
            fn plus(self, other: Self) -> Self { self + other }
            fn minus(self, other: Self) -> Self { self - other }
            fn times(self, other: Self) -> Self { self * other }
            fn over(self, other: Self) -> Self { self / other }
            fn larger(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
            fn smaller(self, other: Self) -> Self {
                if self < other || self.is_nan() { self } else { other }
            }
            fn power(self, exponent: Self) -> Self {
                $T::from_f32(self.to_f32().powf(exponent.to_f32()))
            }
            fn is_nan(self) -> bool { $T::is_nan(self) }
        }

        impl Signed for $T {
            fn negated(self) -> Self { -self }
            fn magnitude(self) -> Self { if self.is_sign_negative() { -self } else { self } }
            fn sign(self) -> Self { $T::from_f32(self.to_f32().sign()) }
        }
    )+ };
}

impl Float for f32 {
    const ONE: Self = 1.0;
    #[inline(always)]
    fn exp(self) -> Self {
        function::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        function::ln(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        function::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        function::sigmoid(self)
    }
    fn sin(self) -> Self {
        self.sin()
    }
    fn cos(self) -> Self {
        self.cos()
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn floor(self) -> Self {
        self.floor()
    }
    fn ceil(self) -> Self {
        self.ceil()
    }
    fn round(self) -> Self {
        self.round_ties_even()
    }
}

impl Float for f64 {
    const ONE: Self = 1.0;
    fn exp(self) -> Self {
        self.exp()
    }
    fn ln(self) -> Self {
        self.ln()
    }
    fn tanh(self) -> Self {
        self.tanh()
    }
    fn sigmoid(self) -> Self {
        let power = (-self.abs()).exp();
        (if self < 0.0 { power } else { 1.0 }) / (1.0 + power)
    }
    fn sin(self) -> Self {
        self.sin()
    }
    fn cos(self) -> Self {
        self.cos()
    }
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    fn floor(self) -> Self {
        self.floor()
    }
    fn ceil(self) -> Self {
        self.ceil()
    }
    fn round(self) -> Self {
        self.round_ties_even()
    }
}

macro_rules! signed_integers {
    ($($T:ident),+) => { $(
        impl Signed for $T {
            fn negated(self) -> Self { self.wrapping_neg() }
            fn magnitude(self) -> Self { self.wrapping_abs() }
            fn sign(self) -> Self { self.signum() }
        }
    )+ };
}

integers!(u8: U8, i32: I32, i64: I64);
signed_integers!(i32, i64);
floats!(f32: F32, f32::powf; f64: F64, f64::powf);
halves!(f16: F16, bf16: BF16);

/// Evaluates `$body` with the type `$T` that elements of type `$dtype` have; a signature has
/// refused the types left out already.
macro_rules! for_dtypes {
    ($call:expr, $dtype:expr, [$($variant:ident: $type:ty),+], $T:ident => $body:expr) => {
        match $dtype {
            $(drawloom_model::DType::$variant => { type $T = $type; $body })+
            #[allow(unreachable_patterns)]
            other => Err($call.invalid(format!("there is no form for {other}"))),
        }
    };
}

/// [`for_dtypes`] for floating point that is computed with as it is.
macro_rules! for_floats {
    ($call:expr, $dtype:expr, $T:ident => $body:expr) => {
        $crate::element::for_dtypes!($call, $dtype, [F32: f32, F64: f64], $T => $body)
    };
}

/// [`for_dtypes`] for floating point, halves too.
macro_rules! for_reals {
    ($call:expr, $dtype:expr, $T:ident => $body:expr) => {
        $crate::element::for_dtypes!(
            $call, $dtype, [F16: half::f16, BF16: half::bf16, F32: f32, F64: f64], $T => $body
        )
    };
}

/// [`for_dtypes`] for what has negative values.
macro_rules! for_signed {
    ($call:expr, $dtype:expr, $T:ident => $body:expr) => {
        $crate::element::for_dtypes!(
            $call, $dtype,
            [I32: i32, I64: i64, F16: half::f16, BF16: half::bf16, F32: f32, F64: f64],
            $T => $body
        )
    };
}

/// [`for_dtypes`] for all that is computed with.
macro_rules! for_numbers {
    ($call:expr, $dtype:expr, $T:ident => $body:expr) => {
        $crate::element::for_dtypes!(
            $call, $dtype,
            [U8: u8, I32: i32, I64: i64, F16: half::f16, BF16: half::bf16, F32: f32, F64: f64],
            $T => $body
        )
    };
}

pub(crate) use {for_dtypes, for_floats, for_numbers, for_reals, for_signed};
