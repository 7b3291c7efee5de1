//! Functions of an f32 that compilers turn into vectors: no branches, no tables, no calls.
//!
//! Each is within a few units in the last place of the exact value, and the same on every machine.

use std::f32::consts::LOG2_E;

/// Adding this rounds to a whole number, which is then in the low bits.
const ROUNDER: f32 = 12_582_912.0;
/// ln 2 in two parts, the first of so few bits that products with small whole numbers are exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// e to the power of x: 2^n times the Taylor series of e^r, where x = n ln 2 + r.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Beyond these the result is infinite, or 0. Comparisons that keep NaN.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -105.0 { -105.0 } else { x };
    let shifted = x * LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut series = 1.0 / 5040.0;
    for inverse in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + inverse;
    }
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    // In two steps, since 2^n alone may be out of range where the result is not.
    series * power_of_2(n >> 1) * power_of_2(n.wrapping_sub(n >> 1))
}

/// 2^n, for n from -126 to 127.
#[inline(always)]
fn power_of_2(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// The natural logarithm: n ln 2 + ln m where x = m 2^n, the latter as a series in
/// s = (m - 1) / (m + 1).
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits() as i32;
    // So that m is from the root of 1/2 up to that of 2.
    let n = bits.wrapping_sub(0x3f35_04f3) >> 23;
    let m = f32::from_bits(bits.wrapping_sub(n << 23) as u32);
    let n = n as f32 - if tiny { 23.0 } else { 0.0 };
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let square = s * s;
    let mut series = 2.0 / 11.0;
    for inverse in [2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0] {
        series = series * square + inverse;
    }
    // ln m = 2 s + s^3 (...) = f - s (f - s^2 (...)): f is exact and the rest is small.
    let ln_m = f - s * (f - square * series);
    let result = n * LN_2_HIGH + (ln_m + n * LN_2_LOW);
    let result = if x == f32::INFINITY { x } else { result };
    let result = if x == 0.0 { f32::NEG_INFINITY } else { result };
    if x >= 0.0 { result } else { f32::NAN }
}

/// The hyperbolic tangent: a continued fraction (Lambert 1761) near 0, exponentials elsewhere.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let power = exp(-2.0 * magnitude);
    let far = (1.0 - power) / (1.0 + power);
    let square = x * x;
    let over = x * ((square + 105.0) * square + 945.0);
    let near = over / ((15.0 * square + 420.0) * square + 945.0);
    if magnitude < 0.55 { near } else { far.copysign(x) }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    let power = exp(-x.abs());
    (if x < 0.0 { power } else { 1.0 }) / (1.0 + power)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error over all exponents and signs, in units of the last place.
    fn worst(function: fn(f32) -> f32, exact: fn(f64) -> f64, domain: fn(f32) -> bool) -> f64 {
        let inputs = (0..u32::MAX / 3001).map(|step| f32::from_bits(step * 3001));
        let error = |x: f32| {
            let (got, expected) = (f64::from(function(x)), exact(f64::from(x)));
            let nearest = expected as f32;
            if f64::from(nearest) == got || (nearest.is_nan() && got.is_nan()) {
                return 0.0;
            }
            let unit = f64::from(nearest.abs().next_up()) - f64::from(nearest.abs());
            (got - expected).abs() / unit
        };
        inputs.filter(|x| domain(*x)).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn errors_are_a_few_units_in_the_last_place() {
        let everywhere = |_| true;
        let exp = worst(exp, f64::exp, everywhere);
        let ln = worst(ln, f64::ln, everywhere);
        let tanh = worst(tanh, f64::tanh, everywhere);
        let sigmoid = worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), everywhere);
        assert!(
            [exp, ln, tanh, sigmoid].iter().all(|error| *error < 4.0),
            "{exp} {ln} {tanh} {sigmoid}"
        );
    }

    #[test]
    fn limits_are_exact() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        assert_eq!([exp(inf), exp(-inf), exp(0.0), exp(-0.0)], [inf, 0.0, 1.0, 1.0]);
        assert_eq!([ln(inf), ln(0.0), ln(-0.0), ln(1.0)], [inf, -inf, -inf, 0.0]);
        assert_eq!([tanh(inf), tanh(-inf), tanh(0.0)], [1.0, -1.0, 0.0]);
        assert_eq!([sigmoid(inf), sigmoid(-inf), sigmoid(0.0)], [1.0, 0.0, 0.5]);
        let unknown = [exp(nan), ln(nan), ln(-1.0), ln(-inf), tanh(nan), sigmoid(nan)];
        assert!(unknown.iter().all(|value| value.is_nan()), "{unknown:?}");
    }
}
