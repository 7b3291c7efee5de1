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

/// Folds `x`: every 16th element into a lane, and then the lanes. To
/// combine `start` with anything changes nothing.
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

#[cfg(test)]
mod tests {
    use super::*;

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
