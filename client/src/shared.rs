//! A job that any number of consumers follow.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawloom_model::{ExecutorId, Failure, JobId, Value};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::{
    Client, Code, Data, Error, JobEvent, JobEvents, JobReport, ObjectRef, Output, TaskHandle,
    TaskRef, TaskState,
};

/// A job to be followed from many places at once: results as they come, waits for some or all of
/// its tasks, its end, streams of its events. Clones share one connection's worth of events; they
/// stop being read when the last clone is dropped. Made by [`crate::JobHandle::share`].
///
/// ```
/// # use drawloom_client::{GraphBuilder, attributes};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cluster = drawloom_cluster::Embedded::start(Default::default()).await?;
/// # let client = cluster.client();
/// let mut graph = GraphBuilder::new("parts");
/// let parts: Vec<_> = (0..4)
///     .map(|part| {
///         let made = attributes([("shape", vec![1000i64])]);
///         let values = graph.call::<Vec<f32>>("uniform", made, ());
///         let total = graph.call::<f32>("sum", Default::default(), values);
///         graph.keep(format!("part {part}"), total);
///         total
///     })
///     .collect();
///
/// let job = client.submit(graph.build_checked()?).await?.share();
/// // Each result is there as soon as its task has succeeded, whatever the others do.
/// for part in &parts {
///     println!("{}", job.result(*part).await?);
/// }
/// assert_eq!(job.wait().await?.succeeded, 8);
/// # cluster.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Job {
    client: Client,
    job: JobId,
    progress: Arc<Progress>,
    _follower: Arc<Follower>,
}

/// Reads events as long as somebody is interested.
struct Follower(AbortHandle);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Progress {
    known: Mutex<Known>,
    changed: Notify,
}

/// What the events so far have told.
pub(crate) struct Known {
    /// Final states by task; `None` where it has none yet.
    states: Vec<Option<TaskState>>,
    /// How tasks ended that did not succeed.
    unsuccessful: BTreeMap<u32, Unsuccessful>,
    report: JobReport,
    /// No more events come: the job has ended, or it can be followed no longer.
    over: Option<Result<(), Error>>,
}

/// How a task ended that did not succeed.
#[derive(Clone)]
pub(crate) struct Unsuccessful {
    pub attempt: u32,
    pub executor: Option<ExecutorId>,
    pub state: TaskState,
    pub failure: Option<Failure>,
}

/// Which of the tasks waited for have ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Waited {
    /// Those that have, in whatever way.
    pub done: Vec<TaskHandle>,
    /// Those that have not.
    pub pending: Vec<TaskHandle>,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Job({})", self.job)
    }
}

impl Known {
    fn new(job: JobId) -> Self {
        let (states, unsuccessful) = Default::default();
        Known { states, unsuccessful, report: JobReport::new(job), over: None }
    }

    pub fn state(&self, task: u32) -> Option<TaskState> {
        self.states.get(task as usize).copied().flatten()
    }

    fn note(&mut self, event: JobEvent) {
        if let JobEvent::TaskEnded { task, attempt, executor, state, failure, .. } = &event {
            let place = *task as usize;
            if place >= self.states.len() {
                self.states.resize(place + 1, None);
            }
            self.states[place] = Some(*state);
            if *state != TaskState::Succeeded {
                let (attempt, executor, state) = (*attempt, *executor, *state);
                let failure = failure.clone();
                let ended = Unsuccessful { attempt, executor, state, failure };
                self.unsuccessful.insert(*task, ended);
            }
        }
        self.report.note(event);
    }

    fn split(&self, tasks: &[TaskHandle]) -> Waited {
        let ended = |task: &TaskHandle| self.state(task.index()).is_some();
        let (done, pending) = tasks.iter().partition(|task| ended(task));
        Waited { done, pending }
    }
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing is left half-changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Follows a job by its events, which must begin with the first.
    pub(crate) fn follow(client: Client, job: JobId, events: JobEvents) -> Self {
        let known = Mutex::new(Known::new(job));
        let progress = Arc::new(Progress { known, changed: Notify::new() });
        let follower = tokio::spawn(follow(events, Arc::clone(&progress)));
        let follower = Arc::new(Follower(follower.abort_handle()));
        Job { client, job, progress, _follower: follower }
    }

    /// The job's id.
    pub fn id(&self) -> JobId {
        self.job
    }

    /// What a task has made, as soon as it has succeeded.
    ///
    /// # Errors
    /// [`Error::Task`] where the task did not succeed, with the reason and what led to it;
    /// [`Error::WrongType`] where it made something else; the output was dropped after its last
    /// use, because it was not kept; the job cannot be followed any more.
    pub async fn result<T: Data>(&self, output: Output<T>) -> Result<T, Error> {
        let value = self.value(output.task(), output.index()).await?;
        Ok(T::from_value(value)?)
    }

    /// What a task has made, as soon as it has succeeded.
    ///
    /// # Errors
    /// As for [`Job::result`].
    pub async fn value(&self, task: TaskHandle, output: u16) -> Result<Value, Error> {
        match self.ended(task).await? {
            TaskState::Succeeded => {
                let task = TaskRef::Index(task.index());
                let object = ObjectRef::Task { job: self.job, task, output };
                self.client.patiently(|| self.client.get(object.clone())).await
            }
            _ => Err(Error::Task(Box::new(self.task_error(task).await))),
        }
    }

    /// The final state of a task, once it has one.
    ///
    /// # Errors
    /// The job ended without such a task, or cannot be followed any more.
    pub async fn ended(&self, task: TaskHandle) -> Result<TaskState, Error> {
        self.until(task, |known| known.state(task.index())).await
    }

    /// Waits until at least one of the tasks has ended, in whatever way, or time is up.
    ///
    /// ```
    /// # use drawloom_client::GraphBuilder;
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cluster = drawloom_cluster::Embedded::start(Default::default()).await?;
    /// # let client = cluster.client();
    /// let mut graph = GraphBuilder::new("any");
    /// let mut waiting: Vec<_> =
    ///     (0..10).map(|_| graph.task("noop", Default::default()).add()).collect();
    /// let job = client.submit(graph.build()).await?.share();
    /// while !waiting.is_empty() {
    ///     let waited = job.wait_any(waiting, Some(Duration::from_secs(60))).await?;
    ///     println!("{} more have ended", waited.done.len());
    ///     waiting = waited.pending;
    /// }
    /// # cluster.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The job ended without such a task, or cannot be followed any more.
    pub async fn wait_any<H: Into<TaskHandle>>(
        &self,
        tasks: impl IntoIterator<Item = H>,
        timeout: Option<Duration>,
    ) -> Result<Waited, Error> {
        self.wait_for(tasks, timeout, |waited| !waited.done.is_empty()).await
    }

    /// Waits until all of the tasks have ended, in whatever way, or time is up.
    ///
    /// # Errors
    /// The job ended without such a task, or cannot be followed any more.
    pub async fn wait_all<H: Into<TaskHandle>>(
        &self,
        tasks: impl IntoIterator<Item = H>,
        timeout: Option<Duration>,
    ) -> Result<Waited, Error> {
        self.wait_for(tasks, timeout, |waited| waited.pending.is_empty()).await
    }

    async fn wait_for<H: Into<TaskHandle>>(
        &self,
        tasks: impl IntoIterator<Item = H>,
        timeout: Option<Duration>,
        enough: impl Fn(&Waited) -> bool,
    ) -> Result<Waited, Error> {
        let tasks: Vec<TaskHandle> = tasks.into_iter().map(Into::into).collect();
        let Some(last) = tasks.iter().copied().max() else { return Ok(Waited::default()) };
        let waited = self.until(last, |known| Some(known.split(&tasks)).filter(&enough));
        match timeout {
            None => waited.await,
            Some(timeout) => match tokio::time::timeout(timeout, waited).await {
                Ok(waited) => waited,
                Err(_) => Ok(self.progress.lock().split(&tasks)),
            },
        }
    }

    /// Waits until the job has ended.
    ///
    /// # Errors
    /// It cannot be followed any more.
    pub async fn wait(&self) -> Result<JobReport, Error> {
        self.look(|known| {
            let over = known.over.as_ref()?.clone();
            Some(over.map(|()| known.report.clone()))
        })
        .await
    }

    /// The job's events from a number on, 0 for the first; as many streams as one likes.
    ///
    /// # Errors
    /// The scheduler cannot be reached, or no longer knows the job.
    pub async fn events(&self, from_seq: u64) -> Result<JobEvents, Error> {
        let watch = || self.client.transport().watch(self.job, from_seq);
        let receiver = self.client.patiently(watch).await?;
        Ok(JobEvents::new(self.client.clone(), self.job, receiver, from_seq))
    }

    /// Cancels the job; answers how many tasks were cancelled.
    ///
    /// # Errors
    /// The scheduler cannot be reached.
    pub async fn cancel(&self) -> Result<u32, Error> {
        self.client.cancel(self.job).await
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn unsuccessful(&self, task: u32) -> Option<Unsuccessful> {
        self.progress.lock().unsuccessful.get(&task).cloned()
    }

    /// Waits until `found` finds something, which it must when the tasks up to `last` have ended.
    async fn until<T>(
        &self,
        last: TaskHandle,
        found: impl Fn(&Known) -> Option<T>,
    ) -> Result<T, Error> {
        let job = self.job;
        self.look(|known| match (found(known), &known.over) {
            (Some(found), _) => Some(Ok(found)),
            (None, Some(Err(error))) => Some(Err(error.clone())),
            (None, Some(Ok(()))) => {
                let message = format!("{job} has no task {}", last.index());
                Some(Err(Error::refused(Code::NotFound, message)))
            }
            (None, None) => None,
        })
        .await
    }

    async fn look<T>(
        &self,
        mut look: impl FnMut(&Known) -> Option<Result<T, Error>>,
    ) -> Result<T, Error> {
        loop {
            let mut changed = pin!(self.progress.changed.notified());
            // Before the look: what changes between look and wait is not missed.
            changed.as_mut().enable();
            if let Some(answer) = look(&self.progress.lock()) {
                return answer;
            }
            changed.await;
        }
    }
}

/// Notes events until there are no more.
async fn follow(mut events: JobEvents, progress: Arc<Progress>) {
    loop {
        let batch = events.next_batch().await;
        let mut known = progress.lock();
        match batch {
            Ok(Some(batch)) => batch.events.into_iter().for_each(|event| known.note(event)),
            Ok(None) => known.over = Some(Ok(())),
            Err(error) => known.over = Some(Err(error)),
        }
        let is_over = known.over.is_some();
        drop(known);
        progress.changed.notify_waiters();
        if is_over {
            return;
        }
    }
}
