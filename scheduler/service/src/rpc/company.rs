//! How long acceptances wait for events to travel with.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::alarm::Alarm;

/// An acceptance waits for the first events of its job for at least this long, and less than twice
/// as long, to share their way to the client.
///
/// A client that waits for a short job is woken once instead of twice, and its processor is free
/// for the executor in between; nobody can tell a millisecond's delay of a longer one.
const PERIOD: Duration = Duration::from_millis(1);

/// Tells acceptances that they have waited long enough. Those of one period are told together, so
/// that a client with many short jobs does not cost a timer for each.
#[derive(Debug)]
pub(super) struct Company {
    alarm: Alarm,
    /// Wait since the period before.
    early: Arc<Notify>,
    /// Wait since this period.
    late: Arc<Notify>,
    has_late: bool,
}

impl Company {
    pub fn new() -> Self {
        let (early, late) = Default::default();
        Company { alarm: Alarm::new(), early, late, has_late: false }
    }

    /// Comes when an acceptance that begins to wait now has waited long enough, as long as someone
    /// keeps time.
    pub fn given_up(&mut self) -> OwnedNotified {
        self.has_late = true;
        if !self.alarm.is_set() {
            self.alarm.set(Instant::now() + PERIOD);
        }
        Arc::clone(&self.late).notified_owned()
    }

    /// Waits for the end of a period; never comes while nobody waits.
    pub async fn keep_time(&mut self) {
        self.alarm.rings().await;
        self.early.notify_waiters();
        mem::swap(&mut self.early, &mut self.late);
        if mem::take(&mut self.has_late) {
            self.alarm.set(Instant::now() + PERIOD);
        }
    }
}

impl Drop for Company {
    /// Nobody keeps time any more.
    fn drop(&mut self) {
        self.early.notify_waiters();
        self.late.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{self, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everyone_waits_for_one_to_two_periods() {
        let mut company = Company::new();
        let start = time::Instant::now();
        let first = company.given_up();
        time::advance(PERIOD / 2).await;
        let second = company.given_up();
        company.keep_time().await;
        let third = company.given_up();
        company.keep_time().await;
        first.await;
        second.await;
        let waited = start.elapsed();
        assert!(waited >= PERIOD && waited <= 3 * PERIOD, "{waited:?}");
        company.keep_time().await;
        third.await;
        assert!(timeout(9 * PERIOD, company.keep_time()).await.is_err(), "nobody waits");
        let last = company.given_up();
        drop(company);
        last.await;
    }
}
