//! How a job stands, from its events.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use drawloom_client::{JobEvent, JobState, TaskState};
use drawloom_model::{Failure, FailureKind};

/// How many failed tasks are remembered with their messages.
const REMEMBERED_FAILURES: usize = 8;

/// Counts of a job's tasks, kept from its events.
#[derive(Debug)]
pub struct Tally {
    since: Instant,
    total: u32,
    succeeded: u32,
    failed: u32,
    cancelled: u32,
    retries: u32,
    running: HashSet<u32>,
    failures: Vec<(u32, Failure)>,
    state: Option<JobState>,
}

impl Tally {
    /// A job of so many tasks that begins now.
    pub fn new(total: u32) -> Self {
        Tally {
            since: Instant::now(),
            total,
            succeeded: 0,
            failed: 0,
            cancelled: 0,
            retries: 0,
            running: HashSet::new(),
            failures: Vec::new(),
            state: None,
        }
    }

    /// Takes in one event.
    pub fn note(&mut self, event: JobEvent) {
        match event {
            JobEvent::TasksAdded { first_task, tasks } => {
                self.total = self.total.max(first_task + tasks);
            }
            JobEvent::TaskStarted { task, .. } => {
                self.running.insert(task);
            }
            JobEvent::TaskRetried { task, .. } => {
                self.running.remove(&task);
                self.retries += 1;
            }
            JobEvent::TaskEnded { task, state, failure, .. } => {
                self.running.remove(&task);
                self.end(task, state, failure);
            }
            JobEvent::JobEnded { state } => self.state = Some(state),
        }
    }

    fn end(&mut self, task: u32, state: TaskState, failure: Option<Failure>) {
        match state {
            TaskState::Succeeded => self.succeeded += 1,
            TaskState::Cancelled => self.cancelled += 1,
            _ => self.failed += 1,
        }
        // Tasks that failed because another did have nothing to add.
        if let Some(failure) = failure
            && failure.kind != FailureKind::Upstream
            && state == TaskState::Failed
            && self.failures.len() < REMEMBERED_FAILURES
        {
            self.failures.push((task, failure));
        }
    }

    /// How many tasks there are.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// How many tasks have ended.
    pub fn done(&self) -> u32 {
        self.succeeded + self.failed + self.cancelled
    }

    /// Whether no task is known to run.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// How many tasks failed.
    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// How many attempts failed and were followed by another.
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// The first tasks that failed by themselves.
    pub fn failures(&self) -> &[(u32, Failure)] {
        &self.failures
    }

    /// The job's final state, once it has one.
    pub fn state(&self) -> Option<JobState> {
        self.state
    }

    /// How long it has been watched.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Final states with their numbers of tasks.
    pub fn counts(&self) -> [(&'static str, u32); 3] {
        [("succeeded", self.succeeded), ("failed", self.failed), ("cancelled", self.cancelled)]
    }

    /// Tasks that ended a second, so far.
    pub fn rate(&self) -> f64 {
        f64::from(self.done()) / self.elapsed().as_secs_f64().max(1e-9)
    }

    /// How long the rest takes at the same rate.
    pub fn remaining(&self) -> Option<Duration> {
        let left = f64::from(self.total.saturating_sub(self.done()));
        (self.done() > 0).then(|| Duration::try_from_secs_f64(left / self.rate()).ok())?
    }

    /// Beside done and total: what runs, how fast, how much longer, what failed.
    pub fn remarks(&self) -> String {
        let mut text =
            format!("{} running, {}", self.running.len(), crate::text::rate(self.rate()));
        if let Some(remaining) = self.remaining().filter(|_| self.state.is_none()) {
            text.push_str(&format!(", {} left", crate::text::span(remaining)));
        }
        for (count, what) in
            [(self.failed, "failed"), (self.cancelled, "cancelled"), (self.retries, "retried")]
        {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(task: u32, state: TaskState, kind: Option<FailureKind>) -> JobEvent {
        let failure = kind.map(|kind| Failure::new(kind, "no"));
        let (attempt, executor, run_time) = (1, None, Duration::ZERO);
        JobEvent::TaskEnded { task, attempt, executor, state, failure, run_time }
    }

    #[test]
    fn events_add_up() {
        let mut tally = Tally::new(3);
        tally.note(JobEvent::TaskStarted { task: 0, attempt: 1, executor: Default::default() });
        assert!(tally.remarks().starts_with("1 running"));
        tally.note(ended(0, TaskState::Succeeded, None));
        tally.note(ended(1, TaskState::Failed, Some(FailureKind::Application)));
        tally.note(ended(2, TaskState::Failed, Some(FailureKind::Upstream)));
        tally.note(JobEvent::TasksAdded { first_task: 3, tasks: 2 });
        assert_eq!((tally.done(), tally.total(), tally.failed()), (3, 5, 2));
        assert_eq!(tally.failures().len(), 1);
        assert!(tally.remarks().contains("0 running") && tally.remarks().contains("2 failed"));
        tally.note(JobEvent::JobEnded { state: JobState::Failed });
        assert_eq!(tally.state(), Some(JobState::Failed));
    }
}
