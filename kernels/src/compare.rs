//! Comparisons, and the choice by what they find.

use bytemuck::Pod;

use crate::broadcast::Broadcast;
use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_numbers};
use crate::elementwise::{Wide, binary};
use crate::vector::vectorised;
use crate::wide::zip;
use crate::{KernelError, Outputs};

macro_rules! comparisons {
    ($($name:ident: $holds:ident, $operator:tt;)+) => { $(
        fn $holds<T: Number>(a: T, b: T) -> u8 {
            u8::from(a $operator b)
        }

        pub(crate) fn $name(
            call: &Call<'_>,
            outputs: &mut dyn Outputs,
        ) -> Result<(), KernelError> {
            for_numbers!(call, call.dtype(0), T => {
                binary::<T, u8>(call, outputs, &zip($holds::<Wide<T>>))
            })
        }
    )+ };
}

comparisons! {
    equal: is_equal, ==;
    not_equal: is_not_equal, !=;
    less: is_less, <;
    less_equal: is_less_equal, <=;
    greater: is_greater, >;
    greater_equal: is_greater_equal, >=;
}

pub(crate) fn choose(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    match call.dtype(1).size_bytes() {
        1 => choose_sized::<u8>(call, outputs),
        2 => choose_sized::<u16>(call, outputs),
        4 => choose_sized::<u32>(call, outputs),
        _ => choose_sized::<u64>(call, outputs),
    }
}

/// Chooses among elements of which only the size matters.
fn choose_sized<T: Pod + Send + Sync>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let (mask, a, b) = (call.bytes(0), call.input::<T>(1), call.input::<T>(2));
    let meeting = Broadcast::new([&call.extents(0), &call.extents(1), &call.extents(2)]);
    let [mask_step, a_step, b_step] = meeting.inner_steps();
    let y = call.create_one::<T>(outputs)?;
    call.context.for_each(y.chunks_mut(CHUNK).enumerate(), |(index, y)| {
        vectorised(
            #[inline(always)]
            || {
                for run in meeting.runs(index * CHUNK, y.len()) {
                    let y = &mut y[run.at..run.at + run.len];
                    let [mask_at, a_at, b_at] = run.starts;
                    if [mask_step, a_step, b_step] == [1, 1, 1] {
                        let choices = a[a_at..].iter().zip(&b[b_at..]);
                        for ((y, mask), (a, b)) in y.iter_mut().zip(&mask[mask_at..]).zip(choices) {
                            // Both are read, so that there is no branch for a mask to surprise.
                            let (a, b) = (*a, *b);
                            *y = if *mask != 0 { a } else { b };
                        }
                        continue;
                    }
                    for (place, y) in y.iter_mut().enumerate() {
                        let chosen = mask[mask_at + place * mask_step] != 0;
                        let (a, b) = (a[a_at + place * a_step], b[b_at + place * b_step]);
                        *y = if chosen { a } else { b };
                    }
                }
            },
        );
    })
}

#[cfg(test)]
mod tests {
    use drawloom_model::Value;
    use half::f16;

    use crate::element::Number;
    use crate::trial::{extents, made, numbers, random, tensor};

    type Holds = fn(f64, f64) -> bool;
    const KERNELS: [(&str, Holds); 6] = [
        ("equal", |a, b| a == b),
        ("not_equal", |a, b| a != b),
        ("less", |a, b| a < b),
        ("less_equal", |a, b| a <= b),
        ("greater", |a, b| a > b),
        ("greater_equal", |a, b| a >= b),
    ];

    fn check(a: &Value, b: &Value, columns: usize) {
        let (left, right) = (numbers(a), numbers(b));
        for (kernel, holds) in KERNELS {
            let pairs = left.iter().enumerate().map(|(i, a)| (*a, right[i % columns]));
            let expected: Vec<u8> = pairs.map(|(a, b)| u8::from(holds(a, b))).collect();
            let got = made(kernel, &[], &[a.clone(), b.clone()]);
            assert_eq!(got, tensor(&extents(a), &expected), "{kernel}");
        }
    }

    fn check_random<T: Number>() {
        check(&random::<T>(&[300, 200], 1), &random::<T>(&[300, 200], 2), 60_000);
        check(&random::<T>(&[90, 7], 1), &random::<T>(&[7], 2), 7);
        check(&random::<T>(&[2, 0], 1), &random::<T>(&[2, 0], 2), 1);
    }

    #[test]
    fn elements_are_compared() {
        check_random::<u8>();
        check_random::<i64>();
        check_random::<f32>();
        check_random::<f16>();
        let nan = tensor(&[4], &[f64::NAN, 0.0, f64::INFINITY, 1.0]);
        check(&nan, &tensor(&[4], &[f64::NAN, -0.0, f64::INFINITY, f64::NAN]), 4);
    }

    #[test]
    fn a_mask_chooses() {
        let mask = tensor(&[2, 1], &[0u8, 7]);
        let (a, b) = (tensor(&[3], &[1i64, 2, 3]), tensor(&[], &[9i64]));
        let y = made("where", &[], &[mask, a, b]);
        assert_eq!(y, tensor(&[2, 3], &[9i64, 9, 9, 1, 2, 3]));
        let mask = made("less", &[], &[random::<f32>(&[70_000], 1), random::<f32>(&[70_000], 2)]);
        let (a, b) = (random::<f32>(&[70_000], 1), random::<f32>(&[70_000], 2));
        let least = made("minimum", &[], &[a.clone(), b.clone()]);
        assert_eq!(made("where", &[], &[mask, a, b]), least);
        let none = [tensor::<u8>(&[0], &[]), tensor(&[], &[1u8]), tensor::<u8>(&[0], &[])];
        assert_eq!(extents(&made("where", &[], &none)), [0]);
    }
}
