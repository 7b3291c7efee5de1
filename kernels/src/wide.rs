//! What elements are computed with in: halves in f32, all others as they are.

use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};

use crate::element::Number;
use crate::vector::vectorised;

/// How many elements are widened at a time: they stay in the fastest cache.
pub(crate) const BLOCK: usize = 1024;

/// An element that is computed with in a type that may be wider.
pub(crate) trait Widen: Number {
    /// What it is computed with in.
    type Wide: Number<Sum = Self::Sum>;
    /// Memory for a block of wide elements, where they are not the elements themselves.
    type Block: Send;

    fn block() -> Self::Block;
    fn wide(self) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
    /// At most [`BLOCK`] elements as wide ones.
    fn read<'a>(x: &'a [Self], block: &'a mut Self::Block) -> &'a [Self::Wide];
    /// Writes at most [`BLOCK`] elements, computed as wide ones.
    fn write(y: &mut [Self], block: &mut Self::Block, compute: impl FnOnce(&mut [Self::Wide]));
}

macro_rules! as_they_are {
    ($($T:ident),+) => { $(
        impl Widen for $T {
            type Wide = $T;
            type Block = ();

            fn block() {}
            fn wide(self) -> $T { self }
            fn narrow(wide: $T) -> $T { wide }
            fn read<'a>(x: &'a [$T], (): &'a mut ()) -> &'a [$T] { x }
            #[inline(always)]
            fn write(y: &mut [$T], (): &mut (), compute: impl FnOnce(&mut [$T])) { compute(y) }
        }
    )+ };
}

macro_rules! in_f32 {
    ($($T:ident),+) => { $(
        impl Widen for $T {
            type Wide = f32;
            type Block = [f32; BLOCK];

            fn block() -> [f32; BLOCK] { [0.0; BLOCK] }
            fn wide(self) -> f32 { self.to_f32() }
            fn narrow(wide: f32) -> $T { $T::from_f32(wide) }
            fn read<'a>(x: &'a [$T], block: &'a mut [f32; BLOCK]) -> &'a [f32] {
                let block = &mut block[..x.len()];
                x.convert_to_f32_slice(block);
                block
            }
            #[inline(always)]
            fn write(
                y: &mut [$T],
                block: &mut [f32; BLOCK],
                compute: impl FnOnce(&mut [f32]),
            ) {
                let block = &mut block[..y.len()];
                compute(block);
                y.convert_from_f32_slice(block);
            }
        }
    )+ };
}

as_they_are!(u8, i32, i64, f32, f64);
in_f32!(f16, bf16);

/// Computes a block from another.
pub(crate) type Map<X, Y> = dyn Fn(&mut [Y], &[X]) + Sync;

/// Computes a block from two others.
pub(crate) type Zip<X, Y> = dyn Fn(&mut [Y], &[X], &[X]) + Sync;

/// The loop of an operation on one element. It is compiled once for each operation and type that
/// is computed with; what goes round it is compiled once for all operations.
pub(crate) fn map<X: Copy, Y>(operation: impl Fn(X) -> Y + Sync) -> impl Fn(&mut [Y], &[X]) + Sync {
    move |y: &mut [Y], x: &[X]| {
        vectorised(
            #[inline(always)]
            || {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = operation(*x);
                }
            },
        );
    }
}

/// The loop of an operation on two elements.
pub(crate) fn zip<X: Copy, Y>(
    operation: impl Fn(X, X) -> Y + Sync,
) -> impl Fn(&mut [Y], &[X], &[X]) + Sync {
    move |y: &mut [Y], a: &[X], b: &[X]| {
        vectorised(
            #[inline(always)]
            || {
                for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
                    *y = operation(*a, *b);
                }
            },
        );
    }
}

/// Elements of an operand that meets a block: neighbours, or the same one again and again.
pub(crate) struct Source<'a, X: Widen> {
    x: &'a [X],
    moves: bool,
    block: X::Block,
    repeated: Vec<X::Wide>,
}

impl<'a, X: Widen> Source<'a, X> {
    /// Elements of `x`, which move with the result or not.
    pub(crate) fn new(x: &'a [X], moves: bool) -> Self {
        Source { x, moves, block: X::block(), repeated: Vec::new() }
    }

    /// `len` elements, at most [`BLOCK`], for the result's places from `at` on, in a run where
    /// the first place meets the element at `start`.
    pub(crate) fn read(&mut self, start: usize, at: usize, len: usize) -> &[X::Wide] {
        if self.moves {
            return X::read(&self.x[start + at..][..len], &mut self.block);
        }
        if at == 0 {
            self.repeated.clear();
            self.repeated.resize(len, self.x[start].wide());
        }
        &self.repeated[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_survive_the_way_through_blocks() {
        let x: Vec<f16> = (0..BLOCK as u16).map(f16::from_bits).collect();
        let (mut block, mut to) = (<f16 as Widen>::block(), <bf16 as Widen>::block());
        let wide = f16::read(&x, &mut block);
        assert!(wide.iter().zip(&x).all(|(wide, x)| *wide == x.to_f32()));
        let mut sums = vec![bf16::ZERO; BLOCK];
        bf16::write(&mut sums, &mut to, |y| zip(|a: f32, b| a + b)(y, wide, wide));
        assert!(sums.iter().zip(&x).all(|(sum, x)| *sum == bf16::from_f32(2.0 * x.to_f32())));
    }
}
