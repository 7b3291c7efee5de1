//! Expected run times by request class, for what was not measured by itself: from hints at first,
//! from the class's tasks as they end.

use std::time::Duration;

use crate::class::ClassId;
use crate::policy::Basis;

/// Taken for a task of which nothing is known.
const UNKNOWN: Duration = Duration::from_millis(1);
/// No task is expected to take less: the engine's own work is of that order.
pub(crate) const LEAST_NANOS: u64 = 1_000;
/// Measurements are averaged as if this many counted, so that old ones fade.
const MEMORY: u64 = 32;

/// Expected run times by class and variant.
#[derive(Default, Debug)]
pub struct Estimates {
    by_class: Vec<Vec<Mean>>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Mean {
    nanos: u64,
    samples: u64,
}

impl Estimates {
    /// How long a task of this class is expected to run, and what that rests on. A measurement
    /// outweighs the hint.
    pub fn expected(&self, class: ClassId, variant: u8, hint: Option<Duration>) -> (u64, Basis) {
        let known = self.by_class.get(class.0 as usize).and_then(|v| v.get(usize::from(variant)));
        let (nanos, basis) = match (known, hint) {
            (Some(mean), _) if mean.samples > 0 => (mean.nanos, Basis::Class),
            (_, Some(hint)) => (nanos(hint), Basis::Hint),
            (_, None) => (nanos(UNKNOWN), Basis::Nothing),
        };
        (nanos.max(LEAST_NANOS), basis)
    }

    /// Forgets what was measured of a class.
    pub fn forget(&mut self, class: ClassId) {
        if let Some(variants) = self.by_class.get_mut(class.0 as usize) {
            *variants = Vec::new();
        }
    }

    /// Learns from a task that succeeded.
    pub fn measured(&mut self, class: ClassId, variant: u8, run_nanos: u64) {
        let class = class.0 as usize;
        if self.by_class.len() <= class {
            self.by_class.resize_with(class + 1, Vec::new);
        }
        let variants = &mut self.by_class[class];
        let variant = usize::from(variant);
        if variants.len() <= variant {
            variants.resize(variant + 1, Mean::default());
        }
        let mean = &mut variants[variant];
        mean.samples = (mean.samples + 1).min(MEMORY);
        let difference = run_nanos as i64 - mean.nanos as i64;
        mean.nanos = mean.nanos.saturating_add_signed(difference / mean.samples as i64);
    }
}

/// A span in nanoseconds.
pub(crate) fn nanos(span: Duration) -> u64 {
    // Bounded so that sums of many stay far from overflow.
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).min(1 << 52)
}

/// Expected transfer times between executors, from measured transfers.
#[derive(Debug)]
pub struct Bandwidth {
    bytes_per_second: f64,
}

/// What a transfer costs beside its bytes: a request and its answer.
const TRANSFER_LATENCY_NANOS: u64 = 200_000;

impl Default for Bandwidth {
    fn default() -> Self {
        Bandwidth { bytes_per_second: 1e9 }
    }
}

impl Bandwidth {
    /// How long it takes to move so many bytes to where they are not; none take no time.
    pub fn nanos(&self, bytes: u64) -> u64 {
        if bytes == 0 {
            return 0;
        }
        TRANSFER_LATENCY_NANOS + (bytes as f64 / self.bytes_per_second * 1e9) as u64
    }

    /// Learns from a transfer, in proportion to its size.
    pub fn measured(&mut self, bytes: u64, took: Duration) {
        const FULL_WEIGHT_BYTES: f64 = 1e8;
        let seconds = took.as_secs_f64();
        if seconds <= 0.0 || bytes == 0 {
            return;
        }
        let weight = (bytes as f64 / FULL_WEIGHT_BYTES).min(0.5);
        let rate = bytes as f64 / seconds;
        self.bytes_per_second += (rate - self.bytes_per_second) * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_replace_the_hint_and_old_ones_fade() {
        let mut estimates = Estimates::default();
        let class = ClassId(2);
        let hint = Some(Duration::from_secs(1));
        assert_eq!(estimates.expected(class, 0, hint), (1_000_000_000, Basis::Hint));
        estimates.measured(class, 0, 4_000_000);
        estimates.measured(class, 0, 6_000_000);
        assert_eq!(estimates.expected(class, 0, hint), (5_000_000, Basis::Class));
        for _ in 0..500 {
            estimates.measured(class, 0, 20_000_000);
        }
        assert!(estimates.expected(class, 0, hint).0 > 19_000_000);
        assert_eq!(estimates.expected(class, 1, None), (1_000_000, Basis::Nothing));
    }

    #[test]
    fn bandwidth_follows_large_transfers() {
        let mut bandwidth = Bandwidth::default();
        assert_eq!(bandwidth.nanos(0), 0);
        for _ in 0..20 {
            bandwidth.measured(100_000_000, Duration::from_millis(10));
        }
        assert!(bandwidth.nanos(1_000_000_000) < 110_000_000);
    }
}
