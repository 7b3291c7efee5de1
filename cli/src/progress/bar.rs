//! A bar that redraws itself.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Progress, Tally};
use crate::output::note;

/// A bar on the standard error.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let template = "{spinner} [{elapsed}] {bar:32.cyan/blue} {human_pos}/{human_len} {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Bar(bar)
    }
}

impl Progress for Bar {
    fn interval(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn show(&mut self, tally: &Tally) {
        self.0.set_length(tally.total().into());
        self.0.set_position(tally.done().into());
        self.0.set_message(tally.remarks());
        self.0.tick();
    }

    fn tell(&mut self, line: &str) {
        self.0.suspend(|| note!("{line}"));
    }

    fn finish(&mut self) {
        self.0.finish_and_clear();
    }
}
