//! What the core tells of itself.

use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    AssignedInput, Capacity, DeviceIndex, DeviceUsage, ExecutorId, ExecutorInfo, Failure,
    InputSource, JobId, JobKey, Lifetime, ObjectId, ObjectKey, ObjectType, TaskKey, Time, Value,
};

use crate::policy::ReasonKind;
use crate::{JobState, TaskState};

/// How many tasks are in each state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TaskCounts(pub [u32; TaskState::ALL.len()]);

impl TaskCounts {
    /// How many are in this state.
    pub fn get(&self, state: TaskState) -> u32 {
        self.0[state as usize]
    }

    /// How many there are.
    pub fn total(&self) -> u32 {
        self.0.iter().sum()
    }
}

/// A job as people see it.
#[derive(Clone, PartialEq, Debug)]
pub struct JobSummary {
    /// Its key.
    pub key: JobKey,
    /// Its public id.
    pub job: JobId,
    /// Its place in the order of submission.
    pub order: u64,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: JobState,
    /// Whether tasks can be added after all have ended.
    pub open: bool,
    /// Its tasks by state.
    pub tasks: TaskCounts,
    /// When it was submitted.
    pub submitted_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// Added to its tasks' priorities.
    pub priority: i32,
}

/// A task as people see it.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskSummary {
    /// Its key.
    pub task: TaskKey,
    /// Its name.
    pub name: Option<String>,
    /// The kernel's name, or the executable's.
    pub run: String,
    /// Its state.
    pub state: TaskState,
    /// The current or last attempt's number.
    pub attempt: u32,
    /// Where the current or last attempt is or was.
    pub executor: Option<ExecutorId>,
    /// The devices of the current attempt.
    pub devices: Vec<DeviceIndex>,
    /// The variant of the current or last attempt.
    pub variant: Option<u8>,
    /// What that variant asks of the cores, in thousandths; of the first one before any attempt.
    pub cpu_milli: u64,
    /// Whether it is an actor, which stays until it is stopped.
    pub is_actor: bool,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// When the current or last attempt was placed.
    pub placed_at: Option<Time>,
    /// When it started, where its executor said so.
    pub started_at: Option<Time>,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// How long it ran.
    pub run_time: Option<Duration>,
}

/// An actor as people see it.
#[derive(Clone, PartialEq, Debug)]
pub struct ActorSummary {
    /// The task that makes it.
    pub task: TaskKey,
    /// The job's public id.
    pub job: JobId,
    /// The task's name.
    pub task_name: Option<String>,
    /// Its name in the cluster.
    pub name: Option<String>,
    /// The type's name, or the executable's.
    pub kind: String,
    /// Its task's state; it is alive while that runs.
    pub state: TaskState,
    /// The current or last attempt's number.
    pub incarnation: u32,
    /// Where that is or was.
    pub executor: Option<ExecutorId>,
    /// Whether it outlives the rest of its job.
    pub lifetime: Lifetime,
    /// Whether it was told to end.
    pub stopping: bool,
    /// Calls, as tasks, that wait for it.
    pub calls_waiting: u32,
    /// Calls, as tasks, that its executor has.
    pub calls_sent: u32,
    /// How often it was restarted after a failure.
    pub restarts: u32,
    /// The size of the state that is kept for its next incarnation.
    pub checkpoint_bytes: Option<u64>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// Whether an object can be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectState {
    /// Its task has not made it yet.
    Pending,
    /// It is there.
    Available,
    /// It was dropped after its last use, or lost.
    Dropped,
    /// Its task ended without making it.
    NeverMade,
}

/// An object as people see it.
#[derive(Clone, PartialEq, Debug)]
pub struct ObjectSummary {
    /// Its key.
    pub key: ObjectKey,
    /// Whether it can be had.
    pub state: ObjectState,
    /// What it is, once it is there.
    pub object_type: Option<ObjectType>,
    /// Its size, 0 until it is there.
    pub size_bytes: u64,
    /// The object itself, where it is small.
    pub inline: Option<Value>,
    /// Executors that hold a replica.
    pub holders: Vec<ExecutorId>,
    /// Those of them that have it on disk.
    pub spilled: Vec<ExecutorId>,
    /// How many unended tasks take it, plus one while it is kept by name.
    pub references: u32,
}

/// An object in a list, with what it is to people.
#[derive(Clone, PartialEq, Debug)]
pub struct ListedObject {
    /// Where it comes from.
    pub origin: Origin,
    /// What is known of it.
    pub summary: ObjectSummary,
}

/// Where an object comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A client put it.
    Put {
        /// Its public id.
        object: ObjectId,
        /// Whether the client has not released it.
        kept: bool,
    },
    /// It belongs to a job.
    Job {
        /// The job's public id.
        job: JobId,
        /// The task that made it and which of its outputs it is; none of a literal.
        task: Option<(u32, u32)>,
        /// The name under which the job keeps it.
        name: Option<String>,
    },
}

/// An executor as people see it.
#[derive(Clone, PartialEq, Debug)]
pub struct ExecutorSummary {
    /// Its id.
    pub id: ExecutorId,
    /// What it said of itself.
    pub info: Arc<ExecutorInfo>,
    /// What the ledger has left of it.
    pub free: Capacity,
    /// Attempts with a claim.
    pub running: u32,
    /// Attempts sent ahead.
    pub queued: u32,
    /// Objects it holds.
    pub objects: u32,
    /// Their bytes.
    pub object_bytes: u64,
    /// Those of them that are on disk.
    pub spilled_bytes: u64,
    /// Whether it is being emptied.
    pub draining: bool,
    /// When it joined.
    pub joined_at: Time,
    /// Cores times seconds that its attempts have run.
    pub busy_core_seconds: f64,
    /// Attempts that have ended there.
    pub tasks_ended: u64,
    /// What its devices hold and have copied, in their order; empty where they have done nothing.
    pub devices_used: Vec<DeviceUsage>,
}

/// Why a task waits, or why it is where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The task.
    pub task: TaskKey,
    /// Its state.
    pub state: TaskState,
    /// Sentences, the most important first.
    pub reasons: Vec<String>,
}

/// Running totals, for metrics.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Tasks of kept jobs, by state.
    pub tasks: [u64; TaskState::ALL.len()],
    /// Placements by what decided them, in the order of [`Counters::REASONS`].
    pub placements: [u64; Counters::REASONS.len()],
    /// Inputs of placed attempts that their executor had already, or makes itself.
    pub inputs_local: u64,
    /// Inputs of placed attempts that were sent along.
    pub inputs_sent: u64,
    /// Inputs of placed attempts that their executor was to fetch from another.
    pub inputs_fetched: u64,
    /// Attempts that failed and were followed by another.
    pub retries: u64,
    /// Attempts that executors were asked to give back.
    pub recalls: u64,
    /// Objects moved between executors.
    pub transfers: u64,
    /// Their bytes.
    pub transferred_bytes: u64,
    /// Gangs placed.
    pub gangs_placed: u64,
    /// Gangs of which an attempt failed, so that all their attempts were given up.
    pub gangs_disbanded: u64,
    /// Gangs for which there was no room within their timeout.
    pub gangs_timed_out: u64,
    /// Rounds.
    pub rounds: u64,
}

impl Counters {
    /// What can decide a placement.
    pub const REASONS: [ReasonKind; 6] = [
        ReasonKind::EarliestFinish,
        ReasonKind::FollowsInputs,
        ReasonKind::Turn,
        ReasonKind::Sample,
        ReasonKind::Gang,
        ReasonKind::WithActor,
    ];

    /// How many attempts were placed.
    pub fn total_placements(&self) -> u64 {
        self.placements.iter().sum()
    }

    pub(crate) fn placed(&mut self, reason: ReasonKind, inputs: &[AssignedInput]) {
        self.placements[reason as usize] += 1;
        for input in inputs {
            match input.source {
                InputSource::Local => self.inputs_local += 1,
                InputSource::Inline(_) => self.inputs_sent += 1,
                InputSource::Remote(_) => self.inputs_fetched += 1,
            }
        }
    }
}
