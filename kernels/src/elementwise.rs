//! Arithmetic on each element by itself.

use crate::broadcast::Broadcast;
use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Float, Number, Signed, for_numbers, for_reals, for_signed};
use crate::vector::vectorised;
use crate::wide::{BLOCK, Map, Source, Widen, Zip, map, zip};
use crate::{KernelError, Outputs};

/// What elements of type `T` are computed with in.
pub(crate) type Wide<T> = <T as Widen>::Wide;

macro_rules! binary_kernels {
    ($($name:ident: $operation:ident),+) => { $(
        pub(crate) fn $name(
            call: &Call<'_>,
            outputs: &mut dyn Outputs,
        ) -> Result<(), KernelError> {
            for_numbers!(call, call.dtype(0), T => {
                binary::<T, T>(call, outputs, &zip(Wide::<T>::$operation))
            })
        }
    )+ };
}

binary_kernels!(add: plus, sub: minus, mul: times, maximum: larger, minimum: smaller);

pub(crate) fn div(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        if T::INTEGER {
            let zero = call.input::<T>(1).iter().position(|divisor| *divisor == T::ZERO);
            if let Some(place) = zero {
                return Err(call.invalid(format!("division by zero: element {place} of b is 0")));
            }
        }
        binary::<T, T>(call, outputs, &zip(Wide::<T>::over))
    })
}

pub(crate) fn pow(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        if T::INTEGER {
            let exponents = call.input::<T>(1);
            let negative = exponents.iter().enumerate().find(|(_, b)| b.to_f64() < 0.0);
            if let Some((place, exponent)) = negative {
                let message = format!(
                    "element {place} of b is {}: a whole number has no such power",
                    exponent.to_f64()
                );
                return Err(call.invalid(message));
            }
        }
        binary::<T, T>(call, outputs, &zip(Wide::<T>::power))
    })
}

/// Computes each element of the one output from those of inputs 0 and 1 that meet there.
pub(crate) fn binary<T: Widen, O: Widen>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    operation: &Zip<T::Wide, O::Wide>,
) -> Result<(), KernelError> {
    let (a, b) = (call.input::<T>(0), call.input::<T>(1));
    let meeting = Broadcast::new([&call.extents(0), &call.extents(1)]);
    let [a_step, b_step] = meeting.inner_steps();
    let y = call.create_one::<O>(outputs)?;
    call.context.for_each(y.chunks_mut(CHUNK).enumerate(), |(index, y)| {
        let (mut a, mut b) = (Source::new(&a, a_step == 1), Source::new(&b, b_step == 1));
        let mut block = O::block();
        for run in meeting.runs(index * CHUNK, y.len()) {
            let [a_start, b_start] = run.starts;
            let y = &mut y[run.at..run.at + run.len];
            for (number, y) in y.chunks_mut(BLOCK).enumerate() {
                let (at, len) = (number * BLOCK, y.len());
                let (a, b) = (a.read(a_start, at, len), b.read(b_start, at, len));
                O::write(y, &mut block, |y| operation(y, a, b));
            }
        }
    })
}

macro_rules! unary_kernels {
    ($($name:ident: $for_dtypes:ident, $operations:ident::$operation:ident;)+) => { $(
        pub(crate) fn $name(
            call: &Call<'_>,
            outputs: &mut dyn Outputs,
        ) -> Result<(), KernelError> {
            $for_dtypes!(call, call.dtype(0), T => {
                unary::<T>(call, outputs, &map(<Wide<T> as $operations>::$operation))
            })
        }
    )+ };
}

unary_kernels! {
    neg: for_signed, Signed::negated;
    abs: for_signed, Signed::magnitude;
    sign: for_signed, Signed::sign;
    square: for_numbers, Number::squared;
    sqrt: for_reals, Float::sqrt;
    rsqrt: for_reals, Float::rsqrt;
    reciprocal: for_reals, Float::reciprocal;
    exp: for_reals, Float::exp;
    log: for_reals, Float::ln;
    sin: for_reals, Float::sin;
    cos: for_reals, Float::cos;
    floor: for_reals, Float::floor;
    ceil: for_reals, Float::ceil;
    round: for_reals, Float::round;
}

pub(crate) fn scale(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (factor, offset) = (call.arguments.float("factor"), call.arguments.float("offset"));
    for_reals!(call, call.dtype(0), T => {
        let (factor, offset) = (Wide::<T>::from_f64(factor), Wide::<T>::from_f64(offset));
        unary::<T>(call, outputs, &map(move |x: Wide<T>| x.times(factor).plus(offset)))
    })
}

pub(crate) fn clip(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (low, high) = (call.arguments.optional_float("min"), call.arguments.optional_float("max"));
    for_numbers!(call, call.dtype(0), T => {
        let low = low.map_or(T::LOWEST.wide(), Number::from_f64);
        let high = high.map_or(T::HIGHEST.wide(), Number::from_f64);
        unary::<T>(call, outputs, &map(move |x: Wide<T>| x.larger(low).smaller(high)))
    })
}

pub(crate) fn axpy(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let alpha = call.arguments.float("alpha");
    for_reals!(call, call.dtype(0), T => {
        let alpha = Wide::<T>::from_f64(alpha);
        binary::<T, T>(call, outputs, &zip(move |x: Wide<T>, y| alpha.times(x).plus(y)))
    })
}

/// Computes each element of the one output from that of input 0.
pub(crate) fn unary<T: Widen>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    operation: &Map<T::Wide, T::Wide>,
) -> Result<(), KernelError> {
    let x = call.input::<T>(0);
    let y = call.create_one::<T>(outputs)?;
    let chunks = y.chunks_mut(CHUNK).zip(x.chunks(CHUNK));
    call.context.for_each(chunks, |(y, x)| {
        let (mut from, mut to) = (T::block(), T::block());
        for (y, x) in y.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
            let x = T::read(x, &mut from);
            T::write(y, &mut to, |y| operation(y, x));
        }
    })
}

pub(crate) fn sum_n(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => add_up::<T>(call, outputs))
}

fn add_up<T: Widen>(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let tensors: Vec<_> = (0..call.input_count()).map(|i| call.input::<T>(i)).collect();
    let y = call.create_one::<T>(outputs)?;
    call.context.for_each(y.chunks_mut(CHUNK).enumerate(), |(index, y)| {
        let (mut from, mut to) = (T::block(), T::block());
        for (block, y) in y.chunks_mut(BLOCK).enumerate() {
            let start = index * CHUNK + block * BLOCK;
            let part = start..start + y.len();
            T::write(y, &mut to, |y| {
                y.copy_from_slice(T::read(&tensors[0][part.clone()], &mut from));
                for tensor in &tensors[1..] {
                    let x = T::read(&tensor[part.clone()], &mut from);
                    vectorised(
                        #[inline(always)]
                        || {
                            for (y, x) in y.iter_mut().zip(x) {
                                *y = y.plus(*x);
                            }
                        },
                    );
                }
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::{Attribute, Value};
    use half::{bf16, f16};

    use crate::element::Number;
    use crate::trial::{assert_near, extents, made, numbers, random, refused, tensor};

    /// Which element of a tensor of extents `own` meets the one at `place` of the result.
    fn met(own: &[u64], result: &[u64], mut place: u64) -> usize {
        let (mut offset, mut size) = (0, 1);
        for (axis, extent) in result.iter().enumerate().rev() {
            let step = place % extent;
            place /= extent;
            if let Some(axis) = (axis + own.len()).checked_sub(result.len()) {
                offset += if own[axis] == 1 { 0 } else { step * size };
                size *= own[axis];
            }
        }
        offset as usize
    }

    fn check<T: Number>(kernel: &str, a: &[u64], b: &[u64], expected: impl Fn(f64, f64) -> f64) {
        let (a, b) = (random::<T>(a, 1), random::<T>(b, 2));
        let (a_extents, a_numbers) = (extents(&a), numbers(&a));
        let (b_extents, b_numbers) = (extents(&b), numbers(&b));
        let y = made(kernel, &[], &[a, b]);
        let shape = extents(&y);
        let pair = |place| {
            let a = a_numbers[met(&a_extents, &shape, place)];
            expected(a, b_numbers[met(&b_extents, &shape, place)])
        };
        let count = shape.iter().product();
        assert_near(&y, &(0..count).map(pair).collect::<Vec<_>>(), 1e-6);
    }

    #[test]
    fn operands_broadcast() {
        let shapes: &[(&[u64], &[u64])] = &[
            (&[], &[]),
            (&[0], &[1]),
            (&[7], &[7]),
            (&[4, 3], &[3]),
            (&[4, 1], &[3]),
            (&[2, 1, 3, 1], &[5, 1, 4]),
            (&[1, 1], &[2, 0]),
            (&[200, 300], &[200, 1]),
        ];
        for (a, b) in shapes {
            check::<f32>("add", a, b, |a, b| a + b);
            check::<f64>("sub", b, a, |a, b| a - b);
            check::<i32>("mul", a, b, |a, b| a * b);
            check::<i64>("maximum", a, b, f64::max);
            check::<f32>("minimum", a, b, f64::min);
            check::<f32>("div", a, b, |a, b| f64::from(a as f32 / b as f32));
            check::<f64>("pow", a, b, f64::powf);
            check::<f16>("add", a, b, |a, b| f16::from_f64(a + b).to_f64());
            check::<bf16>("mul", a, b, |a, b| bf16::from_f64(a * b).to_f64());
        }
    }

    #[test]
    fn integers_wrap_around_and_truncate() {
        let a = tensor(&[3], &[i32::MAX, i32::MIN, -7]);
        let b = tensor(&[3], &[1i32, -1, 2]);
        let (a, b) = (&[a.clone(), b.clone()], &[a, b]);
        assert_eq!(made("add", &[], a), tensor(&[3], &[i32::MIN, i32::MAX, -5]));
        assert_eq!(made("div", &[], b), tensor(&[3], &[i32::MAX, i32::MIN, -3]));
        let bytes = [tensor(&[1], &[200u8]), tensor(&[1], &[100u8])];
        assert_eq!(made("add", &[], &bytes), tensor(&[1], &[44u8]));
        let zeros = [tensor(&[1], &[5i64]), tensor(&[2], &[1i64, 0])];
        assert_eq!(refused("div", &[], &zeros), "div: division by zero: element 1 of b is 0");
    }

    #[test]
    fn whole_numbers_have_powers() {
        let base = tensor(&[5], &[3i32, -2, 0, 10, 2]);
        let exponent = tensor(&[5], &[4i32, 3, 0, 10, 31]);
        let expected = tensor(&[5], &[81i32, -8, 1, 1_410_065_408, i32::MIN]);
        assert_eq!(made("pow", &[], &[base.clone(), exponent]), expected);
        let bytes = [tensor(&[1], &[255u8]), tensor(&[1], &[255u8])];
        assert_eq!(made("pow", &[], &bytes), tensor(&[1], &[255u8]));
        assert_eq!(
            refused("pow", &[], &[base, tensor(&[1], &[-1i32])]),
            "pow: element 0 of b is -1: a whole number has no such power"
        );
    }

    #[test]
    fn bounds_are_of_the_elements_type() {
        let x = [tensor(&[4], &[0u8, 10, 100, 255])];
        let given = [("min", Attribute::Int(-5)), ("max", Attribute::Int(100))];
        assert_eq!(made("clip", &given, &x), tensor(&[4], &[0u8, 10, 100, 100]));
        assert_eq!(made("clip", &[], &x), x[0]);
    }

    #[test]
    fn a_multiple_is_added() {
        let alpha = [("alpha", Attribute::Float(-2.5))];
        let (x, y) = (random::<f32>(&[300, 200], 1), random::<f32>(&[300, 200], 2));
        let pairs = numbers(&x).into_iter().zip(numbers(&y));
        let expected: Vec<f64> = pairs.map(|(x, y)| y - 2.5 * x).collect();
        assert_near(&made("axpy", &alpha, &[x, y]), &expected, 1e-6);
    }

    #[test]
    fn nan_stays() {
        let a = tensor(&[4], &[f32::NAN, 1.0, f32::INFINITY, -1.0]);
        let b = tensor(&[4], &[1.0, f32::NAN, f32::NEG_INFINITY, 0.0]);
        let both = [a.clone(), b.clone()];
        assert_near(&made("maximum", &[], &both), &[f64::NAN, f64::NAN, f64::INFINITY, 0.0], 0.0);
        assert_near(
            &made("minimum", &[], &both),
            &[f64::NAN, f64::NAN, f64::NEG_INFINITY, -1.0],
            0.0,
        );
        assert_near(&made("div", &[], &[b.clone(), b]), &[1.0, f64::NAN, f64::NAN, f64::NAN], 0.0);
        let bounds = [("min", Attribute::Float(-0.5)), ("max", Attribute::Int(2))];
        assert_near(&made("clip", &bounds, from_ref(&a)), &[f64::NAN, 1.0, 2.0, -0.5], 0.0);
        let signs = made("sign", &[], from_ref(&a));
        assert_near(&signs, &[f64::NAN, 1.0, 1.0, -1.0], 0.0);
    }

    #[test]
    fn functions_of_one_element() {
        type Function = fn(f64) -> f64;
        let functions: [(&str, Function); 14] = [
            ("neg", |x| -x),
            ("abs", f64::abs),
            ("sign", |x| if x == 0.0 { 0.0 } else { x.signum() }),
            ("square", |x| x * x),
            ("exp", f64::exp),
            ("log", f64::ln),
            ("sqrt", f64::sqrt),
            ("rsqrt", |x| 1.0 / x.sqrt()),
            ("reciprocal", |x| 1.0 / x),
            ("sin", f64::sin),
            ("cos", f64::cos),
            ("floor", f64::floor),
            ("ceil", f64::ceil),
            ("round", f64::round_ties_even),
        ];
        for (kernel, function) in functions {
            let check = |x: Value, tolerance: f64| {
                let expected: Vec<f64> = numbers(&x).into_iter().map(function).collect();
                assert_near(&made(kernel, &[], &[x]), &expected, tolerance);
            };
            for extents in [&[0][..], &[], &[70_001]] {
                check(random::<f32>(extents, 3), 1e-6);
                check(random::<f64>(extents, 4), 1e-14);
                check(random::<f16>(extents, 5), 1e-3);
                check(random::<bf16>(extents, 6), 8e-3);
            }
        }
        let ints = [tensor(&[3], &[i32::MIN, -3, 3])];
        assert_eq!(made("neg", &[], &ints), tensor(&[3], &[i32::MIN, 3, -3]));
        assert_eq!(made("sign", &[], &ints), tensor(&[3], &[-1, -1, 1]));
        assert_eq!(made("square", &[], &ints), tensor(&[3], &[0, 9, 9]));
        let halves = [tensor(&[4], &[0.5f32, 1.5, -0.5, -2.5])];
        assert_near(&made("round", &[], &halves), &[0.0, 2.0, -0.0, -2.0], 0.0);
        let given = [("factor", Attribute::Int(3)), ("offset", Attribute::Float(-0.5))];
        let scaled = made("scale", &given, &[tensor(&[2], &[1.0f32, -2.0])]);
        assert_near(&scaled, &[2.5, -6.5], 0.0);
    }

    #[test]
    fn rows_take_a_bias() {
        check::<f32>("bias_add", &[300, 200], &[200], |a, b| a + b);
        check::<f64>("bias_add", &[0, 3], &[3], |a, b| a + b);
    }

    #[test]
    fn many_tensors_add_up() {
        for count in [1, 2, 5] {
            let tensors: Vec<Value> = (0..count).map(|i| random::<f32>(&[50_000], i)).collect();
            let mut expected = vec![0.0; 50_000];
            for tensor in &tensors {
                expected.iter_mut().zip(numbers(tensor)).for_each(|(sum, x)| *sum += x);
            }
            assert_near(&made("sum_n", &[], &tensors), &expected, 1e-5);
        }
    }
}
