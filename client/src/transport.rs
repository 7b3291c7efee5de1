//! The way to a scheduler: over gRPC, or within the same process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use drawloom_model::{ExecutorId, JobId, MeasuredCost, ObjectId, TaskGraph, Value};
use tokio::sync::mpsc;

use crate::{
    ActorName, ActorPlace, ActorView, Calls, ClusterView, Error, EventBatch, Explanation,
    JobDetail, JobState, JobView, ListedObject, Living, ObjectRef, Page, PageRequest, TaskNeeds,
    TaskRef, TaskState, TaskView,
};

/// What a call answers, some time later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A job's events as they come. It ends after `JobEnded`, or earlier when the connection broke or
/// the reader was too slow; then a watch from the next number goes on. An error comes last.
pub type EventReceiver = mpsc::Receiver<Result<EventBatch, Error>>;

/// How many batches of events wait for a slow reader before its receiver is ended.
pub const EVENT_BATCHES: usize = 1024;

/// A submission. Clones share the graph.
#[derive(Clone, PartialEq, Debug)]
pub struct Submission {
    /// The graph, its literals small enough to travel inline.
    pub graph: Arc<TaskGraph>,
    /// Submissions with the same token make one job.
    pub token: Option<String>,
}

/// A job was admitted.
#[derive(Debug)]
pub struct Admission {
    /// The job.
    pub job: JobId,
    /// How many tasks it has.
    pub tasks: u32,
    /// Whether an earlier submission with the same token made it.
    pub existing: bool,
    /// Its events from the first on.
    pub events: EventReceiver,
}

/// Tasks were added to a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addition {
    /// The first one's index.
    pub first_task: u32,
    /// How many tasks the job has now.
    pub tasks: u32,
}

/// What a client asks of a scheduler. [`crate::Client`] is what programs use.
#[allow(missing_docs)]
pub trait Transport: Send + Sync {
    /// Whether the connection can break, so that an answer may be lost.
    fn can_break(&self) -> bool {
        false
    }
    fn submit(&self, submission: Submission) -> Answer<'_, Admission>;
    fn add_tasks(&self, job: JobId, graph: TaskGraph) -> Answer<'_, Addition>;
    fn close(&self, job: JobId) -> Answer<'_, ()>;
    /// Cancels the tasks, or the whole job where none are named; answers how many were cancelled.
    fn cancel(&self, job: JobId, tasks: Option<Vec<TaskRef>>) -> Answer<'_, u32>;
    /// Waits until the tasks have ended; their states. `waiter` is the attempt (task and number)
    /// of the same job that waits.
    fn wait_tasks(
        &self,
        job: JobId,
        tasks: Vec<u32>,
        waiter: Option<(u32, u32)>,
    ) -> Answer<'_, Vec<TaskState>>;
    fn watch(&self, job: JobId, from_seq: u64) -> Answer<'_, EventReceiver>;
    fn jobs(&self, page: PageRequest, states: Vec<JobState>) -> Answer<'_, Page<JobView>>;
    fn tasks(
        &self,
        job: JobId,
        page: PageRequest,
        states: Vec<TaskState>,
    ) -> Answer<'_, Page<TaskView>>;
    fn needs(&self, job: JobId, first_task: u32) -> Answer<'_, TaskNeeds>;
    fn describe(&self, job: JobId) -> Answer<'_, JobDetail>;
    fn describe_task(&self, job: JobId, task: TaskRef) -> Answer<'_, TaskView>;
    fn explain(&self, job: JobId, task: TaskRef) -> Answer<'_, Explanation>;
    fn cluster(&self) -> Answer<'_, ClusterView>;
    fn drain(&self, executor: ExecutorId) -> Answer<'_, ()>;
    fn put(&self, value: Value) -> Answer<'_, ObjectId>;
    fn get(&self, object: ObjectRef) -> Answer<'_, Value>;
    fn release(&self, object: ObjectId) -> Answer<'_, ()>;
    /// Objects that were put or that executors hold, of one job alone where one is named.
    fn objects(&self, job: Option<JobId>, page: PageRequest) -> Answer<'_, Page<ListedObject>>;
    fn locate_actor(&self, actor: ActorName) -> Answer<'_, ActorPlace>;
    /// Opens a way to an incarnation; refused with `NotFound` where it is no longer there.
    fn open_calls(&self, living: Living) -> Answer<'_, Arc<dyn Calls>>;
    fn stop_actor(&self, actor: ActorName) -> Answer<'_, ()>;
    fn actors(&self, job: Option<JobId>) -> Answer<'_, Vec<ActorView>>;
    /// What every way to run something was measured to take, that of one way together.
    fn costs(&self, page: PageRequest) -> Answer<'_, Page<MeasuredCost>>;
}
