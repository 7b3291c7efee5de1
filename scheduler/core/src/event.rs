//! What the core hears, what it records and what it asks for.

use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    AttemptSpan, ExecutorId, ExecutorInfo, Failure, FromExecutor, JobId, JobKey, MeasuredCost,
    ObjectId, ObjectKey, ObjectReport, RequestId, Shortfall, TaskGraph, TaskKey, ToExecutor, Value,
};
use smallvec::SmallVec;

use crate::Shortage;

/// News from outside.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A client submits a graph whose structure and types have been checked.
    JobSubmitted {
        /// Answered under this id.
        request: RequestId,
        /// The job's public id, should it be admitted.
        job: JobId,
        /// Submissions with the same token make one job.
        token: Option<Box<str>>,
        /// The graph.
        graph: Arc<TaskGraph>,
    },
    /// A client adds tasks to an open or running job.
    TasksAdded {
        /// Answered under this id.
        request: RequestId,
        /// The job.
        job: JobId,
        /// The addition; `first_task` must be the job's number of tasks.
        graph: Arc<TaskGraph>,
    },
    /// A client will add nothing more to an open job.
    JobClosed {
        /// Answered under this id.
        request: RequestId,
        /// The job.
        job: JobId,
    },
    /// A client cancels tasks, and with them every task that needs them.
    CancelRequested {
        /// Answered under this id.
        request: RequestId,
        /// The job.
        job: JobId,
        /// The tasks; the whole job where none are named.
        tasks: Option<Vec<u32>>,
    },
    /// Someone waits until tasks have ended. Answered then.
    WaitRequested {
        /// Answered under this id.
        request: RequestId,
        /// The job.
        job: JobId,
        /// The tasks.
        tasks: Vec<u32>,
        /// The attempt, a task of the job and a number, that does nothing meanwhile: others get
        /// its cores until it goes on.
        waiter: Option<(u32, u32)>,
    },
    /// The shell no longer keeps an ended job.
    JobForgotten {
        /// The job.
        job: JobId,
    },
    /// A client puts an object that is small.
    ObjectPut {
        /// Answered under this id.
        request: RequestId,
        /// Its public id.
        object: ObjectId,
        /// The object.
        value: Value,
    },
    /// A client put an object that an executor holds.
    ObjectStored {
        /// Answered under this id.
        request: RequestId,
        /// Its public id.
        object: ObjectId,
        /// The key that [`crate::Scheduler::reserve_object`] gave.
        key: ObjectKey,
        /// Where it is.
        executor: ExecutorId,
        /// What it is; `Stored`.
        report: ObjectReport,
    },
    /// A client needs a put object no longer; tasks that take it still may.
    ObjectReleased {
        /// Answered under this id.
        request: RequestId,
        /// The object.
        object: ObjectId,
    },
    /// An executor has connected. The shell chose the id and never reuses it.
    ExecutorJoined {
        /// The executor.
        executor: ExecutorId,
        /// What it says of itself.
        info: Arc<ExecutorInfo>,
    },
    /// An executor says something.
    ExecutorSaid {
        /// The executor.
        executor: ExecutorId,
        /// What it says.
        message: FromExecutor,
    },
    /// An executor's connection has ended.
    ExecutorLost {
        /// The executor.
        executor: ExecutorId,
    },
    /// Someone wants an executor emptied.
    DrainRequested {
        /// Answered under this id.
        request: RequestId,
        /// The executor.
        executor: ExecutorId,
    },
    /// A client lets an actor end once it has served the calls that it has.
    ActorStopRequested {
        /// Answered under this id.
        request: RequestId,
        /// The actor.
        actor: ActorTarget,
    },
    /// What was measured before, such as by an earlier run of the scheduler.
    CostsKnown {
        /// As it was told then.
        costs: Arc<[MeasuredCost]>,
    },
    /// Everything that arrived has been handed over, or a deadline has come: place now.
    RoundDue,
}

/// An actor as a client names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ActorTarget {
    /// By its name in the cluster.
    Name(String),
    /// By the task that makes it.
    Task {
        /// The job.
        job: JobId,
        /// The task's index.
        task: u32,
    },
}

/// A change of durable state. Recovery applies facts again and asks no policy.
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    /// A job was admitted.
    JobAdmitted {
        /// Its key.
        key: JobKey,
        /// Its public id.
        job: JobId,
        /// The submission's token.
        token: Option<Box<str>>,
        /// The graph.
        graph: Arc<TaskGraph>,
    },
    /// Tasks were added to a job.
    TasksAdmitted {
        /// The job.
        key: JobKey,
        /// The addition.
        graph: Arc<TaskGraph>,
    },
    /// Nothing more will be added to the job.
    JobSealed {
        /// The job.
        key: JobKey,
    },
    /// A new attempt was handed to an executor.
    TaskPlaced {
        /// The task; its attempt number rises by one.
        task: TaskKey,
        /// Where.
        executor: ExecutorId,
    },
    /// A new attempt of each of a gang's members was handed to an executor. One fact, so that
    /// whoever recovers sees the whole gang or none of it.
    GangPlaced {
        /// The job.
        job: JobKey,
        /// The members' indexes and where each is; their attempt numbers rise by one.
        placements: Vec<(u32, ExecutorId)>,
    },
    /// The current attempt ended without ending the task: it is to be placed again.
    AttemptEnded {
        /// The task.
        task: TaskKey,
        /// Why, and whether it counts as one of the task's retries.
        cause: AttemptCause,
    },
    /// The task has its final state.
    TaskEnded {
        /// The task.
        task: TaskKey,
        /// How it ended.
        end: TaskEnd,
    },
    /// An actor was told to end.
    ActorStopping {
        /// Its task.
        task: TaskKey,
    },
    /// An actor's incarnation has kept its state for the next.
    ActorCheckpointed {
        /// Its task.
        task: TaskKey,
        /// The state.
        state: Value,
    },
    /// Every task of a closed job has ended.
    JobEnded {
        /// The job.
        key: JobKey,
    },
    /// The job is no longer kept.
    JobForgotten {
        /// The job.
        key: JobKey,
    },
    /// The last replica of an object is gone.
    ObjectLost {
        /// Its key.
        key: ObjectKey,
    },
    /// A client put an object.
    ObjectPut {
        /// Its key.
        key: ObjectKey,
        /// Its public id.
        object: ObjectId,
        /// What it is.
        report: ObjectReport,
    },
    /// A client no longer needs a put object.
    ObjectReleased {
        /// Its key.
        key: ObjectKey,
    },
}

/// Why an attempt ended without ending its task.
#[derive(Clone, PartialEq, Debug)]
pub enum AttemptCause {
    /// It failed, and the task's policy allows another.
    Failed(Failure),
    /// It was taken back before it started; not counted as a retry.
    Recalled,
    /// It was cancelled because another member of its gang starts again; not counted as a retry.
    Disbanded,
}

/// A task's final state. It never changes.
#[derive(Clone, PartialEq, Debug)]
pub enum TaskEnd {
    /// It made its outputs.
    Succeeded(SmallVec<[ObjectReport; 1]>),
    /// It failed for good, or could never run.
    Failed(Failure),
    /// Someone cancelled it, or a task that it needs.
    Cancelled,
}

/// Work for the shell, in order: what follows an `Append` waits until it is durable.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Make this durable.
    Append(Fact),
    /// Tell an executor.
    Send {
        /// The executor.
        executor: ExecutorId,
        /// What to tell it.
        message: ToExecutor,
    },
    /// End an executor's connection: it was not heard for too long.
    Disconnect {
        /// The executor.
        executor: ExecutorId,
    },
    /// Answer a client.
    Reply {
        /// The request.
        request: RequestId,
        /// The answer.
        answer: Result<Reply, Refusal>,
    },
    /// Tell whoever watches a job.
    Notify {
        /// The job.
        job: JobKey,
        /// What happened.
        event: JobEvent,
    },
}

/// Commands in the order in which they are to be carried out.
pub type Commands = Vec<Command>;

/// A request was granted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The job is admitted, or was before under the same token.
    JobAdmitted {
        /// Its public id.
        job: JobId,
        /// Its key.
        key: JobKey,
        /// How many tasks it has.
        tasks: u32,
        /// Whether an earlier submission with the same token made it.
        existing: bool,
    },
    /// The tasks are part of the job.
    TasksAdded {
        /// The first one's index.
        first_task: u32,
        /// How many tasks the job has now.
        tasks: u32,
    },
    /// Nothing more can be added to the job.
    JobClosed,
    /// The tasks waited for have ended, in the order in which they were named.
    TasksEnded {
        /// Their states.
        states: Vec<TaskState>,
    },
    /// So many tasks were cancelled.
    Cancelled {
        /// How many, dependents included.
        tasks: u32,
    },
    /// The executor is being emptied.
    Draining,
    /// The object is there.
    ObjectPut,
    /// The object goes when no task needs it.
    ObjectReleased,
    /// The actor ends when it has served the calls that it has.
    ActorStopping,
}

/// Why a request was refused. A refusal changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such job.
    #[error("there is no job {job}")]
    UnknownJob {
        /// The job asked for.
        job: JobId,
    },
    /// The job has ended.
    #[error("{job} has ended; nothing can be added to it")]
    JobEnded {
        /// The job.
        job: JobId,
    },
    /// The job takes no more tasks.
    #[error(
        "{job} is closed: tasks are added to jobs with `open: true` until they are closed, and by \
         actors and processes that spawn"
    )]
    JobSealed {
        /// The job.
        job: JobId,
    },
    /// There is no such task.
    #[error("{job} has no task {task}; its tasks go from 0 to {last}")]
    UnknownTask {
        /// The job.
        job: JobId,
        /// The index asked for.
        task: u32,
        /// The last task's index.
        last: i64,
    },
    /// The attempt that wants to wait does not run, or not any more.
    #[error("{job} has no running attempt {attempt} of task {task}")]
    NotRunning {
        /// The job.
        job: JobId,
        /// The task named.
        task: u32,
        /// The attempt's number.
        attempt: u32,
    },
    /// An attempt would wait for itself: directly, through what a task needs, or through others
    /// that wait.
    #[error(
        "task {task} of {job} cannot wait for itself, nor for a task that needs it or waits for it"
    )]
    WaitsForItself {
        /// The job.
        job: JobId,
        /// The task.
        task: u32,
    },
    /// An addition does not follow on what the job has.
    #[error("{job} has {expected} tasks, so an addition starts at {expected}, not at {first_task}")]
    WrongFirstTask {
        /// The job.
        job: JobId,
        /// The job's number of tasks.
        expected: u32,
        /// The addition's `first_task`.
        first_task: u32,
    },
    /// A name is taken.
    #[error("{job} has a task, output or gang named {name:?} already")]
    DuplicateName {
        /// The job.
        job: JobId,
        /// The name.
        name: String,
    },
    /// There is no such put object.
    #[error("there is no object {object}; it was never put, or was released")]
    UnknownObject {
        /// The object.
        object: ObjectId,
    },
    /// The object was dropped after its last use.
    #[error(
        "output {output} of task {task} was dropped after its last use; name it as an output to keep it"
    )]
    ObjectDropped {
        /// The task that made it.
        task: u32,
        /// Which output.
        output: u16,
    },
    /// A token was used for another graph before.
    #[error("token {token:?} belongs to {job}, which was made from another graph")]
    TokenReused {
        /// The token.
        token: String,
        /// The job that has it.
        job: JobId,
    },
    /// No executor could ever run a task.
    #[error(
        "{task} fits no executor: {}; change the request, add an executor, or let it wait for one (wait_for_resources, --wait-for-resources)",
        describe(reasons)
    )]
    Impossible {
        /// The task's index in its job.
        index: u32,
        /// The task, for people.
        task: String,
        /// For each variant and executor, what is in the way.
        reasons: Vec<Obstacle>,
    },
    /// No executors could ever run a gang at once.
    #[error(
        "{shortage}; add executors, let it ask for less, or let it wait for them (wait_for_resources, --wait-for-resources)"
    )]
    ImpossibleGang {
        /// The gang's index in the graph.
        index: u32,
        /// What it needs and what there is.
        shortage: Shortage,
    },
    /// There is no such executor.
    #[error("there is no executor {executor}")]
    UnknownExecutor {
        /// The executor asked for.
        executor: ExecutorId,
    },
    /// An actor's name is taken.
    #[error("{job} has an actor named {name:?} already; names are unique in the cluster")]
    ActorNameTaken {
        /// The name.
        name: String,
        /// The job whose actor has it.
        job: JobId,
    },
    /// No actor has that name.
    #[error("there is no actor named {name:?}; it was never made, or has ended")]
    UnknownActor {
        /// The name asked for.
        name: String,
    },
    /// The task makes no actor.
    #[error("task {task} of {job} is no actor")]
    NotAnActor {
        /// The job.
        job: JobId,
        /// The task.
        task: u32,
    },
    /// A task would wait for an actor's end.
    #[error("task {task} of {job} is an actor; a task cannot wait for its end, call it instead")]
    WaitsForActor {
        /// The job.
        job: JobId,
        /// The actor's task.
        task: u32,
    },
}

/// What keeps a variant from an executor, however idle it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Obstacle {
    /// The executor's name; empty where there is no executor at all.
    pub executor: String,
    /// The variant's index.
    pub variant: u8,
    /// The reason.
    pub cause: ObstacleCause,
}

/// Why a variant cannot run on an executor, however idle it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ObstacleCause {
    /// No executor has joined.
    NoExecutor,
    /// It is too small.
    TooSmall(Shortfall),
    /// Labels or taints keep it away.
    Constraint(String),
    /// The executor does not know the kernel or runs no processes.
    CannotRun(String),
    /// The executor is being emptied.
    Draining,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.cause {
            ObstacleCause::NoExecutor => return f.write_str("no executor has joined"),
            ObstacleCause::TooSmall(shortfall) => write!(f, "{shortfall}")?,
            ObstacleCause::Constraint(reason) => write!(f, "{reason}")?,
            ObstacleCause::CannotRun(what) => write!(f, "cannot run {what}")?,
            ObstacleCause::Draining => f.write_str("is being drained")?,
        }
        write!(f, " (variant {} on {})", self.variant, self.executor)
    }
}

/// The first few obstacles in words.
fn describe(obstacles: &[Obstacle]) -> String {
    const SHOWN: usize = 4;
    let mut text = obstacles.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>();
    if obstacles.len() > SHOWN {
        text.push(format!("and {} more", obstacles.len() - SHOWN));
    }
    text.join("; ")
}

/// Something that watchers of a job hear of.
#[derive(Clone, PartialEq, Debug)]
pub enum JobEvent {
    /// The job has more tasks.
    TasksAdded {
        /// The first new one.
        first_task: u32,
        /// How many are new.
        tasks: u32,
    },
    /// An attempt has started. Not told of attempts that end at once.
    TaskStarted {
        /// The task.
        task: u32,
        /// The attempt's number.
        attempt: u32,
        /// Where.
        executor: ExecutorId,
    },
    /// An attempt has failed and another follows.
    TaskRetried {
        /// The task.
        task: u32,
        /// The failed attempt's number.
        attempt: u32,
        /// Why it failed.
        failure: Failure,
        /// How long until the task is ready again.
        delay: Duration,
        /// Where and when the failed attempt was. Boxed: most events are of another kind.
        span: Box<AttemptSpan>,
    },
    /// A task has its final state.
    TaskEnded {
        /// The task.
        task: u32,
        /// The last attempt's number, 0 when there was none.
        attempt: u32,
        /// Where the last attempt ran.
        executor: Option<ExecutorId>,
        /// The final state.
        state: TaskState,
        /// Why it did not succeed.
        failure: Option<Failure>,
        /// How long the last attempt ran.
        run_time: Duration,
    },
    /// Every task has ended.
    JobEnded {
        /// The job's final state.
        state: JobState,
    },
}

/// A task's state, for people and programs outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TaskState {
    /// Tasks that it needs have not succeeded yet, or it waits out a back-off.
    Waiting,
    /// It could run and waits for its turn.
    Ready,
    /// An executor has it in its queue.
    Queued,
    /// It runs.
    Running,
    /// It made its outputs.
    Succeeded,
    /// It failed for good, or could never run.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl TaskState {
    /// Every state, in the order of a task's life.
    pub const ALL: [TaskState; 7] = [
        TaskState::Waiting,
        TaskState::Ready,
        TaskState::Queued,
        TaskState::Running,
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Cancelled,
    ];

    /// The name used in messages, metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            TaskState::Waiting => "waiting",
            TaskState::Ready => "ready",
            TaskState::Queued => "queued",
            TaskState::Running => "running",
            TaskState::Succeeded => "succeeded",
            TaskState::Failed => "failed",
            TaskState::Cancelled => "cancelled",
        }
    }

    /// Whether it never changes.
    pub const fn is_final(self) -> bool {
        matches!(self, TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled)
    }
}

/// A job's state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum JobState {
    /// Tasks are left, or the job is open for more.
    Running,
    /// Every task succeeded.
    Succeeded,
    /// A task failed.
    Failed,
    /// A task was cancelled and none failed.
    Cancelled,
}

impl JobState {
    /// The name used in messages, metrics and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            JobState::Running => "running",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }
}
