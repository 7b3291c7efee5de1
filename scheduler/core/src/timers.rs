//! Deadlines that the shell is asked to wake the core for.

use std::collections::{BTreeMap, BTreeSet};

use drawloom_model::{JobKey, TaskKey, Time};

use crate::gang::GangKey;

/// What becomes due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// A task has waited out its back-off.
    BackoffOver(TaskKey),
    /// A task should have ended.
    TaskDeadline(TaskKey),
    /// A job should have ended.
    JobDeadline(JobKey),
    /// A gang should have been placed.
    GangTimeout(GangKey),
    /// Executors should have been heard.
    HeartbeatCheck,
}

/// Every deadline, the earliest first; one of each at most.
#[derive(Default, Debug)]
pub(crate) struct Timers {
    due: BTreeSet<(Time, Timer)>,
    at: BTreeMap<Timer, Time>,
}

impl Timers {
    /// Asks for a wake-up, in place of an earlier request for the same.
    pub fn set(&mut self, at: Time, timer: Timer) {
        self.clear(timer);
        self.at.insert(timer, at);
        self.due.insert((at, timer));
    }

    /// Takes a request back.
    pub fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.due.remove(&(at, timer));
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// When a task's back-off is over.
    pub fn backoff_of(&self, task: TaskKey) -> Option<Time> {
        self.at.get(&Timer::BackoffOver(task)).copied()
    }

    /// Removes a deadline that has come, and tells when it was due.
    pub fn pop_due(&mut self, now: Time) -> Option<(Time, Timer)> {
        if self.next()? > now {
            return None;
        }
        let (at, timer) = self.due.pop_first()?;
        self.at.remove(&timer);
        Some((at, timer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_set_once_and_can_be_cleared() {
        let mut timers = Timers::default();
        let task = TaskKey::default();
        let at = |millis| Time::ZERO + std::time::Duration::from_millis(millis);
        timers.set(at(5), Timer::HeartbeatCheck);
        timers.set(at(9), Timer::HeartbeatCheck);
        timers.set(at(7), Timer::BackoffOver(task));
        assert_eq!((timers.next(), timers.backoff_of(task)), (Some(at(7)), Some(at(7))));
        timers.clear(Timer::BackoffOver(task));
        assert_eq!(timers.pop_due(at(8)), None);
        assert_eq!(timers.pop_due(at(9)), Some((at(9), Timer::HeartbeatCheck)));
        assert_eq!(timers.next(), None);
    }
}
