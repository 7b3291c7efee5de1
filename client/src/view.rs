//! Jobs, tasks, objects and executors as they stand at the moment of asking.

use std::time::{Duration, SystemTime};

use drawloom_model::{
    Capacity, DeviceIndex, DeviceUsage, ExecutorId, ExecutorInfo, Failure, JobId, ObjectId,
    ObjectType,
};

use crate::{JobState, TaskState};

/// How many tasks are in each state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TaskCounts([u32; 7]);

impl TaskCounts {
    /// Counts from a number for each state, in the order of [`TaskState::ALL`].
    pub const fn new(counts: [u32; 7]) -> Self {
        TaskCounts(counts)
    }

    /// How many tasks are in `state`.
    pub const fn get(&self, state: TaskState) -> u32 {
        self.0[state as usize]
    }

    /// Every state with its number of tasks.
    pub fn iter(&self) -> impl Iterator<Item = (TaskState, u32)> {
        TaskState::ALL.into_iter().zip(self.0)
    }

    /// How many tasks there are.
    pub fn total(&self) -> u32 {
        self.0.iter().sum()
    }

    /// How many tasks have their final state.
    pub fn ended(&self) -> u32 {
        self.iter().filter(|(state, _)| state.is_final()).map(|(_, count)| count).sum()
    }
}

/// A job.
#[derive(Clone, PartialEq, Debug)]
pub struct JobView {
    /// Its id.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: JobState,
    /// Whether more tasks may be added.
    pub open: bool,
    /// Its tasks by state.
    pub tasks: TaskCounts,
    /// When it was submitted.
    pub submitted_at: SystemTime,
    /// When it ended.
    pub ended_at: Option<SystemTime>,
    /// Its priority.
    pub priority: i32,
}

impl JobView {
    /// From its submission to its end, where it has ended.
    pub fn makespan(&self) -> Option<Duration> {
        self.ended_at?.duration_since(self.submitted_at).ok()
    }
}

/// A job and its named outputs.
#[derive(Clone, PartialEq, Debug)]
pub struct JobDetail {
    /// The job.
    pub job: JobView,
    /// Its named outputs.
    pub outputs: Vec<(String, ObjectView)>,
    /// The number of the event that comes next.
    pub next_seq: u64,
}

/// A task.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskView {
    /// Its index in the job.
    pub task: u32,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The kernel's name or the executable's.
    pub run: String,
    /// Its state.
    pub state: TaskState,
    /// The last attempt's number, 0 when there was none.
    pub attempt: u32,
    /// Where the last attempt was placed.
    pub executor: Option<ExecutorId>,
    /// The devices the last attempt was given.
    pub devices: Vec<DeviceIndex>,
    /// The variant that was chosen.
    pub variant: Option<u8>,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// When the last attempt was placed.
    pub placed_at: Option<SystemTime>,
    /// When it started, where its executor said so; attempts that end at once are not told of.
    pub started_at: Option<SystemTime>,
    /// When the scheduler heard of its end.
    pub ended_at: Option<SystemTime>,
    /// How long the last attempt ran.
    pub run_time: Option<Duration>,
    /// Thousandths of a core that the chosen variant asks for; the first one before any attempt.
    pub cpu_milli: u64,
    /// Whether it is an actor, which stays until it is stopped.
    pub is_actor: bool,
}

/// Tasks with what they need; those that need nothing are left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TaskNeeds {
    /// Tasks, in order of submission, each with the tasks that must succeed before it.
    pub tasks: Vec<(u32, Vec<u32>)>,
    /// The task to go on with; `None` once there are no more.
    pub next: Option<u32>,
}

/// Whether an object is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectState {
    /// The task that makes it has not ended.
    Pending,
    /// It is there.
    Available,
    /// It was dropped after its last use, or lost.
    Dropped,
    /// Its task ended without making it.
    NeverMade,
}

/// An object.
#[derive(Clone, PartialEq, Debug)]
pub struct ObjectView {
    /// Whether it is there.
    pub state: ObjectState,
    /// What its bytes mean, once known.
    pub object_type: Option<ObjectType>,
    /// Its size.
    pub size_bytes: u64,
    /// Executors that hold it.
    pub executors: Vec<ExecutorId>,
    /// Those of them that have it on disk, for want of memory.
    pub spilled: Vec<ExecutorId>,
}

/// An object in a list.
#[derive(Clone, PartialEq, Debug)]
pub struct ListedObject {
    /// How to ask for it; a literal of a job has no name of its own.
    pub object: Option<ObjectRef>,
    /// The name under which its job keeps it.
    pub output: Option<String>,
    /// The object as it stands.
    pub view: ObjectView,
    /// How many unended tasks take it, plus one while it is kept by name or by who put it.
    pub references: u32,
    /// Whether it was put and released, so that only tasks keep it.
    pub released: bool,
}

/// An executor.
#[derive(Clone, PartialEq, Debug)]
pub struct ExecutorView {
    /// Its id.
    pub executor: ExecutorId,
    /// What it says of itself.
    pub info: ExecutorInfo,
    /// What of its capacity is free.
    pub free: Capacity,
    /// How many attempts run on it.
    pub running: u32,
    /// How many more it has in its queue.
    pub queued: u32,
    /// How many objects it holds.
    pub objects: u32,
    /// How large they are together.
    pub object_bytes: u64,
    /// How many of these bytes are on disk, for want of memory.
    pub spilled_bytes: u64,
    /// Whether it is being emptied.
    pub draining: bool,
    /// Core seconds that ended attempts used since it joined.
    pub busy_core_seconds: f64,
    /// How many attempts ended on it.
    pub tasks_ended: u64,
    /// What its devices hold and have copied, in their order; empty where they have done nothing.
    pub devices_used: Vec<DeviceUsage>,
}

/// The cluster.
#[derive(Clone, PartialEq, Debug)]
pub struct ClusterView {
    /// The scheduler's version.
    pub version: String,
    /// The executors, in the order in which they joined.
    pub executors: Vec<ExecutorView>,
    /// How many jobs run.
    pub running_jobs: u32,
    /// Their tasks by state.
    pub tasks: TaskCounts,
}

/// Why a task waits, or why it is where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The task's index.
    pub task: u32,
    /// Its state.
    pub state: TaskState,
    /// Sentences, the most important first.
    pub reasons: Vec<String>,
}

/// A task, told by its index or its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TaskRef {
    /// Its index in the job.
    Index(u32),
    /// Its name.
    Name(String),
}

impl TaskRef {
    /// Reads what a person types: a number is an index, anything else a name.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| TaskRef::Name(text.to_owned()), TaskRef::Index)
    }
}

/// An object, told by its id or by what makes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ObjectRef {
    /// A put object.
    Put(ObjectId),
    /// A job's named output.
    Output {
        /// The job.
        job: JobId,
        /// The output's name.
        name: String,
    },
    /// A task's output.
    Task {
        /// The job.
        job: JobId,
        /// The task.
        task: TaskRef,
        /// Which of its outputs.
        output: u16,
    },
}

/// Some of a list, and how to ask for what follows.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T> {
    /// This page's part.
    pub items: Vec<T>,
    /// Asks for the next page; `None` on the last.
    pub next: Option<String>,
}

/// Which page of a list is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PageRequest {
    /// The most items; 0 leaves it to the scheduler.
    pub size: u32,
    /// The last page's `next`; `None` for the first.
    pub token: Option<String>,
}
