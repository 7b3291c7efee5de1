//! Kernels that make one element of many.

use bytemuck::Pod;
use drawloom_signature::axes::{normalise_axis, reduced_axes};

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_floats, for_numbers};
use crate::vector::{self, vectorised};
use crate::{KernelError, Outputs};

/// How elements become one. The functions' own types, not pointers to them, let the compiler make
/// vector instructions of a loop.
#[derive(Clone, Copy)]
struct Fold<A, S, C> {
    start: A,
    step: S,
    /// Joins the results of two parts.
    combine: C,
}

/// A function that folds elements `T` into an `A`.
trait Step<A, T>: Fn(A, T) -> A + Copy + Sync {}
impl<A, T, F: Fn(A, T) -> A + Copy + Sync> Step<A, T> for F {}

pub(crate) fn sum(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => reduce::<T, _, _>(call, outputs, sum_of(), T::total))
}

pub(crate) fn mean(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let count = reduced_elements(call)?;
    for_floats!(call, call.dtype(0), T => {
        reduce::<T, _, _>(call, outputs, sum_of(), |sum| T::from_f64(sum / count as f64))
    })
}

fn sum_of<T: Number>() -> Fold<T::Sum, impl Step<T::Sum, T>, impl Step<T::Sum, T::Sum>> {
    Fold { start: T::EMPTY_SUM, step: |sum, x: T| x.add_to(sum), combine: T::combine }
}

pub(crate) fn max(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        extreme::<T>(call, outputs, T::LOWEST, T::larger)
    })
}

pub(crate) fn min(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        extreme::<T>(call, outputs, T::HIGHEST, T::smaller)
    })
}

fn extreme<T: Number>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    start: T,
    step: impl Step<T, T>,
) -> Result<(), KernelError> {
    if reduced_elements(call)? == 0 {
        return Err(call.invalid("there are no elements to choose from"));
    }
    reduce(call, outputs, Fold { start, step, combine: step }, |x| x)
}

fn dropped(call: &Call<'_>) -> Result<Vec<bool>, KernelError> {
    reduced_axes(call.arguments.optional_ints("axes"), call.extents(0).len())
        .map_err(|message| call.invalid(message))
}

/// How many elements become one.
fn reduced_elements(call: &Call<'_>) -> Result<usize, KernelError> {
    let dropped = dropped(call)?;
    let extents = call.extents(0).into_iter().zip(dropped);
    Ok(product(extents.filter_map(|(extent, dropped)| dropped.then_some(extent))))
}

fn product(extents: impl Iterator<Item = usize>) -> usize {
    let extents: Vec<usize> = extents.collect();
    if extents.contains(&0) { 0 } else { extents.into_iter().fold(1, usize::saturating_mul) }
}

fn reduce<T: Number, A: Pod + Send + Sync, O: Pod>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    fold: Fold<A, impl Step<A, T>, impl Step<A, A>>,
    finish: impl Fn(A) -> O,
) -> Result<(), KernelError> {
    let x = call.input::<T>(0);
    let y = call.create_one::<O>(outputs)?;
    let mut axes: Vec<(usize, bool)> = call.extents(0).into_iter().zip(dropped(call)?).collect();
    let mut folded = match next_extent(&mut axes) {
        Some(extent) => fold_axis(call, &x, extent, fold)?,
        None => x.iter().map(|x| (fold.step)(fold.start, *x)).collect(),
    };
    let fold = Fold { start: fold.start, step: fold.combine, combine: fold.combine };
    while let Some(extent) = next_extent(&mut axes) {
        folded = fold_axis(call, &folded, extent, fold)?;
    }
    for (y, folded) in y.iter_mut().zip(folded) {
        *y = finish(folded);
    }
    Ok(())
}

/// A tensor seen as three axes, of which the middle one is reduced.
#[derive(Clone, Copy)]
struct Extent {
    outer: usize,
    reduced: usize,
    inner: usize,
}

/// Takes the last axes that are reduced, as many as are neighbours, off `axes`.
fn next_extent(axes: &mut Vec<(usize, bool)>) -> Option<Extent> {
    let end = axes.iter().rposition(|(_, reduced)| *reduced)? + 1;
    let start = axes[..end].iter().rposition(|(_, reduced)| !*reduced).map_or(0, |kept| kept + 1);
    let of = |axes: &[(usize, bool)]| product(axes.iter().map(|(extent, _)| *extent));
    let extent = Extent {
        outer: of(&axes[..start]),
        reduced: of(&axes[start..end]),
        inner: of(&axes[end..]),
    };
    axes.drain(start..end);
    Some(extent)
}

/// Folds the middle axis. It is cut into blocks by its extent alone, so that sums are the same
/// however many cores take part.
fn fold_axis<T: Pod + Sync, A: Pod + Send + Sync>(
    call: &Call<'_>,
    x: &[T],
    Extent { outer, reduced, inner }: Extent,
    fold: Fold<A, impl Step<A, T>, impl Step<A, A>>,
) -> Result<Vec<A>, KernelError> {
    let kept = outer.saturating_mul(inner);
    let block = match kept {
        4096.. => reduced,
        _ => (CHUNK / inner.max(1)).max(reduced.div_ceil(64)),
    }
    .max(1);
    // Even no elements are a block, whose result is the start.
    let blocks = reduced.div_ceil(block).max(1);
    let mut partial = vec![fold.start; kept * blocks];
    if reduced == 0 {
        return Ok(partial);
    }
    let chunk = (CHUNK / block).max(inner.min(1024)).max(1);
    if inner == 1 && blocks == 1 {
        let rows = partial.chunks_mut(chunk).zip(x.chunks(chunk * reduced));
        call.context.for_each(rows, |(folded, x)| fold_each_row(folded, x, reduced, fold))?;
        return Ok(partial);
    }
    call.context.for_each(partial.chunks_mut(chunk).enumerate(), |(index, partial)| {
        let mut at = 0;
        while at < partial.len() {
            let (row, column) = ((index * chunk + at) / inner, (index * chunk + at) % inner);
            let len = (inner - column).min(partial.len() - at);
            let first = row % blocks * block;
            let places = first..(first + block).min(reduced);
            let start = row / blocks * reduced * inner + column;
            fold_rows(&mut partial[at..at + len], &x[start..], places, inner, fold);
            at += len;
        }
    })?;
    if blocks == 1 {
        return Ok(partial);
    }
    let part = |place: usize, block: usize| {
        partial[(place / inner * blocks + block) * inner + place % inner]
    };
    let whole = |place| (0..blocks).map(|block| part(place, block)).fold(fold.start, fold.combine);
    Ok((0..kept).map(whole).collect())
}

/// Folds each row of `reduced` neighbouring elements.
fn fold_each_row<T: Copy, A: Copy>(
    folded: &mut [A],
    x: &[T],
    reduced: usize,
    fold: Fold<A, impl Step<A, T>, impl Step<A, A>>,
) {
    vectorised(
        #[inline(always)]
        || {
            for (folded, row) in folded.iter_mut().zip(x.chunks_exact(reduced)) {
                *folded = vector::fold(row, fold.start, fold.step, fold.combine);
            }
        },
    );
}

/// Folds neighbouring columns over the rows at `places`, which are `inner` apart.
fn fold_rows<T: Copy, A: Copy>(
    folded: &mut [A],
    x: &[T],
    places: std::ops::Range<usize>,
    inner: usize,
    fold: Fold<A, impl Step<A, T>, impl Step<A, A>>,
) {
    vectorised(
        #[inline(always)]
        || {
            if inner == 1 {
                folded[0] = vector::fold(&x[places], folded[0], fold.step, fold.combine);
                return;
            }
            for place in places {
                for (folded, x) in folded.iter_mut().zip(&x[place * inner..]) {
                    *folded = (fold.step)(*folded, *x);
                }
            }
        },
    );
}

pub(crate) fn argmax(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let extents = call.extents(0);
    let axis = normalise_axis(call.arguments.int("axis"), extents.len())
        .ok_or_else(|| call.invalid("there is no such axis"))?;
    let reduced = extents[axis];
    let inner = product(extents[axis + 1..].iter().copied());
    let y = call.create_one::<i64>(outputs)?;
    if reduced == 0 && !y.is_empty() {
        return Err(call.invalid("there are no elements to choose from"));
    }
    for_numbers!(call, call.dtype(0), T => {
        let x = call.input::<T>(0);
        let chunk = (CHUNK / reduced.max(1)).max(1);
        call.context.for_each(y.chunks_mut(chunk).enumerate(), |(index, y)| {
            for (place, y) in (index * chunk..).zip(y) {
                let start = place / inner * reduced * inner + place % inner;
                *y = match inner {
                    1 => largest_of_row(&x[start..][..reduced]),
                    _ => largest(x[start..].iter().copied().step_by(inner).take(reduced)),
                } as i64;
            }
        })
    })
}

/// [`largest`] of neighbours: their largest value first, in vectors, and then where it is.
fn largest_of_row<T: Number>(row: &[T]) -> usize {
    let most = vectorised(
        #[inline(always)]
        || vector::fold(row, T::LOWEST, T::larger, T::larger),
    );
    let place = match most.is_nan() {
        true => row.iter().position(|value| value.is_nan()),
        false => row.iter().position(|value| *value == most),
    };
    place.unwrap_or(0)
}

/// The place of the largest value: the first of equals, and the first NaN before all others.
pub(crate) fn largest<T: Number>(values: impl Iterator<Item = T>) -> usize {
    let mut best = (0, T::LOWEST);
    for (place, value) in values.enumerate() {
        if value.is_nan() {
            return place;
        }
        if value > best.1 {
            best = (place, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::{Attribute, Value};

    use crate::trial::{assert_near, extents, made, numbers, random, refused, tensor};

    /// For each element of the result, the elements of `x` that become it, in their order.
    fn groups(x: &Value, axes: &[usize]) -> Vec<Vec<f64>> {
        let shape = extents(x);
        let kept = |axis: &usize| !axes.contains(axis);
        let count: u64 = (0..shape.len()).filter(kept).map(|axis| shape[axis]).product();
        let mut groups = vec![Vec::new(); count as usize];
        for (element, value) in numbers(x).into_iter().enumerate() {
            let (mut rest, mut group, mut size) = (element as u64, 0, 1);
            for axis in (0..shape.len()).rev() {
                if kept(&axis) {
                    group += rest % shape[axis] * size;
                    size *= shape[axis];
                }
                rest /= shape[axis];
            }
            groups[group as usize].push(value);
        }
        groups
    }

    fn over(axes: &[usize]) -> (&'static str, Attribute) {
        ("axes", Attribute::Ints(axes.iter().map(|axis| *axis as i64).collect()))
    }

    const CASES: &[(&[u64], &[usize])] = &[
        (&[], &[]),
        (&[5], &[]),
        (&[5], &[0]),
        (&[100_003], &[0]),
        (&[1, 7, 1], &[0, 2]),
        (&[3000, 50], &[0]),
        (&[3000, 50], &[1]),
        (&[5000, 3], &[1]),
        (&[3, 5000], &[0]),
        (&[4, 5, 6, 7], &[0, 2]),
        (&[4, 5, 6, 7], &[1, 2]),
        (&[20, 5, 30, 7], &[1, 3]),
        (&[2, 0, 3], &[0]),
    ];

    #[test]
    fn axes_are_reduced() {
        for (shape, axes) in CASES {
            let x = random::<f32>(shape, 1);
            let groups = groups(&x, axes);
            let each = |fold: fn(&[f64]) -> f64| -> Vec<f64> {
                groups.iter().map(|group| fold(group)).collect()
            };
            let y = |kernel| made(kernel, &[over(axes)], from_ref(&x));
            assert_near(&y("sum"), &each(|group| group.iter().sum()), 1e-6);
            assert_near(&y("mean"), &each(|g| g.iter().sum::<f64>() / g.len() as f64), 1e-6);
            let max = |group: &[f64]| group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert_near(&y("max"), &each(max), 0.0);
            let min = |group: &[f64]| group.iter().copied().fold(f64::INFINITY, f64::min);
            assert_near(&y("min"), &each(min), 0.0);
            let x = random::<u8>(shape, 1);
            let groups = super::tests::groups(&x, axes);
            let expected: Vec<f64> = groups.iter().map(|group| group.iter().sum()).collect();
            assert_near(&made("sum", &[over(axes)], &[x]), &expected, 0.0);
        }
    }

    #[test]
    fn all_axes_are_reduced_by_default() {
        let x = random::<f64>(&[30, 40], 1);
        let sum: f64 = numbers(&x).iter().sum();
        assert_near(&made("sum", &[], from_ref(&x)), &[sum], 1e-12);
        let kept = made("mean", &[("keep_dims", Attribute::Bool(true))], &[x]);
        assert_eq!(extents(&kept), [1, 1]);
    }

    #[test]
    fn none_and_nan() {
        let wide = random::<f32>(&[0, 100_000], 1);
        assert_near(&made("sum", &[over(&[0])], from_ref(&wide)), &[0.0; 100_000], 0.0);
        let none = random::<f32>(&[0, 2], 1);
        assert_near(&made("sum", &[over(&[0])], from_ref(&none)), &[0.0, 0.0], 0.0);
        assert_near(&made("mean", &[], from_ref(&none)), &[f64::NAN], 0.0);
        let message = "there are no elements to choose from";
        assert_eq!(refused("max", &[], from_ref(&none)), format!("max: {message}"));
        let axis = [("axis", Attribute::Int(0))];
        assert_eq!(refused("argmax", &axis, &[none]), format!("argmax: {message}"));
        let nan = tensor(&[3], &[1.0f32, f32::NAN, 2.0]);
        for kernel in ["max", "min", "sum", "mean"] {
            assert_near(&made(kernel, &[], from_ref(&nan)), &[f64::NAN], 0.0);
        }
        let low = tensor(&[2], &[f64::NEG_INFINITY; 2]);
        assert_near(&made("max", &[], &[low]), &[f64::NEG_INFINITY], 0.0);
        assert_near(&made("argmax", &[], &[nan]), &[1.0], 0.0);
    }

    #[test]
    fn the_first_of_the_largest_is_found() {
        for (shape, axis) in
            [(&[40_000][..], 0), (&[300, 20], 1), (&[300, 20], 0), (&[3, 50, 7], 1)]
        {
            let x = random::<i32>(shape, 5);
            let expected: Vec<f64> = groups(&x, &[axis])
                .iter()
                .map(|group| {
                    let most = group.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    group.iter().position(|value| *value == most).unwrap_or_default() as f64
                })
                .collect();
            let given = [("axis", Attribute::Int(axis as i64))];
            assert_near(&made("argmax", &given, &[x]), &expected, 0.0);
        }
    }
}
