//! The one clock of the process, which the core hears of by its arguments.

use std::time::{Duration, Instant, SystemTime};

use drawloom_model::Time;

/// Tells the time since the service started, and what moment of the calendar that is.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    origin_unix_nanos: u64,
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Clock { origin: Instant::now(), origin_unix_nanos: drawloom_proto::nanos(unix) }
    }

    /// The time now.
    pub fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    /// The instant of a time that the core told.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        // A day off is as good as never: the loop looks again then.
        let ahead = Duration::from_nanos(time.as_nanos());
        let limit = self.origin.elapsed() + Duration::from_secs(86_400);
        self.origin + ahead.min(limit)
    }

    /// The same moment in nanoseconds since 1970.
    pub fn unix_nanos(&self, time: Time) -> u64 {
        self.origin_unix_nanos.saturating_add(time.as_nanos())
    }
}
