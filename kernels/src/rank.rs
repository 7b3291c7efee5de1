//! Elements as whole numbers in the order of a sort.

use half::{bf16, f16};

use crate::element::Number;

/// An element that has a rank: the smaller, the earlier in a sort.
pub(crate) trait Rank: Number {
    /// The rank from the smallest to the largest, or the other way round. NaN is last in both;
    /// -0 and 0 are equal. Elements of at most 4 bytes have ranks of at most 32 bits.
    fn rank(self, descending: bool) -> u64;
}

macro_rules! integers {
    ($($T:ident as $U:ident: $sign:expr),+) => { $(
        impl Rank for $T {
            fn rank(self, descending: bool) -> u64 {
                let rank = self as $U ^ $sign;
                (if descending { !rank } else { rank }) as u64
            }
        }
    )+ };
}

macro_rules! floats {
    ($($T:ident as $U:ident),+) => { $(
        impl Rank for $T {
            fn rank(self, descending: bool) -> u64 {
                const SIGN: $U = 1 << ($U::BITS - 1);
                if self.is_nan() {
                    return u64::from($U::MAX);
                }
                // Adding 0 makes 0 of -0.
                let bits = (self + 0.0).to_bits();
                let rank = if bits & SIGN == 0 { bits | SIGN } else { !bits };
                u64::from(if descending { !rank } else { rank })
            }
        }
    )+ };
}

integers!(u8 as u8: 0, i32 as u32: 1 << 31, i64 as u64: 1 << 63);
floats!(f32 as u32, f64 as u64);

impl Rank for f16 {
    fn rank(self, descending: bool) -> u64 {
        self.to_f32().rank(descending)
    }
}

impl Rank for bf16 {
    fn rank(self, descending: bool) -> u64 {
        self.to_f32().rank(descending)
    }
}

/// A rank and the place of its element, compared by rank first: no two are equal, so that every
/// sort is a stable one.
pub(crate) trait Ranked: Copy + Ord + Send + Sync {
    /// How many bytes a rank has.
    const DIGITS: usize;

    fn new(rank: u64, place: usize) -> Self;
    fn place(self) -> usize;
    /// A byte of the rank, counted from the last.
    fn digit(self, index: usize) -> usize;
}

/// For ranks and places of 32 bits.
impl Ranked for u64 {
    const DIGITS: usize = 4;

    fn new(rank: u64, place: usize) -> u64 {
        rank << 32 | place as u64
    }

    fn place(self) -> usize {
        (self & u64::from(u32::MAX)) as usize
    }

    fn digit(self, index: usize) -> usize {
        (self >> (32 + 8 * index)) as u8 as usize
    }
}

/// For all others.
impl Ranked for u128 {
    const DIGITS: usize = 8;

    fn new(rank: u64, place: usize) -> u128 {
        u128::from(rank) << 64 | place as u128
    }

    fn place(self) -> usize {
        (self & u128::from(u64::MAX)) as usize
    }

    fn digit(self, index: usize) -> usize {
        (self >> (64 + 8 * index)) as u8 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Rank>(ascending: &[T]) {
        let ranks = |descending| ascending.iter().map(move |x| x.rank(descending));
        assert!(ranks(false).is_sorted(), "{:?}", ranks(false).collect::<Vec<_>>());
        assert!(ranks(true).rev().is_sorted(), "{:?}", ranks(true).collect::<Vec<_>>());
    }

    #[test]
    fn ranks_follow_the_elements() {
        check(&[0u8, 1, 255]);
        check(&[i32::MIN, -1, 0, i32::MAX]);
        check(&[i64::MIN, -1, 0, i64::MAX]);
        let inf = f32::INFINITY;
        check(&[-inf, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, inf]);
        check(&[f64::NEG_INFINITY, -5e-324, 0.0, 5e-324, f64::INFINITY]);
        check(&[f16::NEG_INFINITY, f16::MIN, f16::ZERO, f16::MAX]);
        assert_eq!((-0.0f64).rank(false), 0.0f64.rank(false));
        assert!(
            f32::NAN.rank(false) > inf.rank(false) && (-f32::NAN).rank(true) > (-inf).rank(true)
        );
    }
}
