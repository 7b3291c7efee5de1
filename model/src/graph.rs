//! Task graphs as they are submitted.

use std::sync::Arc;
use std::time::Duration;

use crate::{Gang, ObjectId, Template, Value};

/// A directed acyclic graph of tasks, or an addition to one.
///
/// Tasks are numbered from [`TaskGraph::first_task`] in the order of `tasks`; edges are told by
/// each task's inputs and `after`, in any order. Templates, literals and externals are numbered
/// from 0 within each graph or addition.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TaskGraph {
    /// The job's name, for people. Ignored in an addition.
    pub name: String,
    /// The job's options. Ignored in an addition.
    pub options: JobOptions,
    /// How many tasks the job has already: 0 for a new job.
    pub first_task: u32,
    /// How tasks run.
    pub templates: Vec<Arc<Template>>,
    /// Small objects that come with the graph, each at most [`crate::INLINE_LIMIT_BYTES`].
    pub literals: Vec<Literal>,
    /// Put objects that tasks take.
    pub externals: Vec<ObjectId>,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// Objects that are kept after their last use, by name.
    pub outputs: Vec<NamedOutput>,
    /// Groups of this graph's tasks that start together.
    pub gangs: Vec<Gang>,
}

/// A task's place in the graph.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Task {
    /// A name for people, unique in the job where there is one.
    pub name: Option<Box<str>>,
    /// How it runs: an index into the graph's templates.
    pub template: u32,
    /// The objects it takes, in order.
    pub inputs: Vec<Input>,
    /// Tasks that must succeed first although it takes nothing from them.
    pub after: Vec<u32>,
}

/// An object that a task takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input {
    /// An output of a task of this job.
    Task {
        /// The task's index in the job.
        task: u32,
        /// Which of its outputs.
        output: u16,
    },
    /// A literal of this graph.
    Literal(u32),
    /// A put object, as an index into this graph's externals.
    External(u32),
}

/// A small object that comes with the graph.
#[derive(Clone, PartialEq, Debug)]
pub struct Literal {
    /// A name for people.
    pub name: String,
    /// The object.
    pub value: Value,
}

/// An object kept after its last use, by a name unique in the job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedOutput {
    /// The name.
    pub name: String,
    /// The object.
    pub object: Input,
}

/// What a submitter may ask for a job as a whole.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct JobOptions {
    /// Added to the priority of every task.
    pub priority: i32,
    /// How long after its submission the job must have ended.
    pub deadline: Option<Duration>,
    /// What becomes of the other tasks when one has failed for good.
    pub on_failure: OnFailure,
    /// Whether tasks that fit no executor wait for one that they fit, instead of being refused.
    pub wait_for_resources: bool,
    /// Whether the job stays open for more tasks after those submitted have ended. While it is
    /// open, no object of it is dropped.
    pub open: bool,
}

/// What becomes of the other tasks when one has failed for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnFailure {
    /// Tasks that do not depend on it go on.
    #[default]
    Continue,
    /// Every task that has not ended is cancelled.
    CancelJob,
}
