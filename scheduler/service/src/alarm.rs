//! A timer for a loop that sets it anew in every turn.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, Sleep, sleep_until};

/// Rings once at the earliest time that it was set to, or before that was taken back by a later
/// one: whoever it wakes looks at the clock and sets it again.
///
/// A timer of the runtime costs a system call whenever it becomes the next to be due; a deadline
/// that moves away with every message would pay that for each.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// An alarm that is not set.
    pub fn new() -> Self {
        Alarm { sleep: None }
    }

    /// Whether it will ring.
    pub fn is_set(&self) -> bool {
        self.sleep.is_some()
    }

    /// Lets it ring at `instant` at the latest.
    pub fn set(&mut self, instant: std::time::Instant) {
        let instant = Instant::from(instant);
        match &mut self.sleep {
            Some(sleep) if sleep.deadline() <= instant => {}
            Some(sleep) => sleep.as_mut().reset(instant),
            None => self.sleep = Some(Box::pin(sleep_until(instant))),
        }
    }

    /// Waits until it rings, which takes it back; never comes unless it is set.
    pub async fn rings(&mut self) {
        poll_fn(|context| match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(context),
            None => Poll::Pending,
        })
        .await;
        self.sleep = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_time_counts() {
        let start = Instant::now();
        let mut alarm = Alarm::new();
        for seconds in [5, 3, 4] {
            alarm.set((start + Duration::from_secs(seconds)).into_std());
        }
        alarm.rings().await;
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert!(!alarm.is_set());
        let silent = tokio::time::timeout(Duration::from_secs(9), alarm.rings()).await;
        assert!(silent.is_err(), "it was not set again");
    }
}
