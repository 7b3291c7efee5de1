//! Which colour stands for which kernel.

use std::cmp::Reverse;
use std::time::Duration;

use super::Timeline;

/// Told apart by people who see colours differently, too; white text is readable on each.
const COLOURS: [&str; 11] = [
    "#3b6fb6", "#d9772b", "#2f8f6b", "#8a5fb0", "#b8892b", "#2a93a8", "#c2578f", "#6b7f2e",
    "#7a5a44", "#4c5fd0", "#9a4f4f",
];
/// What is left when there are more kernels than colours.
const REST: &str = "#8b929c";

/// The colours of a timeline's kernels and processes.
pub(super) struct Palette {
    /// By the index of [`Timeline::runs`].
    colours: Vec<&'static str>,
    /// What took the most time first.
    pub shares: Vec<Share>,
}

/// What one kernel or executable did.
pub(super) struct Share {
    /// Its index in [`Timeline::runs`].
    pub run: usize,
    pub attempts: usize,
    pub time: Duration,
}

impl Palette {
    pub fn new(timeline: &Timeline) -> Palette {
        let share = |run| Share { run, attempts: 0, time: Duration::ZERO };
        let mut shares: Vec<Share> = (0..timeline.runs.len()).map(share).collect();
        for attempt in &timeline.attempts {
            shares[attempt.run].attempts += 1;
            shares[attempt.run].time += attempt.run_time();
        }
        shares.retain(|share| share.attempts > 0);
        let name = |share: &Share| &timeline.runs[share.run];
        shares.sort_by(|a, b| (Reverse(a.time), name(a)).cmp(&(Reverse(b.time), name(b))));
        let mut colours = vec![REST; timeline.runs.len()];
        for (share, colour) in shares.iter().zip(COLOURS) {
            colours[share.run] = colour;
        }
        Palette { colours, shares }
    }

    pub fn colour(&self, run: usize) -> &'static str {
        self.colours[run]
    }
}
