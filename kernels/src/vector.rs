//! Arithmetic that the compiler turns into vector instructions.
//!
//! Results do not depend on which instructions a machine has: there are no fused operations, and
//! sums have a fixed number of lanes.

/// Calls `run`, compiled for vectors of 256 bits where this machine is found to have them.
///
/// `run` and what it calls must be inlined (`#[inline(always)]`), or nothing is gained.
#[inline(always)]
pub(crate) fn vectorised<R>(run: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2<R>(run: impl FnOnce() -> R) -> R {
            run()
        }
        if std::is_x86_feature_detected!("avx2") {
            // SAFETY: the machine has just been found to have AVX2.
            return unsafe { with_avx2(run) };
        }
    }
    run()
}

/// [`vectorised`] with vectors of 512 bits where there are any, for what computes more than it waits
/// for memory.
#[inline(always)]
pub(crate) fn vectorised_wide<R>(run: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
        fn with_avx512<R>(run: impl FnOnce() -> R) -> R {
            run()
        }
        let known = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512vl")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512bw");
        if known {
            // SAFETY: the machine has just been found to have these parts of AVX-512.
            return unsafe { with_avx512(run) };
        }
    }
    vectorised(run)
}

/// How many partial results of a fold there are, so that one need not wait for the other.
const LANES: usize = 16;

/// Folds `x`: every 16th element into a lane, and then the lanes. To combine `start` with anything
/// changes nothing.
#[inline(always)]
pub(crate) fn fold<T: Copy, A: Copy>(
    x: &[T],
    start: A,
    step: impl Fn(A, T) -> A,
    combine: impl Fn(A, A) -> A,
) -> A {
    let (blocks, rest) = x.as_chunks::<LANES>();
    let tail = rest.iter().fold(start, |folded, x| step(folded, *x));
    if blocks.is_empty() {
        return tail;
    }
    let mut lanes = [start; LANES];
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane = step(*lane, *x);
        }
    }
    combine(lanes.into_iter().reduce(&combine).unwrap_or(start), tail)
}

/// The sum of a term of each element.
#[inline(always)]
pub(crate) fn sum<T: Copy>(x: &[T], term: impl Fn(T) -> f64) -> f64 {
    fold(x, 0.0, |sum, x| sum + term(x), |a, b| a + b)
}

/// The sum of a term of each two elements at the same place.
#[inline(always)]
pub(crate) fn sum_of_both<T: Copy>(x: &[T], y: &[T], term: impl Fn(T, T) -> f64) -> f64 {
    let ((x_blocks, x_rest), (y_blocks, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += term(*x, *y);
        }
    }
    let tail: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| term(*x, *y)).sum();
    lanes.iter().sum::<f64>() + tail
}

/// e to the power of `x`, to about a unit in the last place.
#[inline(always)]
pub(crate) fn exp_f32(x: f32) -> f32 {
    // Added and taken away, it rounds to whole numbers, which its last bits then show.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Beyond these the result is 0 or infinite. Written so that NaN stays.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let twos = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let whole = shifted - ROUND;
    let rest = x - whole * LN_2_HIGH - whole * LN_2_LOW;
    // Taylor's series, at most ln(2) / 2 from 0: what is left out is below 1e-8.
    let mut sum = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * rest + coefficient;
    }
    // In two steps, because 2 to the power of `twos` may be too small or too large for a normal
    // number where the result is not.
    let half = twos >> 1;
    let power = |exponent: i32| f32::from_bits((exponent.wrapping_add(127) as u32) << 23);
    sum * power(half) * power(twos.wrapping_sub(half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_exact_to_about_a_unit_in_the_last_place() {
        let mut x = -110.0f32;
        while x < 95.0 {
            let (got, exact) = (exp_f32(x), f64::from(x).exp());
            let unit = (exact * f64::from(f32::EPSILON)).max(f64::from(f32::from_bits(1)));
            let near = (f64::from(got) - exact).abs() <= 1.5 * unit;
            assert!(
                near || (got.is_infinite() && exact > f64::from(f32::MAX)),
                "{x}: {got} {exact}"
            );
            x += 0.001_7;
        }
        assert_eq!(exp_f32(0.0), 1.0);
        assert_eq!((exp_f32(f32::NEG_INFINITY), exp_f32(f32::INFINITY)), (0.0, f32::INFINITY));
        assert!(exp_f32(f32::NAN).is_nan());
    }

    #[test]
    fn folds_take_every_element_once() {
        for len in [0, 1, 15, 16, 17, 32, 1000] {
            let x: Vec<i64> = (1..=len).collect();
            let sum = vectorised(|| fold(&x, 0, |sum, x| sum + x, |a, b| a + b));
            assert_eq!(sum, len * (len + 1) / 2);
            let squares = sum_of_both(&x, &x, |x, y| (x * y) as f64);
            assert_eq!(squares, (len * (len + 1) * (2 * len + 1) / 6) as f64);
        }
    }
}
