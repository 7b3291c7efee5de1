//! What happened to each job, kept for whoever watches now or later.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawloom_model::{JobId, JobKey};
use drawloom_scheduler_core::JobEvent;
use drawloom_signature::ValueType;
use tokio::sync::Notify;

/// How long ended jobs are kept: the oldest are forgotten beyond either bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// The most ended jobs.
    pub jobs: usize,
    /// The most events of ended jobs.
    pub events: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { jobs: 1000, events: 2_000_000 }
    }
}

/// The types of the outputs of a job's tasks, in order of submission.
pub(crate) type OutputTypes = Vec<Arc<[ValueType]>>;

/// Bytes of events that are read at a time, far below the limit on messages. A single event may be
/// larger: an executor had to get it through that limit, too.
const BATCH_BYTES: usize = 1024 * 1024;

/// One job's events, numbered from 0. Watchers are cursors on it: a slow one costs nothing.
#[derive(Debug)]
pub struct JobLog {
    job: JobId,
    key: JobKey,
    entries: Mutex<Entries>,
    grown: Notify,
    /// Held by an addition from its check to the core's answer, so that additions take turns.
    pub(crate) types: Arc<tokio::sync::Mutex<OutputTypes>>,
}

#[derive(Debug, Default)]
struct Entries {
    events: Vec<JobEvent>,
    /// Nothing more comes: the job has ended, or the scheduler stops.
    closed: bool,
}

impl Entries {
    fn has_job_ended(&self) -> bool {
        matches!(self.events.last(), Some(JobEvent::JobEnded { .. }))
    }
}

/// A watch was asked to begin at an event that no event will follow on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the job's events go up to {next} (exclusive) so far, so none can be watched from {from_seq} on"
)]
pub struct BeyondEvents {
    from_seq: u64,
    next: u64,
}

impl JobLog {
    fn new(job: JobId, key: JobKey) -> Self {
        let (entries, grown, types) = Default::default();
        JobLog { job, key, entries, grown, types }
    }

    /// The job's public id.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// The job's key.
    pub fn key(&self) -> JobKey {
        self.key
    }

    /// The number of the event that comes next.
    pub fn next_seq(&self) -> u64 {
        self.lock().events.len() as u64
    }

    /// Whether the last event is there.
    pub fn has_job_ended(&self) -> bool {
        self.lock().has_job_ended()
    }

    /// Where a watcher starts that has seen the events before `from_seq`. One that has seen them
    /// all, the job's end included, is told the end again, so that every watch of an ended job
    /// ends with it; one that asks for more than that has seen another job's.
    ///
    /// # Errors
    /// [`BeyondEvents`].
    pub fn start(&self, from_seq: u64) -> Result<u64, BeyondEvents> {
        let entries = self.lock();
        let next = entries.events.len() as u64;
        match from_seq {
            _ if from_seq > next => Err(BeyondEvents { from_seq, next }),
            _ if from_seq == next && entries.has_job_ended() => Ok(next - 1),
            _ => Ok(from_seq),
        }
    }

    /// Events from `cursor` on, at most `limit` and fewer where they are large; waits until there is
    /// one. `None` when nothing more comes: after [`JobEvent::JobEnded`], or because the scheduler
    /// stops.
    pub async fn next(&self, cursor: u64, limit: usize) -> Option<Vec<JobEvent>> {
        loop {
            // Created before the look: growth between look and wait is not missed.
            let grown = self.grown.notified();
            if let Some(answer) = self.read(cursor, limit) {
                return answer;
            }
            grown.await;
        }
    }

    /// `None` when the reader has to wait.
    fn read(&self, cursor: u64, limit: usize) -> Option<Option<Vec<JobEvent>>> {
        let entries = self.lock();
        let start = usize::try_from(cursor).unwrap_or(usize::MAX);
        match entries.events.get(start..) {
            Some(rest) if !rest.is_empty() => {
                let rest = &rest[..rest.len().min(limit)];
                Some(Some(rest[..batch_len(rest)].to_vec()))
            }
            Some(_) | None => entries.closed.then_some(None),
        }
    }

    fn push(&self, event: JobEvent) {
        let mut entries = self.lock();
        entries.closed |= matches!(event, JobEvent::JobEnded { .. });
        entries.events.push(event);
    }

    fn close(&self) {
        self.lock().closed = true;
        self.grown.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many of these events are read together: all of them unless they are large.
fn batch_len(events: &[JobEvent]) -> usize {
    let mut bytes = 0;
    let small = events.iter().take_while(|event| {
        bytes += message_bytes(event);
        bytes <= BATCH_BYTES
    });
    small.count().max(1)
}

/// The part of an event whose size is not bounded otherwise.
fn message_bytes(event: &JobEvent) -> usize {
    match event {
        JobEvent::TaskRetried { failure, .. }
        | JobEvent::TaskEnded { failure: Some(failure), .. } => failure.message.len(),
        _ => 0,
    }
}

/// The logs of all jobs that are kept. Belongs to the driver, who alone writes.
#[derive(Debug)]
pub(crate) struct Logs {
    retention: Retention,
    /// By the slot of the job's key.
    slots: Vec<Option<Slot>>,
    /// Slots that have grown since watchers were last woken.
    touched: Vec<usize>,
    ended: VecDeque<Ended>,
    ended_events: usize,
}

#[derive(Debug)]
struct Slot {
    log: Arc<JobLog>,
    touched: bool,
}

#[derive(Debug)]
struct Ended {
    key: JobKey,
    events: usize,
}

impl Logs {
    pub fn new(retention: Retention) -> Self {
        let (slots, touched, ended) = Default::default();
        Logs { retention, slots, touched, ended, ended_events: 0 }
    }

    /// Opens the log of an admitted job.
    pub fn open(&mut self, job: JobId, key: JobKey) {
        let slot = key.slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, || None);
        }
        self.slots[slot] = Some(Slot { log: Arc::new(JobLog::new(job, key)), touched: false });
    }

    pub fn get(&self, key: JobKey) -> Option<&Arc<JobLog>> {
        let slot = self.slots.get(key.slot as usize)?.as_ref()?;
        (slot.log.key == key).then_some(&slot.log)
    }

    pub fn push(&mut self, key: JobKey, event: JobEvent) {
        let index = key.slot as usize;
        let Some(Some(slot)) = self.slots.get_mut(index) else { return };
        if slot.log.key != key {
            return;
        }
        let ended = matches!(event, JobEvent::JobEnded { .. });
        slot.log.push(event);
        if !std::mem::replace(&mut slot.touched, true) {
            self.touched.push(index);
        }
        if ended {
            let events = slot.log.lock().events.len();
            self.ended_events += events;
            self.ended.push_back(Ended { key, events });
        }
    }

    /// Wakes the watchers of every log that has grown.
    pub fn wake(&mut self) {
        for index in self.touched.drain(..) {
            if let Some(slot) = &mut self.slots[index] {
                slot.touched = false;
                slot.log.grown.notify_waiters();
            }
        }
    }

    /// Whether more is kept than need be.
    pub fn has_expired(&self) -> bool {
        let Retention { jobs, events } = self.retention;
        // The last job to end stays, however long: whoever waits for it wants its outputs.
        self.ended.len() > 1 && (self.ended.len() > jobs || self.ended_events > events)
    }

    /// Drops the log that has been kept the longest if there are too many, and tells its job.
    pub fn expire(&mut self) -> Option<JobId> {
        if !self.has_expired() {
            return None;
        }
        let oldest = self.ended.pop_front()?;
        self.ended_events -= oldest.events;
        let slot = self.slots.get_mut(oldest.key.slot as usize)?.take()?;
        Some(slot.log.job)
    }
}

impl Drop for Logs {
    /// Watchers must not wait for what cannot come.
    fn drop(&mut self) {
        self.slots.iter().flatten().for_each(|slot| slot.log.close());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use drawloom_model::{Failure, FailureKind};
    use drawloom_scheduler_core::JobState;

    use super::*;

    fn key(slot: u32) -> JobKey {
        JobKey { slot, generation: 0 }
    }

    fn logs(jobs: usize, events: usize) -> Logs {
        Logs::new(Retention { jobs, events })
    }

    fn added(first_task: u32) -> JobEvent {
        JobEvent::TasksAdded { first_task, tasks: 1 }
    }

    const ENDED: JobEvent = JobEvent::JobEnded { state: JobState::Succeeded };

    #[tokio::test]
    async fn cursors_read_at_their_own_pace() {
        let mut logs = logs(9, 9);
        logs.open(JobId(1), key(0));
        let log = Arc::clone(logs.get(key(0)).expect("just opened"));
        (0..3).for_each(|task| logs.push(key(0), added(task)));
        assert_eq!(log.next(0, 2).await, Some(vec![added(0), added(1)]));
        assert_eq!(log.next(2, 2).await, Some(vec![added(2)]));
        let waiting = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.next(3, 2).await }
        });
        tokio::task::yield_now().await;
        logs.push(key(0), ENDED);
        logs.wake();
        assert_eq!(waiting.await.expect("no panic"), Some(vec![ENDED]));
        assert_eq!(log.next(4, 2).await, None);
        assert_eq!(log.next(99, 2).await, None);
    }

    #[tokio::test]
    async fn long_messages_are_read_a_few_at_a_time() {
        let mut logs = logs(9, 9);
        logs.open(JobId(1), key(0));
        let failure = Failure::new(FailureKind::Application, "x".repeat(BATCH_BYTES / 2));
        let retried = |task| {
            let (attempt, delay) = (1, Duration::ZERO);
            JobEvent::TaskRetried {
                task,
                attempt,
                failure: failure.clone(),
                delay,
                span: Default::default(),
            }
        };
        (0..5).for_each(|task| logs.push(key(0), retried(task)));
        let log = logs.get(key(0)).expect("just opened");
        for (cursor, read) in [(0, 2), (3, 2), (4, 1)] {
            let events = log.next(cursor, 9).await.expect("there is one");
            assert_eq!(events.len(), read, "from {cursor}");
        }
    }

    #[tokio::test]
    async fn a_stopping_scheduler_wakes_watchers() {
        let mut logs = logs(9, 9);
        logs.open(JobId(1), key(0));
        let log = Arc::clone(logs.get(key(0)).expect("just opened"));
        let waiting = tokio::spawn(async move { log.next(0, 1).await });
        tokio::task::yield_now().await;
        drop(logs);
        assert_eq!(waiting.await.expect("no panic"), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut logs = logs(2, 4);
        for slot in 0..4 {
            logs.open(JobId(slot.into()), key(slot));
            logs.push(key(slot), ENDED);
        }
        assert_eq!(logs.expire(), Some(JobId(0)));
        assert_eq!(logs.expire(), Some(JobId(1)));
        assert_eq!(logs.expire(), None);
        assert!(logs.get(key(0)).is_none());
        logs.open(JobId(9), key(9));
        (0..4).for_each(|task| logs.push(key(9), added(task)));
        logs.push(key(9), ENDED);
        assert_eq!(logs.expire(), Some(JobId(2)));
        assert_eq!(logs.expire(), Some(JobId(3)));
        assert_eq!(logs.expire(), None);
    }
}
