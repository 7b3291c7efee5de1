//! Arithmetic on each element by itself.

use crate::broadcast::Broadcast;
use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, Signed, for_floats, for_numbers, for_signed};
use crate::{KernelError, Outputs};

macro_rules! binary_kernels {
    ($($name:ident: $operation:ident),+) => { $(
        pub(crate) fn $name(
            call: &Call<'_>,
            outputs: &mut dyn Outputs,
        ) -> Result<(), KernelError> {
            for_numbers!(call, call.dtype(0), T => {
                binary::<T>(call, outputs, |a, b| a.$operation(b))
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
        binary::<T>(call, outputs, |a, b| a.over(b))
    })
}

fn binary<T: Number>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    operation: impl Fn(T, T) -> T + Sync,
) -> Result<(), KernelError> {
    let (a, b) = (call.input::<T>(0), call.input::<T>(1));
    let meeting = Broadcast::new(&call.extents(0), &call.extents(1));
    let y = call.create_one::<T>(outputs)?;
    call.context.for_each(y.chunks_mut(CHUNK).enumerate(), |(index, y)| {
        for run in meeting.runs(index * CHUNK, y.len()) {
            let y = &mut y[run.at..run.at + run.len];
            // Slices where the operands move, so that the compiler can use vectors.
            match meeting.inner_steps() {
                (0, 0) => y.fill(operation(a[run.a], b[run.b])),
                (0, _) => each(y, &b[run.b..], |b| operation(a[run.a], b)),
                (_, 0) => each(y, &a[run.a..], |a| operation(a, b[run.b])),
                (_, _) => {
                    let operands = a[run.a..].iter().zip(&b[run.b..]);
                    for (y, (a, b)) in y.iter_mut().zip(operands) {
                        *y = operation(*a, *b);
                    }
                }
            }
        }
    })
}

fn each<T: Copy>(y: &mut [T], x: &[T], operation: impl Fn(T) -> T) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = operation(*x);
    }
}

macro_rules! unary_kernels {
    ($($name:ident: $for_dtypes:ident, $operation:expr;)+) => { $(
        pub(crate) fn $name(
            call: &Call<'_>,
            outputs: &mut dyn Outputs,
        ) -> Result<(), KernelError> {
            $for_dtypes!(call, call.dtype(0), T => unary::<T>(call, outputs, $operation))
        }
    )+ };
}

unary_kernels! {
    neg: for_signed, |x| x.negated();
    abs: for_signed, |x| x.magnitude();
    relu: for_signed, above_zero;
    exp: for_floats, |x| x.exp();
    log: for_floats, |x| x.ln();
    sqrt: for_floats, |x| x.sqrt();
    tanh: for_floats, |x| x.tanh();
}

/// Written so that NaN stays.
fn above_zero<T: Number>(x: T) -> T {
    if x <= T::ZERO { T::ZERO } else { x }
}

pub(crate) fn scale(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (factor, offset) = (call.arguments.float("factor"), call.arguments.float("offset"));
    for_floats!(call, call.dtype(0), T => {
        let (factor, offset) = (T::from_f64(factor), T::from_f64(offset));
        unary::<T>(call, outputs, |x| x.times(factor).plus(offset))
    })
}

fn unary<T: Signed>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    operation: impl Fn(T) -> T + Sync,
) -> Result<(), KernelError> {
    let x = call.input::<T>(0);
    let y = call.create_one::<T>(outputs)?;
    let chunks = y.chunks_mut(CHUNK).zip(x.chunks(CHUNK));
    call.context.for_each(chunks, |(y, x)| each(y, x, &operation))
}

pub(crate) fn relu_grad(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => {
        binary::<T>(call, outputs, |x, dy| if x > T::ZERO { dy } else { T::ZERO })
    })
}

pub(crate) fn sum_n(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => {
        let tensors: Vec<_> = (0..call.input_count()).map(|i| call.input::<T>(i)).collect();
        let y = call.create_one::<T>(outputs)?;
        call.context.for_each(y.chunks_mut(CHUNK).enumerate(), |(index, y)| {
            let part = index * CHUNK..index * CHUNK + y.len();
            y.copy_from_slice(&tensors[0][part.clone()]);
            for tensor in &tensors[1..] {
                for (y, x) in y.iter_mut().zip(&tensor[part.clone()]) {
                    *y = y.plus(*x);
                }
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::{Attribute, Value};

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
        assert_near(&made("relu", &[], from_ref(&a)), &[f64::NAN, 1.0, f64::INFINITY, 0.0], 0.0);
        assert_near(&made("div", &[], &[b.clone(), b]), &[1.0, f64::NAN, f64::NAN, f64::NAN], 0.0);
        assert_near(&made("relu_grad", &[], &both), &[0.0, f64::NAN, f64::NEG_INFINITY, 0.0], 0.0);
    }

    #[test]
    fn functions_of_one_element() {
        type Function = fn(f64) -> f64;
        let functions: [(&str, Function); 7] = [
            ("neg", |x| -x),
            ("abs", f64::abs),
            ("relu", |x| x.max(0.0)),
            ("exp", f64::exp),
            ("log", f64::ln),
            ("sqrt", f64::sqrt),
            ("tanh", f64::tanh),
        ];
        for (kernel, function) in functions {
            for extents in [&[0][..], &[], &[70_001]] {
                let x = random::<f32>(extents, 3);
                let expected: Vec<f64> = numbers(&x).into_iter().map(function).collect();
                assert_near(&made(kernel, &[], &[x]), &expected, 1e-6);
                let x = random::<f64>(extents, 4);
                let expected: Vec<f64> = numbers(&x).into_iter().map(function).collect();
                assert_near(&made(kernel, &[], &[x]), &expected, 1e-14);
            }
        }
        let ints = [tensor(&[3], &[i32::MIN, -3, 3])];
        assert_eq!(made("neg", &[], &ints), tensor(&[3], &[i32::MIN, 3, -3]));
        assert_eq!(made("relu", &[], &ints), tensor(&[3], &[0, 0, 3]));
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
