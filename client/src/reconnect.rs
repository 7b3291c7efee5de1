//! How long to go on after the connection to the scheduler broke.

use std::time::Duration;

use tokio::time::Instant;

/// How long, and how often, a broken connection is taken up again. Waits double from the first to
/// the longest; each is cut by up to half at random, so that many clients do not come back at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reconnect {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// How long to go on altogether; zero to give up at once.
    pub patience: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Reconnect {
            first: Duration::from_millis(50),
            longest: Duration::from_secs(2),
            patience: Duration::from_secs(30),
        }
    }
}

impl Reconnect {
    /// Gives up at once.
    pub const NEVER: Reconnect =
        Reconnect { first: Duration::ZERO, longest: Duration::ZERO, patience: Duration::ZERO };

    pub(crate) fn waits(self) -> Waits {
        Waits { settings: self, next: self.first, until: None }
    }
}

/// The waits of one outage.
#[derive(Debug)]
pub(crate) struct Waits {
    settings: Reconnect,
    next: Duration,
    /// When patience ends; counted from the first wait on.
    until: Option<Instant>,
}

impl Waits {
    /// Waits before the next attempt; `false` when patience has ended.
    pub async fn wait(&mut self) -> bool {
        let now = Instant::now();
        let until = *self.until.get_or_insert(now + self.settings.patience);
        if now >= until {
            return false;
        }
        let wait = self.next.mul_f64(0.5 + fastrand::f64() / 2.0).min(until - now);
        self.next = (self.next * 2).clamp(Duration::from_millis(1), self.settings.longest);
        tokio::time::sleep(wait).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_and_end_with_patience() {
        let seconds = Duration::from_secs;
        let settings = Reconnect { first: seconds(1), longest: seconds(4), patience: seconds(20) };
        let mut waits = settings.waits();
        let start = Instant::now();
        let mut told = Vec::new();
        loop {
            let before = Instant::now();
            if !waits.wait().await {
                break;
            }
            told.push(before.elapsed());
        }
        for (wait, whole) in told.iter().zip([1, 2, 4, 4]) {
            assert!(*wait >= seconds(whole) / 2 - Duration::from_millis(1), "{told:?}");
            assert!(*wait <= seconds(whole) + Duration::from_millis(1), "{told:?}");
        }
        let all = start.elapsed();
        assert!(all >= seconds(20) && all < seconds(21), "{all:?}");
    }

    #[tokio::test]
    async fn who_never_reconnects_does_not_wait() {
        assert!(!Reconnect::NEVER.waits().wait().await);
    }
}
