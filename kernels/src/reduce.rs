//! Kernels that make one element of many.

use bytemuck::Pod;
use drawloom_signature::axes::{normalise_axis, reduced_axes};

use crate::call::Call;
use crate::element::{Number, for_numbers, for_reals};
use crate::fold::{Extent, Fold, fold, fold_axis, product};
use crate::step::{Largest, Moments, Product, Smallest, Spread, Step, Sum};
use crate::vector::vectorised;
use crate::wide::{BLOCK, Widen};
use crate::{KernelError, Outputs};

pub(crate) fn sum(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        reduce::<T, Sum<<T as Widen>::Wide>, _>(call, outputs, T::total)
    })
}

pub(crate) fn prod(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        reduce::<T, Product<<T as Widen>::Wide>, _>(call, outputs, T::total)
    })
}

pub(crate) fn mean(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let count = reduced_elements(call)?;
    for_reals!(call, call.dtype(0), T => {
        let mean = |sum| T::from_f64(sum / count as f64);
        reduce::<T, Sum<<T as Widen>::Wide>, _>(call, outputs, mean)
    })
}

pub(crate) fn variance(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let freedom = call.arguments.int("ddof") as f64;
    for_reals!(call, call.dtype(0), T => {
        let variance = |moments: Moments| {
            let divisor = (moments.count - freedom).max(0.0);
            T::from_f64(moments.squares / divisor)
        };
        reduce::<T, Spread<<T as Widen>::Wide>, _>(call, outputs, variance)
    })
}

pub(crate) fn max(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        extreme::<T, Largest<<T as Widen>::Wide>>(call, outputs)
    })
}

pub(crate) fn min(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        extreme::<T, Smallest<<T as Widen>::Wide>>(call, outputs)
    })
}

fn extreme<T: Widen, S: Step<Item = T::Wide, Result = T::Wide>>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    if reduced_elements(call)? == 0 {
        return Err(call.invalid("there are no elements to choose from"));
    }
    reduce::<T, S, T>(call, outputs, T::narrow)
}

fn dropped(call: &Call<'_>) -> Result<Vec<bool>, KernelError> {
    reduced_axes(call.arguments.optional_ints("axes"), call.extents(0).len())
        .map_err(|message| call.invalid(message))
}

/// How many elements become one.
fn reduced_elements(call: &Call<'_>) -> Result<usize, KernelError> {
    let dropped = dropped(call)?;
    let extents = call.extents(0).into_iter().zip(dropped);
    let reduced: Vec<usize> =
        extents.filter_map(|(extent, dropped)| dropped.then_some(extent)).collect();
    Ok(product(&reduced))
}

fn reduce<T: Widen, S: Step<Item = T::Wide>, O: Pod>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    finish: impl Fn(S::Result) -> O,
) -> Result<(), KernelError> {
    let x = call.input::<T>(0);
    let y = call.create_one::<O>(outputs)?;
    let results = fold::<T, S>(call, &x, &dropped(call)?)?;
    for (y, result) in y.iter_mut().zip(results) {
        *y = finish(result);
    }
    Ok(())
}

/// An extreme and its place.
#[derive(Clone, Copy)]
struct Found<T> {
    value: T,
    /// `usize::MAX` where no element has been looked at.
    place: usize,
}

/// Finds where an extreme is: the first of equals, and the first NaN before all others.
fn of_places<T: Widen, S: Step<Item = T::Wide, Result = T::Wide>>() -> Fold<T, Found<T::Wide>> {
    Fold {
        start: Found { value: S::START, place: usize::MAX },
        combine: better::<S>,
        run: |found, x, place| {
            let mut block = T::block();
            (place..).step_by(BLOCK).zip(x.chunks(BLOCK)).fold(found, |found, (place, x)| {
                better::<S>(found, find::<S>(T::read(x, &mut block), place))
            })
        },
        columns: |found, x, place| {
            for (found, x) in found.iter_mut().zip(x) {
                *found = better::<S>(*found, Found { value: x.wide(), place });
            }
        },
    }
}

/// The better of two, the first where they are equal.
fn better<S: Step<Item: Number, Result = <S as Step>::Item>>(
    a: Found<S::Item>,
    b: Found<S::Item>,
) -> Found<S::Item> {
    let is_better = a.place == usize::MAX
        || !a.value.is_nan() && (b.value.is_nan() || S::combine(a.value, b.value) != a.value);
    if is_better && b.place != usize::MAX { b } else { a }
}

/// How many elements are searched at a time.
const GROUP: usize = 64;

/// The extreme of neighbours, of which the first is at `place`.
fn find<S: Step<Item: Number, Result = <S as Step>::Item>>(
    x: &[S::Item],
    place: usize,
) -> Found<S::Item> {
    vectorised(
        #[inline(always)]
        || {
            let value = S::run(S::START, x);
            let is_it = |x: &S::Item| (*x == value) | (value.is_nan() & x.is_nan());
            // Groups without a branch between elements are looked at in vectors.
            let group = x.chunks(GROUP).position(|x| x.iter().fold(false, |any, x| any | is_it(x)));
            let start = group.map_or(0, |group| group * GROUP);
            let at = x[start..].iter().position(is_it).unwrap_or(0);
            Found { value, place: place + start + at }
        },
    )
}

pub(crate) fn argmax(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        places::<T, Largest<<T as Widen>::Wide>>(call, outputs)
    })
}

pub(crate) fn argmin(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        places::<T, Smallest<<T as Widen>::Wide>>(call, outputs)
    })
}

fn places<T: Widen, S: Step<Item = T::Wide, Result = T::Wide>>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let extents = call.extents(0);
    let axis = normalise_axis(call.arguments.int("axis"), extents.len())
        .ok_or_else(|| call.invalid("there is no such axis"))?;
    let y = call.create_one::<i64>(outputs)?;
    if extents[axis] == 0 && !y.is_empty() {
        return Err(call.invalid("there are no elements to choose from"));
    }
    let x = call.input::<T>(0);
    let found = fold_axis(call, &x, Extent::new(&extents, axis, axis + 1), &of_places::<T, S>())?;
    for (y, found) in y.iter_mut().zip(found) {
        *y = found.place as i64;
    }
    Ok(())
}

/// The places of the largest elements of rows of so many: the first of equals, and the first NaN
/// before all others.
pub(crate) fn places_of_largest<T: Widen>(
    call: &Call<'_>,
    x: &[T],
    rows: usize,
    columns: usize,
) -> Result<Vec<usize>, KernelError> {
    let extent = Extent { outer: rows, along: columns, inner: 1 };
    let found = fold_axis(call, x, extent, &of_places::<T, Largest<T::Wide>>())?;
    Ok(found.into_iter().map(|found| found.place).collect())
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::{Attribute, Value};
    use half::{bf16, f16};

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
            assert_near(&y("prod"), &each(|group| group.iter().product()), 1e-6);
            let variance = |group: &[f64]| {
                let mean = group.iter().sum::<f64>() / group.len() as f64;
                let squares: f64 = group.iter().map(|x| (x - mean) * (x - mean)).sum();
                squares / group.len() as f64
            };
            assert_near(&y("variance"), &each(variance), 1e-6);
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
        for kernel in ["max", "min", "sum", "mean", "prod", "variance"] {
            assert_near(&made(kernel, &[], from_ref(&nan)), &[f64::NAN], 0.0);
        }
        let low = tensor(&[2], &[f64::NEG_INFINITY; 2]);
        assert_near(&made("max", &[], &[low]), &[f64::NEG_INFINITY], 0.0);
        assert_near(&made("argmax", &[], &[nan]), &[1.0], 0.0);
    }

    #[test]
    fn halves_are_added_up_in_wider_numbers() {
        let many = tensor(&[70_000], &[f16::from_f32(0.25); 70_000]);
        assert_near(&made("sum", &[], from_ref(&many)), &[17_504.0], 0.0);
        assert_near(&made("mean", &[], from_ref(&many)), &[0.25], 0.0);
        let x = random::<bf16>(&[300, 70], 1);
        for axes in [&[0][..], &[1], &[0, 1]] {
            let groups = groups(&x, axes);
            let sums: Vec<f64> = groups.iter().map(|group| group.iter().sum()).collect();
            assert_near(&made("sum", &[over(axes)], from_ref(&x)), &sums, 8e-3);
            let most = |group: &Vec<f64>| group.iter().copied().fold(f64::MIN, f64::max);
            let most: Vec<f64> = groups.iter().map(most).collect();
            assert_near(&made("max", &[over(axes)], from_ref(&x)), &most, 0.0);
        }
    }

    #[test]
    fn the_variance_survives_a_large_mean() {
        let x: Vec<f64> = (0..100_000).map(|i| 1e9 + f64::from(i % 2)).collect();
        let x = tensor(&[50_000, 2], &x);
        assert_near(&made("variance", &[], from_ref(&x)), &[0.25], 1e-9);
        let columns = made("variance", &[over(&[0])], from_ref(&x));
        assert_near(&columns, &[0.0, 0.0], 1e-9);
        let one = tensor(&[1], &[5.0f32]);
        assert_near(&made("variance", &[], from_ref(&one)), &[0.0], 0.0);
        let sample = [("ddof", Attribute::Int(1))];
        assert_near(&made("variance", &sample, from_ref(&one)), &[f64::NAN], 0.0);
        let four = tensor(&[4], &[1.0f64, 2.0, 3.0, 4.0]);
        assert_near(&made("variance", &sample, &[four]), &[5.0 / 3.0], 1e-15);
    }

    #[test]
    fn whole_numbers_are_multiplied_in_64_bits() {
        let x = tensor(&[3], &[i32::MAX, 2, -3]);
        assert_eq!(made("prod", &[], &[x]), tensor(&[], &[-12_884_901_882i64]));
        assert_eq!(made("prod", &[], &[tensor::<u8>(&[0], &[])]), tensor(&[], &[1i64]));
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
            assert_near(&made("argmax", &given, from_ref(&x)), &expected, 0.0);
            let mirrored = made("neg", &[], &[x]);
            assert_near(&made("argmin", &given, &[mirrored]), &expected, 0.0);
        }
        let low = tensor(&[3], &[f64::NEG_INFINITY; 3]);
        assert_near(&made("argmax", &[], from_ref(&low)), &[0.0], 0.0);
        let nan = tensor(&[2, 2], &[1.0f64, f64::NAN, f64::NAN, f64::INFINITY]);
        assert_near(&made("argmin", &[], from_ref(&nan)), &[1.0, 0.0], 0.0);
        let down = [("axis", Attribute::Int(0))];
        assert_near(&made("argmax", &down, &[nan]), &[1.0, 0.0], 0.0);
    }
}
