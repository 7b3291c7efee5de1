//! Dropping elements at random.

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_floats};
use crate::fill::generator;
use crate::{KernelError, Outputs};

/// How many elements one block of the generator decides on.
const PER_BLOCK: usize = 4;

/// Both ways: an element or its gradient stays or goes by its place alone.
pub(crate) fn dropout(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (rate, random) = (call.arguments.float("rate"), generator(call));
    // How many of 2^32 random words drop their element.
    let dropping = (rate * 2f64.powi(32)) as u64;
    for_floats!(call, call.dtype(0), T => {
        let factor = T::from_f64(1.0 / (1.0 - rate));
        let x = call.input::<T>(0);
        let y = call.create_one::<T>(outputs)?;
        let chunks = y.chunks_mut(CHUNK).zip(x.chunks(CHUNK)).enumerate();
        call.context.for_each(chunks, |(index, (y, x))| {
            let first = (index * CHUNK / PER_BLOCK) as u64;
            let blocks = y.chunks_mut(PER_BLOCK).zip(x.chunks(PER_BLOCK));
            for (counter, (y, x)) in (first..).zip(blocks) {
                let words = random.block(counter);
                for ((y, x), word) in y.iter_mut().zip(x).zip(words) {
                    let dropped = u64::from(word) < dropping;
                    *y = if dropped { T::ZERO } else { x.times(factor) };
                }
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::Attribute;

    use crate::trial::{assert_gradient, assert_near, made, numbers, random, tensor};

    #[test]
    fn elements_are_dropped_at_the_rate() {
        for rate in [0.1, 0.5, 0.9] {
            let x = random::<f32>(&[100_003], 1);
            let given = [("rate", Attribute::Float(rate)), ("seed", Attribute::Int(7))];
            let y = numbers(&made("dropout", &given, from_ref(&x)));
            let mut dropped = 0.0;
            for (y, x) in y.iter().zip(numbers(&x)) {
                let kept = (y - x / (1.0 - rate)).abs() <= 1e-6 * (x / (1.0 - rate)).abs();
                assert!(kept || *y == 0.0, "{y} of {x}");
                dropped += f64::from(u8::from(!kept));
            }
            let share: f64 = dropped / y.len() as f64;
            assert!((share - rate).abs() < 0.01, "{share} of {rate}");
        }
    }

    #[test]
    fn none_and_all_are_dropped() {
        let x = tensor(&[2, 2], &[1.0f64, f64::NAN, f64::INFINITY, -4.0]);
        let rate = |rate| [("rate", Attribute::Float(rate))];
        assert_near(&made("dropout", &rate(0.0), from_ref(&x)), &numbers(&x), 0.0);
        assert_near(&made("dropout", &rate(1.0), &[x]), &[0.0; 4], 0.0);
        let none = random::<f32>(&[0, 3], 1);
        assert_eq!(made("dropout", &[], from_ref(&none)), none);
    }

    #[test]
    fn streams_differ_and_gradients_are_slopes() {
        let stream = |stream| [("stream", Attribute::Int(stream))];
        let x = random::<f64>(&[5, 7], 1);
        let y = |number| made("dropout", &stream(number), from_ref(&x));
        assert_ne!(y(1), y(2));
        let dy = random::<f64>(&[5, 7], 2);
        let dx = made("dropout_grad", &stream(3), from_ref(&dy));
        assert_gradient("dropout", &stream(3), from_ref(&x), 0, &dy, &dx);
    }
}
