//! Tensors from nothing: of one value, and of random ones.

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_numbers, for_reals};
use crate::philox::{Philox, below, unit};
use crate::{KernelError, Outputs};

pub(crate) fn fill(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let value = call.arguments.float("value");
    for_numbers!(call, call.arguments.dtype("dtype"), T => {
        let y = call.create_one::<T>(outputs)?;
        let value = T::from_f64(value);
        call.context.for_each(y.chunks_mut(CHUNK), |y| y.fill(value))
    })
}

pub(crate) fn uniform(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (low, high) = (call.arguments.float("low"), call.arguments.float("high"));
    for_reals!(call, call.arguments.dtype("dtype"), T => {
        by_pairs::<T>(call, outputs, |random, counter| {
            random.words(counter).map(|word| {
                let part = unit(word);
                // Weighted, because `high - low` may overflow.
                let value = T::from_f64(low * (1.0 - part) + high * part);
                // Rounding may reach `high`, which is excluded where there is anything below it.
                if value.to_f64() < high { value } else { T::from_f64(low) }
            })
        })
    })
}

pub(crate) fn normal(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (mean, std) = (call.arguments.float("mean"), call.arguments.float("std"));
    for_reals!(call, call.arguments.dtype("dtype"), T => {
        by_pairs::<T>(call, outputs, |random, counter| {
            random.normals(counter).map(|value| T::from_f64(mean + std * value))
        })
    })
}

/// Fills the output with pairs of values, the i-th made of the generator's i-th block.
fn by_pairs<T: Number>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    pair: impl Fn(&Philox, u64) -> [T; 2] + Sync,
) -> Result<(), KernelError> {
    let random = generator(call);
    let y = call.create_one::<T>(outputs)?;
    call.context.for_each(y.chunks_mut(CHUNK).enumerate(), |(index, y)| {
        let first = (index * (CHUNK / 2)) as u64;
        for (counter, y) in (first..).zip(y.chunks_mut(2)) {
            y.copy_from_slice(&pair(&random, counter)[..y.len()]);
        }
    })
}

pub(crate) fn permutation(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let random = generator(call);
    let y = call.create_one::<i64>(outputs)?;
    for (value, y) in (0..).zip(y.iter_mut()) {
        *y = value;
    }
    for place in (1..y.len()).rev() {
        if place % CHUNK == 0 {
            call.context.check_cancelled()?;
        }
        let [word, _] = random.words(place as u64);
        y.swap(place, below(word, place as u64 + 1) as usize);
    }
    Ok(())
}

/// The generator that a call's attributes ask for.
pub(crate) fn generator(call: &Call<'_>) -> Philox {
    Philox::new(call.arguments.int("seed"), call.arguments.int("stream"))
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};

    use crate::trial::{attributes, numbers, tensor, trial};

    fn make(kernel: &str, n: i64, more: &[(&str, Attribute)]) -> Value {
        let mut given = attributes(more);
        match kernel {
            "permutation" => given.insert("n".to_owned(), Attribute::Int(n)),
            _ => given.insert("shape".to_owned(), Attribute::Ints(vec![n])),
        };
        trial(kernel, given, &[]).expect("a tensor").remove(0)
    }

    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (mean, (variance / values.len() as f64).sqrt())
    }

    #[test]
    fn fill_makes_one_value() {
        assert_eq!(
            make("fill", 3, &[("value", Attribute::Float(2.5))]),
            tensor(&[3], &[2.5f32; 3])
        );
        let ints = [("dtype", Attribute::Text("i32".into())), ("value", Attribute::Int(-7))];
        assert_eq!(make("fill", 100_000, &ints), tensor(&[100_000], &[-7i32; 100_000]));
        assert_eq!(make("fill", 0, &[]), tensor::<f32>(&[0], &[]));
    }

    #[test]
    fn uniform_values_are_spread_evenly() {
        let bounds = [("low", Attribute::Int(-2)), ("high", Attribute::Int(4))];
        let values = numbers(&make("uniform", 100_001, &bounds));
        assert!(values.iter().all(|value| (-2.0..4.0).contains(value)));
        let (mean, std) = moments(&values);
        assert!((mean - 1.0).abs() < 0.02 && (std - 3f64.sqrt()).abs() < 0.02, "{mean} {std}");
    }

    #[test]
    fn normal_values_have_their_moments() {
        let given = [("mean", Attribute::Int(3)), ("std", Attribute::Float(0.5))];
        let values = numbers(&make("normal", 100_001, &given));
        let (mean, std) = moments(&values);
        assert!((mean - 3.0).abs() < 0.01 && (std - 0.5).abs() < 0.01, "{mean} {std}");
        let far = values.iter().filter(|value| (**value - 3.0).abs() > 1.0).count();
        assert!((4000..5100).contains(&far), "{far} beyond two deviations, 4550 expected");
    }

    #[test]
    fn seeds_and_streams_differ() {
        let values = |seed, stream| {
            make(
                "uniform",
                5,
                &[("seed", Attribute::Int(seed)), ("stream", Attribute::Int(stream))],
            )
        };
        assert_eq!(values(1, 2), values(1, 2));
        assert_ne!(values(1, 2), values(1, 3));
        assert_ne!(values(1, 2), values(2, 2));
    }

    #[test]
    fn a_permutation_has_each_number_once() {
        for n in [0, 1, 2, 1000] {
            let values = numbers(&make("permutation", n, &[]));
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            assert!(sorted.iter().copied().eq((0..n).map(|value| value as f64)));
            assert!(n < 1000 || values != sorted);
        }
    }
}
