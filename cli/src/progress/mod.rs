//! Showing how a job gets on: a bar on a terminal, plain lines elsewhere.

mod bar;
mod lines;
mod tally;

use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

pub use tally::Tally;

use crate::args::Global;
use bar::Bar;
use lines::Lines;

/// Shows a tally now and then.
pub trait Progress: Send {
    /// How often it wants to be shown.
    fn interval(&self) -> Duration;
    /// Shows how things stand.
    fn show(&mut self, tally: &Tally);
    /// Says something that stays to be read.
    fn tell(&mut self, line: &str);
    /// Takes away what must not stay.
    fn finish(&mut self);
}

/// What suits the standard error.
pub fn progress(global: &Global) -> Box<dyn Progress> {
    if global.quiet {
        Box::new(Silence)
    } else if stderr().is_terminal() {
        Box::new(Bar::new())
    } else {
        Box::new(Lines::new())
    }
}

/// Shows nothing.
struct Silence;

impl Progress for Silence {
    fn interval(&self) -> Duration {
        Duration::from_secs(3600)
    }

    fn show(&mut self, _: &Tally) {}

    fn tell(&mut self, _: &str) {}

    fn finish(&mut self) {}
}
