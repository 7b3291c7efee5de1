//! Following a job.

use drawloom_model::{Failure, JobId, TaskGraph, Value};

use crate::transport::{Admission, EventReceiver};
use crate::{
    Addition, Client, Error, EventBatch, Job, JobEvent, JobEvents, JobState, JobView, ObjectRef,
    TaskState,
};

/// How many failed tasks a report names.
const REPORTED_FAILURES: usize = 16;

/// A job and its events, for one consumer. [`JobHandle::share`] makes a [`Job`] for many.
#[derive(Debug)]
pub struct JobHandle {
    client: Client,
    job: JobId,
    tasks: u32,
    existing: bool,
    events: JobEvents,
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
    pub(crate) fn new(job: JobId) -> Self {
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
    pub(crate) fn note(&mut self, event: JobEvent) {
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
        let Admission { job, tasks, existing, events } = admission;
        let events = JobEvents::new(client.clone(), job, events, 0);
        JobHandle { client, job, tasks, existing, events }
    }

    pub(crate) fn attached(
        client: Client,
        job: &JobView,
        events: EventReceiver,
        from_seq: u64,
    ) -> Self {
        let events = JobEvents::new(client.clone(), job.job, events, from_seq);
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
        self.events.next_event().await
    }

    /// The next events, all that have come; `None` after the batch with `JobEnded`.
    ///
    /// # Errors
    /// The scheduler cannot be reached any more.
    pub async fn next_batch(&mut self) -> Result<Option<EventBatch>, Error> {
        self.events.next_batch().await
    }

    /// Follows the job from many places at once; from its first event on, whatever was read here.
    /// Must be called within a runtime of tokio, which then reads the job's events.
    pub fn share(self) -> Job {
        Job::follow(self.client, self.job, self.events.rewound())
    }

    /// The job's further events as a stream.
    pub fn into_events(self) -> JobEvents {
        self.events
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

#[cfg(test)]
mod tests {
    use super::*;

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
                run_time: std::time::Duration::ZERO,
            });
        }
        assert_eq!(report.failed, 2);
        assert_eq!(report.failures, [(0, Failure::new(Application, "no"))]);
    }
}
