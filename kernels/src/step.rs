//! The ways in which elements become one, step by step.

use std::marker::PhantomData;

use crate::element::Number;
use crate::wide::BLOCK;

/// How many results a fold of neighbours keeps, for the compiler to hold in vectors.
const LANES: usize = 16;

/// How elements become one: by steps from a start, in any grouping of neighbours.
pub(crate) trait Step {
    type Item: Copy;
    type Result: Copy + Send + Sync;
    /// The result of no elements.
    const START: Self::Result;

    /// Takes in one more element.
    fn step(result: Self::Result, item: Self::Item) -> Self::Result;

    /// Joins the results of two parts.
    fn combine(a: Self::Result, b: Self::Result) -> Self::Result;

    /// Takes in neighbours.
    #[inline(always)]
    fn run(result: Self::Result, items: &[Self::Item]) -> Self::Result {
        if items.len() < 4 * LANES {
            return items.iter().fold(result, |result, item| Self::step(result, *item));
        }
        let mut lanes = [Self::START; LANES];
        let rows = items.chunks_exact(LANES);
        let rest = rows.remainder();
        for row in rows {
            for (lane, item) in lanes.iter_mut().zip(row) {
                *lane = Self::step(*lane, *item);
            }
        }
        let result = lanes.into_iter().fold(result, Self::combine);
        rest.iter().fold(result, |result, item| Self::step(result, *item))
    }
}

/// Adds elements up.
pub(crate) struct Sum<T>(PhantomData<T>);

impl<T: Number> Step for Sum<T> {
    type Item = T;
    type Result = T::Sum;
    const START: T::Sum = T::EMPTY_SUM;

    #[inline(always)]
    fn step(sum: T::Sum, x: T) -> T::Sum {
        x.add_to(sum)
    }

    #[inline(always)]
    fn combine(a: T::Sum, b: T::Sum) -> T::Sum {
        T::combine(a, b)
    }
}

/// Multiplies elements.
pub(crate) struct Product<T>(PhantomData<T>);

impl<T: Number> Step for Product<T> {
    type Item = T;
    type Result = T::Sum;
    const START: T::Sum = T::EMPTY_PRODUCT;

    #[inline(always)]
    fn step(product: T::Sum, x: T) -> T::Sum {
        x.multiply_to(product)
    }

    #[inline(always)]
    fn combine(a: T::Sum, b: T::Sum) -> T::Sum {
        T::multiply(a, b)
    }
}

/// Finds the largest element.
pub(crate) struct Largest<T>(PhantomData<T>);

impl<T: Number> Step for Largest<T> {
    type Item = T;
    type Result = T;
    const START: T = T::LOWEST;

    #[inline(always)]
    fn step(most: T, x: T) -> T {
        most.larger(x)
    }

    #[inline(always)]
    fn combine(a: T, b: T) -> T {
        a.larger(b)
    }
}

/// Finds the smallest element.
pub(crate) struct Smallest<T>(PhantomData<T>);

impl<T: Number> Step for Smallest<T> {
    type Item = T;
    type Result = T;
    const START: T = T::HIGHEST;

    #[inline(always)]
    fn step(least: T, x: T) -> T {
        least.smaller(x)
    }

    #[inline(always)]
    fn combine(a: T, b: T) -> T {
        a.smaller(b)
    }
}

/// Elements' number, mean, and the sum of their squared distances from it.
#[derive(Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) count: f64,
    pub(crate) mean: f64,
    pub(crate) squares: f64,
}

/// Finds the moments: neighbours' by two passes, parts' joined (Chan, Golub and LeVeque 1979).
pub(crate) struct Spread<T>(PhantomData<T>);

impl<T: Number> Step for Spread<T> {
    type Item = T;
    type Result = Moments;
    const START: Moments = Moments { count: 0.0, mean: 0.0, squares: 0.0 };

    #[inline(always)]
    fn step(moments: Moments, x: T) -> Moments {
        let (count, distance) = (moments.count + 1.0, x.to_f64() - moments.mean);
        let mean = moments.mean + distance / count;
        Moments { count, mean, squares: moments.squares + distance * (x.to_f64() - mean) }
    }

    #[inline(always)]
    fn combine(a: Moments, b: Moments) -> Moments {
        let count = a.count + b.count;
        if a.count == 0.0 || b.count == 0.0 {
            return if a.count == 0.0 { b } else { a };
        }
        let distance = b.mean - a.mean;
        Moments {
            count,
            mean: a.mean + distance * (b.count / count),
            squares: a.squares + b.squares + distance * distance * (a.count * b.count / count),
        }
    }

    #[inline(always)]
    fn run(moments: Moments, x: &[T]) -> Moments {
        x.chunks(BLOCK).fold(moments, |moments, x| {
            let count = x.len() as f64;
            let mean = Distances::sum(x, 0.0, |x| x) / count;
            let squares = Distances::sum(x, mean, |x| x * x);
            Self::combine(moments, Moments { count, mean, squares })
        })
    }
}

/// Sums over elements' distances from a point.
struct Distances;

impl Distances {
    #[inline(always)]
    fn sum<T: Number>(x: &[T], from: f64, term: impl Fn(f64) -> f64) -> f64 {
        let mut lanes = [0.0; 16];
        let rows = x.chunks_exact(lanes.len());
        let rest: f64 = rows.remainder().iter().map(|x| term(x.to_f64() - from)).sum();
        for row in rows {
            for (lane, x) in lanes.iter_mut().zip(row) {
                *lane += term(x.to_f64() - from);
            }
        }
        lanes.iter().sum::<f64>() + rest
    }
}
