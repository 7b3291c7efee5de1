//! Actors as they stand.

use std::fmt;

use drawloom_model::{AttemptId, ExecutorId, Failure, JobId};

use crate::{TaskRef, TaskState};

/// An actor as a client names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ActorName {
    /// By its name in the cluster.
    Name(String),
    /// By the task that makes it.
    Task {
        /// The job.
        job: JobId,
        /// The task.
        task: TaskRef,
    },
}

impl From<&str> for ActorName {
    fn from(name: &str) -> Self {
        ActorName::Name(name.to_owned())
    }
}

impl From<String> for ActorName {
    fn from(name: String) -> Self {
        ActorName::Name(name)
    }
}

impl From<(JobId, u32)> for ActorName {
    fn from((job, task): (JobId, u32)) -> Self {
        ActorName::Task { job, task: TaskRef::Index(task) }
    }
}

impl From<(JobId, &str)> for ActorName {
    fn from((job, task): (JobId, &str)) -> Self {
        ActorName::Task { job, task: TaskRef::Name(task.to_owned()) }
    }
}

impl fmt::Display for ActorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActorName::Name(name) => write!(f, "{name:?}"),
            ActorName::Task { job, task: TaskRef::Index(index) } => {
                write!(f, "task {index} of {job}")
            }
            ActorName::Task { job, task: TaskRef::Name(name) } => {
                write!(f, "task {name:?} of {job}")
            }
        }
    }
}

/// An actor as people see it.
#[derive(Clone, PartialEq, Debug)]
pub struct ActorView {
    /// The job.
    pub job: JobId,
    /// The task that makes it.
    pub task: u32,
    /// The task's name.
    pub task_name: Option<String>,
    /// Its name in the cluster.
    pub name: Option<String>,
    /// The type's name, or the executable's.
    pub kind: String,
    /// Its task's state; it is alive while that runs.
    pub state: TaskState,
    /// The number of its current or last incarnation.
    pub incarnation: u32,
    /// Where that is or was.
    pub executor: Option<ExecutorId>,
    /// Whether it outlives the rest of its job.
    pub detached: bool,
    /// Whether it was told to end.
    pub stopping: bool,
    /// Calls, as tasks, that wait for it.
    pub calls_waiting: u32,
    /// Calls, as tasks, that its executor has.
    pub calls_sent: u32,
    /// How often it was begun anew after a failure.
    pub restarts: u32,
    /// Bytes of the state that is kept for its next incarnation.
    pub checkpoint_bytes: Option<u64>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// An actor, and where it lives.
#[derive(Clone, PartialEq, Debug)]
pub struct ActorPlace {
    /// The actor.
    pub actor: ActorView,
    /// Its incarnation that takes calls, if one does.
    pub living: Option<Living>,
}

/// An incarnation that takes calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Living {
    /// The incarnation.
    pub incarnation: AttemptId,
    /// Where it is.
    pub executor: ExecutorId,
    /// Where its executor is reached; empty when it lives in the scheduler's process.
    pub address: String,
}
