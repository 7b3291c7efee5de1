//! How many elements fall into each of several ranges.

use std::sync::{Mutex, PoisonError};

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_numbers};
use crate::vector::vectorised;
use crate::wide::BLOCK;
use crate::{KernelError, Outputs};

pub(crate) fn histogram(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let counts = call.create_one::<i64>(outputs)?;
    let bins = Bins::new(call.arguments.float("low"), call.arguments.float("high"), counts.len());
    counts.fill(0);
    // Parts are never smaller than what their counts take.
    let part = CHUNK.max(counts.len());
    let counts = Mutex::new(counts);
    for_numbers!(call, call.dtype(0), T => {
        let x = call.input::<T>(0);
        call.context.for_each(x.chunks(part), |x| {
            // One more than there are bins, for what is in none of them.
            let mut own = vec![0i64; bins.count + 1];
            let mut places = [0u32; BLOCK];
            for x in x.chunks(BLOCK) {
                let places = &mut places[..x.len()];
                vectorised(#[inline(always)] || {
                    for (place, x) in places.iter_mut().zip(x) {
                        *place = bins.bin(x.to_f64());
                    }
                });
                for place in places {
                    own[*place as usize] += 1;
                }
            }
            let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            for (count, own) in counts.iter_mut().zip(own) {
                *count += own;
            }
        })
    })
}

/// Ranges of one width, next to each other.
#[derive(Clone, Copy)]
struct Bins {
    low: f64,
    high: f64,
    width: f64,
    per_unit: f64,
    count: usize,
}

impl Bins {
    fn new(low: f64, high: f64, count: usize) -> Self {
        let bins = count as f64;
        Bins { low, high, width: (high - low) / bins, per_unit: bins / (high - low), count }
    }

    /// The bin that a value falls into; the number of bins where there is none. Without branches,
    /// for the compiler to use vectors.
    #[inline(always)]
    fn bin(&self, value: f64) -> u32 {
        let last = self.count as i32 - 1;
        let bin = (((value - self.low) * self.per_unit) as i32).clamp(0, last);
        // The product may be off by a rounding; what counts are the edges.
        let below = (bin > 0) & (value < self.edge(bin));
        let beyond = (bin < last) & (value >= self.edge(bin + 1));
        let bin = bin - i32::from(below) + i32::from(beyond);
        let within = (value >= self.low) & (value <= self.high);
        if within { bin as u32 } else { self.count as u32 }
    }

    #[inline(always)]
    fn edge(&self, bin: i32) -> f64 {
        self.low + f64::from(bin) * self.width
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};
    use half::bf16;

    use crate::trial::{made, numbers, random, refused, tensor};

    fn count(x: Value, bins: i64, low: f64, high: f64) -> Vec<f64> {
        let given = [
            ("bins", Attribute::Int(bins)),
            ("low", Attribute::Float(low)),
            ("high", Attribute::Float(high)),
        ];
        numbers(&made("histogram", &given, &[x]))
    }

    #[test]
    fn every_element_in_range_is_counted_once() {
        for x in [random::<f32>(&[200_003], 1), random::<bf16>(&[30, 40], 2)] {
            let counts = count(x.clone(), 17, -1.5, 2.0);
            let (low, width) = (-1.5, 3.5 / 17.0);
            let edge = |bin: usize| low + bin as f64 * width;
            for (bin, count) in counts.iter().enumerate() {
                let within = |x: &&f64| {
                    **x >= edge(bin) && (**x < edge(bin + 1) || (bin == 16 && **x <= 2.0))
                };
                assert_eq!(*count, numbers(&x).iter().filter(within).count() as f64);
            }
        }
        assert_eq!(count(random::<u8>(&[0], 1), 3, 0.0, 1.0), [0.0; 3]);
    }

    #[test]
    fn edges_belong_to_the_bin_above_and_the_last_to_the_last() {
        let tenths: Vec<f64> = (0..=10).map(|i| f64::from(i) * 0.1).collect();
        let counts = count(tensor(&[11], &tenths), 10, 0.0, 1.0);
        assert_eq!(counts, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0]);
        let odd = tensor(&[5], &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e-9, 1.0]);
        assert_eq!(count(odd, 2, 0.0, 1.0), [0.0, 1.0]);
        assert_eq!(count(random::<i32>(&[500], 1), 1, 0.0, 19.0), [500.0]);
    }

    #[test]
    fn ranges_are_checked() {
        let given = [
            ("bins", Attribute::Int(2)),
            ("low", Attribute::Float(1.0)),
            ("high", Attribute::Float(1.0)),
        ];
        let message = refused("histogram", &given, &[random::<f32>(&[3], 1)]);
        assert_eq!(message, "histogram, attribute high: 1 is not above low, 1");
    }
}
