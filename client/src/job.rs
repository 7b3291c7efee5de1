//! Following a job.

use std::collections::VecDeque;
use std::time::Duration;

use drawloom_model::{Failure, JobId, TaskGraph, Value};
use tokio::time::Instant;

use crate::transport::{Admission, EventReceiver};
use crate::{
    Addition, Client, Error, EventBatch, JobEvent, JobState, JobView, ObjectRef, TaskState,
};

/// How many failed tasks a report names.
const REPORTED_FAILURES: usize = 16;

/// How often a broken watch that brings nothing is taken up again before its error is told, and
/// how long to wait in between at first.
const RESUME_ATTEMPTS: u32 = 5;
const RESUME_PAUSE: Duration = Duration::from_millis(50);

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
    retry: Retry,
}

/// What was tried since the last event.
#[derive(Debug, Default)]
struct Retry {
    /// How often the stream was taken up, or tried to.
    attempts: u32,
    /// When that is done next.
    due: Option<Instant>,
    /// Why the last one broke, where that is known.
    error: Option<Error>,
}

impl Events {
    fn new(receiver: EventReceiver, next_seq: u64) -> Self {
        Events {
            receiver,
            next_seq,
            pending: VecDeque::new(),
            ended: false,
            retry: Retry::default(),
        }
    }

    async fn next_batch(
        &mut self,
        client: &Client,
        job: JobId,
    ) -> Result<Option<EventBatch>, Error> {
        while !self.ended {
            match self.receiver.recv().await.transpose() {
                Ok(Some(batch)) => {
                    if let Some(batch) = self.accept(batch) {
                        self.retry = Retry::default();
                        return Ok(Some(batch));
                    }
                }
                Ok(None) => self.resume(client, job).await?,
                Err(error) => self.retry.error = Some(error),
            }
        }
        Ok(None)
    }

    /// Takes up a stream that has broken, though not for ever. Goes on with its attempts where it
    /// was when its future is dropped.
    async fn resume(&mut self, client: &Client, job: JobId) -> Result<(), Error> {
        loop {
            let is_lasting = self.retry.error.as_ref().is_some_and(|error| !error.is_transient());
            if is_lasting || self.retry.attempts > RESUME_ATTEMPTS {
                let early = || Error::BadReply("the events ended before their job did".to_owned());
                return Err(self.retry.error.clone().unwrap_or_else(early));
            }
            let pause = RESUME_PAUSE * ((1 << self.retry.attempts) - 1);
            tokio::time::sleep_until(*self.retry.due.get_or_insert(Instant::now() + pause)).await;
            self.retry.due = None;
            self.retry.attempts += 1;
            match client.transport().watch(job, self.next_seq).await {
                Ok(receiver) => {
                    self.receiver = receiver;
                    return Ok(());
                }
                Err(error) => self.retry.error = Some(error),
            }
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use drawloom_model::{ExecutorId, ObjectId};
    use tokio::sync::mpsc;
    use tonic::Code;

    use super::*;
    use crate::{
        Answer, ClusterView, Explanation, JobDetail, ListedObject, Page, PageRequest, Submission,
        TaskNeeds, TaskRef, TaskView, Transport,
    };

    /// A scheduler whose watches end with `error`, or without a word.
    #[derive(Default)]
    struct Breaking {
        error: Option<Error>,
        watches: AtomicU32,
    }

    fn unasked<T>() -> Answer<'static, T> {
        unreachable!("the test only watches")
    }

    impl Transport for Breaking {
        fn watch(&self, _: JobId, _: u64) -> Answer<'_, EventReceiver> {
            Box::pin(async {
                self.watches.fetch_add(1, Ordering::Relaxed);
                let (sender, receiver) = mpsc::channel(1);
                if let Some(error) = &self.error {
                    sender.try_send(Err(error.clone())).expect("room for one");
                }
                Ok(receiver)
            })
        }
        fn submit(&self, _: Submission) -> Answer<'_, Admission> {
            unasked()
        }
        fn add_tasks(&self, _: JobId, _: TaskGraph) -> Answer<'_, Addition> {
            unasked()
        }
        fn close(&self, _: JobId) -> Answer<'_, ()> {
            unasked()
        }
        fn cancel(&self, _: JobId, _: Option<Vec<TaskRef>>) -> Answer<'_, u32> {
            unasked()
        }
        fn jobs(&self, _: PageRequest, _: Vec<JobState>) -> Answer<'_, Page<JobView>> {
            unasked()
        }
        fn tasks(&self, _: JobId, _: PageRequest, _: Vec<TaskState>) -> Answer<'_, Page<TaskView>> {
            unasked()
        }
        fn describe(&self, _: JobId) -> Answer<'_, JobDetail> {
            unasked()
        }
        fn describe_task(&self, _: JobId, _: TaskRef) -> Answer<'_, TaskView> {
            unasked()
        }
        fn explain(&self, _: JobId, _: TaskRef) -> Answer<'_, Explanation> {
            unasked()
        }
        fn cluster(&self) -> Answer<'_, ClusterView> {
            unasked()
        }
        fn drain(&self, _: ExecutorId) -> Answer<'_, ()> {
            unasked()
        }
        fn put(&self, _: Value) -> Answer<'_, ObjectId> {
            unasked()
        }
        fn get(&self, _: ObjectRef) -> Answer<'_, Value> {
            unasked()
        }
        fn release(&self, _: ObjectId) -> Answer<'_, ()> {
            unasked()
        }
        fn needs(&self, _: JobId, _: u32) -> Answer<'_, TaskNeeds> {
            unasked()
        }
        fn objects(&self, _: Option<JobId>, _: PageRequest) -> Answer<'_, Page<ListedObject>> {
            unasked()
        }
    }

    /// What a watcher hears in the end, and after how many watches.
    async fn outcome(error: Option<Error>) -> (String, u32) {
        let transport = Arc::new(Breaking { error, ..Breaking::default() });
        let client = Client::with_transport(Arc::clone(&transport) as Arc<dyn Transport>);
        let mut events = Events::new(mpsc::channel(1).1, 0);
        let error = events.next_batch(&client, JobId(1)).await.expect_err("nothing comes");
        (error.to_string(), transport.watches.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_brings_nothing_is_given_up() {
        let too_large = Error::refused(Code::OutOfRange, "the batch is too large");
        assert_eq!(outcome(Some(too_large)).await, ("the batch is too large".to_owned(), 1));
        let busy = Error::refused(Code::Unavailable, "it stops");
        assert_eq!(outcome(Some(busy)).await, ("it stops".to_owned(), RESUME_ATTEMPTS + 1));
        let (message, watches) = outcome(None).await;
        assert_eq!(watches, RESUME_ATTEMPTS + 1);
        assert!(message.contains("ended before their job did"), "{message}");
    }

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
