//! Following a job.

use std::collections::VecDeque;
use std::time::Duration;

use drawloom_model::{Failure, JobId, TaskGraph, Value};

use crate::transport::{Admission, EventReceiver};
use crate::{
    Addition, Client, Error, EventBatch, JobEvent, JobState, JobView, ObjectRef, TaskState,
};

/// How many failed tasks a report names.
const REPORTED_FAILURES: usize = 16;

/// How often a broken watch is taken up again before its error is told.
const RESUME_ATTEMPTS: u32 = 5;

/// A job and its events.
#[derive(Debug)]
pub struct JobHandle {
    client: Client,
    job: JobId,
    tasks: u32,
    existing: bool,
    events: Events,
}

/// How a job ended.
#[derive(Clone, PartialEq, Debug)]
pub struct JobReport {
    /// The job.
    pub job: JobId,
    /// Its final state.
    pub state: JobState,
    /// How many tasks succeeded.
    pub succeeded: u32,
    /// How many tasks failed.
    pub failed: u32,
    /// How many tasks were cancelled.
    pub cancelled: u32,
    /// How many attempts failed and were followed by another.
    pub retries: u32,
    /// The first tasks that failed by themselves, with their failures.
    pub failures: Vec<(u32, Failure)>,
}

impl JobReport {
    fn new(job: JobId) -> Self {
        JobReport {
            job,
            state: JobState::Running,
            succeeded: 0,
            failed: 0,
            cancelled: 0,
            retries: 0,
            failures: Vec::new(),
        }
    }

    /// Takes in one event.
    fn note(&mut self, event: JobEvent) {
        match event {
            JobEvent::TaskEnded { task, state, failure, .. } => {
                match state {
                    TaskState::Succeeded => self.succeeded += 1,
                    TaskState::Failed => self.failed += 1,
                    TaskState::Cancelled => self.cancelled += 1,
                    _ => {}
                }
                let own = failure.filter(|failure| {
                    state == TaskState::Failed
                        && failure.kind != drawloom_model::FailureKind::Upstream
                });
                if let Some(failure) = own
                    && self.failures.len() < REPORTED_FAILURES
                {
                    self.failures.push((task, failure));
                }
            }
            JobEvent::TaskRetried { .. } => self.retries += 1,
            JobEvent::JobEnded { state } => self.state = state,
            JobEvent::TasksAdded { .. } | JobEvent::TaskStarted { .. } => {}
        }
    }
}

impl JobHandle {
    pub(crate) fn new(client: Client, admission: Admission) -> Self {
        JobHandle {
            client,
            job: admission.job,
            tasks: admission.tasks,
            existing: admission.existing,
            events: Events::new(admission.events, 0),
        }
    }

    pub(crate) fn attached(
        client: Client,
        job: &JobView,
        events: EventReceiver,
        from_seq: u64,
    ) -> Self {
        let events = Events::new(events, from_seq);
        JobHandle { client, job: job.job, tasks: job.tasks.total(), existing: true, events }
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        self.job
    }

    /// How many tasks it had when this handle was made.
    pub fn tasks(&self) -> u32 {
        self.tasks
    }

    /// Whether an earlier submission with the same token had made it.
    pub fn is_existing(&self) -> bool {
        self.existing
    }

    /// Waits until the job has ended.
    ///
    /// # Errors
    /// The scheduler cannot be reached any more.
    pub async fn wait(mut self) -> Result<JobReport, Error> {
        let mut report = JobReport::new(self.job);
        while let Some(batch) = self.next_batch().await? {
            batch.events.into_iter().for_each(|event| report.note(event));
        }
        Ok(report)
    }

    /// The next event with its number; `None` after `JobEnded`. A broken stream is taken up again
    /// where it ended. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The scheduler cannot be reached any more.
    pub async fn next_event(&mut self) -> Result<Option<(u64, JobEvent)>, Error> {
        loop {
            if let Some(event) = self.events.pending.pop_front() {
                let seq = self.events.next_seq - self.events.pending.len() as u64 - 1;
                return Ok(Some((seq, event)));
            }
            let Some(batch) = self.events.next_batch(&self.client, self.job).await? else {
                return Ok(None);
            };
            self.events.pending.extend(batch.events);
        }
    }

    /// The next events, all that have come; `None` after the batch with `JobEnded`.
    ///
    /// # Errors
    /// The scheduler cannot be reached any more.
    pub async fn next_batch(&mut self) -> Result<Option<EventBatch>, Error> {
        if !self.events.pending.is_empty() {
            let events: Vec<JobEvent> = self.events.pending.drain(..).collect();
            let first_seq = self.events.next_seq - events.len() as u64;
            return Ok(Some(EventBatch { first_seq, events }));
        }
        self.events.next_batch(&self.client, self.job).await
    }

    /// Adds tasks; the addition's `first_task` must be the job's number of tasks.
    ///
    /// # Errors
    /// The job has ended, or the addition is refused.
    pub async fn add_tasks(&mut self, graph: TaskGraph) -> Result<Addition, Error> {
        let addition = self.client.add_tasks(self.job, graph).await?;
        self.tasks = addition.tasks;
        Ok(addition)
    }

    /// Says that nothing more will be added to an open job.
    ///
    /// # Errors
    /// The scheduler cannot be reached.
    pub async fn close(&self) -> Result<(), Error> {
        self.client.close(self.job).await
    }

    /// Cancels the job; answers how many tasks were cancelled.
    ///
    /// # Errors
    /// The scheduler cannot be reached.
    pub async fn cancel(&self) -> Result<u32, Error> {
        self.client.cancel(self.job).await
    }

    /// Gets a named output.
    ///
    /// # Errors
    /// There is no such output, or it is not there yet.
    pub async fn get(&self, output: &str) -> Result<Value, Error> {
        self.client.get(ObjectRef::Output { job: self.job, name: output.to_owned() }).await
    }
}

/// A job's events, taken up again when their stream breaks.
#[derive(Debug)]
struct Events {
    receiver: EventReceiver,
    /// The number of the next event to come from the receiver.
    next_seq: u64,
    pending: VecDeque<JobEvent>,
    ended: bool,
}

impl Events {
    fn new(receiver: EventReceiver, next_seq: u64) -> Self {
        Events { receiver, next_seq, pending: VecDeque::new(), ended: false }
    }

    async fn next_batch(
        &mut self,
        client: &Client,
        job: JobId,
    ) -> Result<Option<EventBatch>, Error> {
        while !self.ended {
            let Some(batch) = self.receiver.recv().await else {
                self.receiver = resume(client, job, self.next_seq).await?;
                continue;
            };
            if let Some(batch) = self.accept(batch) {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Leaves out what was seen before; nothing is left of a batch that is all old.
    fn accept(&mut self, mut batch: EventBatch) -> Option<EventBatch> {
        // Told again to whoever has seen it and asks for more.
        self.ended = matches!(batch.events.last(), Some(JobEvent::JobEnded { .. }));
        let seen = self.next_seq.saturating_sub(batch.first_seq);
        let seen = usize::try_from(seen).unwrap_or(usize::MAX).min(batch.events.len());
        batch.events.drain(..seen);
        batch.first_seq = batch.first_seq.max(self.next_seq);
        self.next_seq = batch.first_seq + batch.events.len() as u64;
        (!batch.events.is_empty()).then_some(batch)
    }
}

async fn resume(client: &Client, job: JobId, from_seq: u64) -> Result<EventReceiver, Error> {
    let mut attempt = 0;
    loop {
        match client.transport().watch(job, from_seq).await {
            Ok(receiver) => return Ok(receiver),
            Err(error) if error.is_transient() && attempt < RESUME_ATTEMPTS => {
                tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    fn started(task: u32) -> JobEvent {
        JobEvent::TaskStarted { task, attempt: 1, executor: Default::default() }
    }

    #[test]
    fn events_seen_before_are_left_out() {
        let mut events = Events::new(mpsc::channel(1).1, 0);
        let first = EventBatch { first_seq: 0, events: vec![started(0), started(1)] };
        assert_eq!(events.accept(first.clone()), Some(first.clone()));
        assert_eq!(events.accept(first), None);
        let overlapping = EventBatch { first_seq: 1, events: vec![started(1), started(2)] };
        let fresh = EventBatch { first_seq: 2, events: vec![started(2)] };
        assert_eq!(events.accept(overlapping), Some(fresh));
        assert_eq!(events.next_seq, 3);
        let end = JobEvent::JobEnded { state: JobState::Succeeded };
        let again = EventBatch { first_seq: 2, events: vec![end] };
        assert_eq!((events.accept(again), events.ended), (None, true));
    }

    #[test]
    fn a_report_names_tasks_that_failed_by_themselves() {
        use drawloom_model::FailureKind::{Application, Upstream};
        let mut report = JobReport::new(JobId(1));
        for (task, kind) in [(0, Application), (1, Upstream)] {
            report.note(JobEvent::TaskEnded {
                task,
                attempt: 1,
                executor: None,
                state: TaskState::Failed,
                failure: Some(Failure::new(kind, "no")),
                run_time: Duration::ZERO,
            });
        }
        assert_eq!(report.failed, 2);
        assert_eq!(report.failures, [(0, Failure::new(Application, "no"))]);
    }
}
