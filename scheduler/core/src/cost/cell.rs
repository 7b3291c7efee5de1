//! How long one thing takes, from samples of which some mislead.
//!
//! Mean and variance are Welford's (1962), with a memory of so many samples, so that older ones
//! fade. A sample far from the others does not count: the machine was busy with something else, or
//! something had to be loaded or compiled first. Where such samples follow each other without one
//! between that fits, it is the world that has changed, and they take over. StarPU's history models
//! begin anew in the same case (Augonnet, Thibault, Namyst: Automatic Calibration of Performance
//! Models on Heterogeneous Multicore Architectures, 2009).

/// So many samples count; older ones fade.
const MEMORY: u32 = 32;
/// Before so many samples, a deviation tells little.
const SETTLED: u32 = 8;
/// A sample is far off if it is so many deviations away.
const FAR_DEVIATIONS: f64 = 4.0;
/// A deviation is taken to be at least this part of the mean.
const LEAST_DEVIATION: f64 = 0.125;
/// Before samples have settled, one is far off if it is so many times the mean, or the mean is so
/// many times the sample.
const FAR_EARLY: f64 = 4.0;
/// So many samples that are far off, one after another, take over.
const STRAYS: u32 = 4;

/// Mean and variance of the last samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moments {
    count: u32,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn add(&mut self, sample: f64) {
        self.count = (self.count + 1).min(MEMORY);
        let weight = 1.0 / f64::from(self.count);
        let difference = sample - self.mean;
        self.mean += difference * weight;
        self.variance += (difference * (sample - self.mean) - self.variance) * weight;
    }

    fn deviation(&self) -> f64 {
        self.variance.max(0.0).sqrt()
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cell {
    moments: Moments,
    /// Samples that were far off, since the last one that was not.
    strays: Moments,
    /// All samples, those that did not count among them.
    pub samples: u64,
    /// How often it was tried for a sample's sake.
    pub tries: u8,
    /// What the last sample took and made.
    pub input_bytes: u64,
    pub output_bytes: u64,
}

impl Cell {
    /// One that is known from before.
    pub fn known(mean_nanos: u64, deviation_nanos: u64, samples: u64) -> Self {
        let count = samples.min(MEMORY.into()) as u32;
        let (mean, deviation) = (mean_nanos as f64, deviation_nanos as f64);
        let moments = Moments { count, mean, variance: deviation * deviation };
        Cell { moments, samples, ..Cell::default() }
    }

    pub fn add(&mut self, nanos: u64) {
        self.samples = self.samples.saturating_add(1);
        let sample = nanos as f64;
        if !self.is_far(sample) {
            self.strays = Moments::default();
            return self.moments.add(sample);
        }
        self.strays.add(sample);
        // What is loaded or compiled once makes the first of a few samples long, never short.
        let was_first_time = self.moments.count < SETTLED && sample < self.moments.mean;
        if was_first_time {
            (self.moments, self.strays) = (Moments::default(), Moments::default());
            self.moments.add(sample);
        } else if self.strays.count == STRAYS {
            self.moments = std::mem::take(&mut self.strays);
        }
    }

    fn is_far(&self, sample: f64) -> bool {
        let Moments { count, mean, .. } = self.moments;
        match count {
            0 => false,
            1..SETTLED => sample > mean * FAR_EARLY || mean > sample * FAR_EARLY,
            _ => {
                let least = mean * LEAST_DEVIATION;
                let variance = self.moments.variance.max(least * least);
                let difference = sample - mean;
                difference * difference > variance * (FAR_DEVIATIONS * FAR_DEVIATIONS)
            }
        }
    }

    /// Whether there is a mean.
    pub fn is_measured(&self) -> bool {
        self.moments.count > 0
    }

    pub fn mean(&self) -> f64 {
        self.moments.mean
    }

    pub fn deviation(&self) -> f64 {
        self.moments.deviation()
    }

    /// How many samples the mean rests on.
    pub fn weight(&self) -> u32 {
        self.moments.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell_of(samples: &[u64]) -> Cell {
        let mut cell = Cell::default();
        samples.iter().for_each(|sample| cell.add(*sample));
        cell
    }

    #[test]
    fn the_first_time_is_forgotten() {
        assert_eq!(cell_of(&[1_000_000, 20, 22, 18]).mean(), 20.0);
    }

    #[test]
    fn what_is_far_off_does_not_count_unless_it_stays() {
        let mut cell = cell_of(&[100; 20]);
        for _ in 0..STRAYS - 1 {
            cell.add(5000);
            assert_eq!(cell.mean(), 100.0);
        }
        cell.add(101);
        assert!((100.0..101.0).contains(&cell.mean()));
        for _ in 0..STRAYS {
            cell.add(5000);
        }
        assert_eq!((cell.mean(), cell.weight(), cell.samples), (5000.0, STRAYS, 28));
    }

    #[test]
    fn old_samples_fade() {
        let mut cell = cell_of(&[100; 1000]);
        for _ in 0..200 {
            cell.add(140);
        }
        assert!((139.0..=140.0).contains(&cell.mean()), "{cell:?}");
    }

    #[test]
    fn what_was_known_goes_on() {
        let mut cell = Cell::known(100, 10, 5000);
        assert_eq!((cell.mean(), cell.deviation(), cell.samples), (100.0, 10.0, 5000));
        cell.add(132);
        assert_eq!((cell.mean(), cell.samples), (101.0, 5001));
    }

    proptest! {
        #[test]
        fn the_mean_lies_among_the_samples(samples in prop::collection::vec(1u64..1 << 52, 1..99)) {
            let cell = cell_of(&samples);
            let (least, most) = (samples.iter().min().unwrap(), samples.iter().max().unwrap());
            let slack = 1.0 + *most as f64 * 1e-12;
            prop_assert!(cell.mean() >= *least as f64 - slack);
            prop_assert!(cell.mean() <= *most as f64 + slack);
            prop_assert!(cell.deviation().is_finite());
            prop_assert_eq!(cell.samples, samples.len() as u64);
        }

        #[test]
        fn one_stray_in_many_changes_nothing(
            samples in prop::collection::vec(900u64..1100, 20..60),
            place in 10usize..20,
            stray in 10_000u64..1 << 40,
        ) {
            let calm = cell_of(&samples);
            let mut disturbed = samples;
            disturbed.insert(place, stray);
            prop_assert_eq!(cell_of(&disturbed).mean(), calm.mean());
        }
    }
}
