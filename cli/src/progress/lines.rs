//! Plain lines, for logs and pipes.

use std::time::Duration;

use super::{Progress, Tally};
use crate::output::note;

/// A line now and then, when something has changed.
pub struct Lines {
    /// What the last line said was done.
    told: Option<u32>,
}

impl Lines {
    pub fn new() -> Self {
        Lines { told: None }
    }
}

impl Progress for Lines {
    fn interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn show(&mut self, tally: &Tally) {
        if self.told.replace(tally.done()) != Some(tally.done()) {
            note!("{}/{} done, {}", tally.done(), tally.total(), tally.remarks());
        }
    }

    fn tell(&mut self, line: &str) {
        note!("{line}");
    }

    fn finish(&mut self) {}
}
