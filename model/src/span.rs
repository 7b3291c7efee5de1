//! Where and when an attempt was.

use std::time::Duration;

use crate::ExecutorId;

/// Where an attempt was and when, each moment as the span since its job's submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AttemptSpan {
    /// Where it was placed.
    pub executor: Option<ExecutorId>,
    /// When it was placed.
    pub placed: Duration,
    /// When it started; where it never did, when it ended.
    pub started: Duration,
    /// When the scheduler heard of its end.
    pub ended: Duration,
}
