//! Deadlines that the shell is asked to wake the core for.

use std::collections::BTreeSet;

use drawloom_model::{JobKey, TaskKey, Time};

/// What becomes due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// A task has waited out its back-off.
    BackoffOver(TaskKey),
    /// A task should have ended.
    TaskDeadline(TaskKey),
    /// A job should have ended.
    JobDeadline(JobKey),
    /// Executors should have been heard.
    HeartbeatCheck,
}

/// Every deadline, the earliest first.
#[derive(Default, Debug)]
pub struct Timers {
    due: BTreeSet<(Time, Timer)>,
}

impl Timers {
    /// Asks for a wake-up.
    pub fn set(&mut self, at: Time, timer: Timer) {
        self.due.insert((at, timer));
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// When a task's back-off is over.
    pub fn backoff_of(&self, task: TaskKey) -> Option<Time> {
        let wanted = Timer::BackoffOver(task);
        self.due.iter().find(|(_, timer)| *timer == wanted).map(|(at, _)| *at)
    }

    /// Removes a deadline that has come, and tells when it was due.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.due.pop_first()
    }
}
