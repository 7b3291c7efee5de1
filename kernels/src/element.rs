//! Element types as traits, and the step from an element type known at run time to one known
//! at compile time.

use std::str::FromStr;

use bytemuck::Pod;
use drawloom_model::DType;

/// An element that is computed with. Integers wrap around.
pub(crate) trait Number: Pod + PartialOrd + FromStr + Send + Sync {
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
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// The quotient; 0 for an integer divided by 0.
    fn over(self, other: Self) -> Self;
    /// The larger; NaN where either is NaN.
    fn larger(self, other: Self) -> Self;
    /// The smaller; NaN where either is NaN.
    fn smaller(self, other: Self) -> Self;
    fn is_nan(self) -> bool;
}

/// A number that has negative values.
pub(crate) trait Signed: Number {
    fn negated(self) -> Self;
    fn magnitude(self) -> Self;
}

/// A number that is computed with in floating point.
pub(crate) trait Float: Signed<Sum = f64, Total = Self> {
    /// e to the power of it, perhaps a unit in the last place off: what vector instructions
    /// compute where there is a form for them.
    fn fast_exp(self) -> Self;
    fn sqrt(self) -> Self;
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
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            fn minus(self, other: Self) -> Self { self.wrapping_sub(other) }
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
            fn over(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            fn larger(self, other: Self) -> Self { self.max(other) }
            fn smaller(self, other: Self) -> Self { self.min(other) }
            fn is_nan(self) -> bool { false }
        }
    )+ };
}

macro_rules! floats {
    ($($T:ident: $dtype:ident, $fast_exp:path);+) => { $(
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
            fn is_nan(self) -> bool { self.is_nan() }
        }

        impl Signed for $T {
            fn negated(self) -> Self { -self }
            fn magnitude(self) -> Self { self.abs() }
        }

        impl Float for $T {
            #[inline(always)]
            fn fast_exp(self) -> Self { $fast_exp(self) }
            fn sqrt(self) -> Self { self.sqrt() }
        }
    )+ };
}

macro_rules! signed_integers {
    ($($T:ident),+) => { $(
        impl Signed for $T {
            fn negated(self) -> Self { self.wrapping_neg() }
            fn magnitude(self) -> Self { self.wrapping_abs() }
        }
    )+ };
}

integers!(u8: U8, i32: I32, i64: I64);
signed_integers!(i32, i64);
floats!(f32: F32, crate::vector::exp_f32; f64: F64, f64::exp);

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

/// [`for_dtypes`] for floating point.
macro_rules! for_floats {
    ($call:expr, $dtype:expr, $T:ident => $body:expr) => {
        $crate::element::for_dtypes!($call, $dtype, [F32: f32, F64: f64], $T => $body)
    };
}

/// [`for_dtypes`] for what has negative values.
macro_rules! for_signed {
    ($call:expr, $dtype:expr, $T:ident => $body:expr) => {
        $crate::element::for_dtypes!(
            $call, $dtype, [I32: i32, I64: i64, F32: f32, F64: f64], $T => $body
        )
    };
}

/// [`for_dtypes`] for all that is computed with.
macro_rules! for_numbers {
    ($call:expr, $dtype:expr, $T:ident => $body:expr) => {
        $crate::element::for_dtypes!(
            $call, $dtype, [U8: u8, I32: i32, I64: i64, F32: f32, F64: f64], $T => $body
        )
    };
}

pub(crate) use {for_dtypes, for_floats, for_numbers, for_signed};
