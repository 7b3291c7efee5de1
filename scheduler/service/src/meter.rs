//! Counts what happens in the loop, cheaply, and hands the sums to the metrics once a second.

use std::time::Duration;

use drawloom_model::{AttemptEnd, Time};
use metrics::Histogram;

/// Powers of two of nanoseconds: the last bucket begins at 39 hours.
const BUCKETS: usize = 48;

/// Delays by size.
struct Delays([u32; BUCKETS]);

impl Default for Delays {
    fn default() -> Self {
        Delays([0; BUCKETS])
    }
}

impl Delays {
    fn add(&mut self, delay: Duration, times: u32) {
        let bits = u64::BITS - drawloom_proto::nanos(delay).leading_zeros();
        let bucket = (bits as usize).min(BUCKETS - 1);
        self.0[bucket] = self.0[bucket].saturating_add(times);
    }

    fn flush(&mut self, histogram: &Histogram) {
        for (bits, count) in self.0.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            // The middle of the bucket, by ratio.
            let seconds = (bits as f64 - 0.5).exp2() / 1e9;
            histogram.record_many(seconds, std::mem::take(count) as usize);
        }
    }
}

/// How often the sums are handed over, at most.
const FLUSH: Duration = Duration::from_secs(1);

/// What is counted between two flushes.
#[derive(Default)]
pub(crate) struct Meter {
    scheduling: Delays,
    queueing: Delays,
    running: Delays,
    flushed: Time,
}

impl Meter {
    /// An attempt has ended.
    pub fn ended(&mut self, end: &AttemptEnd) {
        self.queueing.add(end.queue_time, 1);
        self.running.add(end.run_time, 1);
    }

    /// A round placed so many attempts and took so long from the arrival of its news.
    pub fn round(&mut self, placed: u32, took: Duration) {
        if placed > 0 {
            self.scheduling.add(took, placed);
        }
    }

    /// Hands over what was counted, unless that was done a moment ago.
    pub fn flush_due(&mut self, now: Time) {
        if now.since(self.flushed) < FLUSH {
            return;
        }
        self.flushed = now;
        self.scheduling.flush(&metrics::histogram!("scheduler_scheduling_delay_seconds"));
        self.queueing.flush(&metrics::histogram!("scheduler_queue_delay_seconds"));
        self.running.flush(&metrics::histogram!("scheduler_run_seconds"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_fall_into_their_bucket() {
        let mut delays = Delays::default();
        delays.add(Duration::ZERO, 1);
        delays.add(Duration::from_nanos(1023), 2);
        delays.add(Duration::MAX, 3);
        assert_eq!((delays.0[0], delays.0[10], delays.0[BUCKETS - 1]), (1, 2, 3));
    }
}
