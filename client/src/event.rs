//! What watchers of a job hear.

use std::fmt;
use std::time::Duration;

use drawloom_model::{AttemptSpan, ExecutorId, Failure};

/// A task's state.
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

    /// The name used in messages and JSON.
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

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<TaskState> {
        TaskState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether it never changes.
    pub const fn is_final(self) -> bool {
        matches!(self, TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
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
    /// Every state.
    pub const ALL: [JobState; 4] =
        [JobState::Running, JobState::Succeeded, JobState::Failed, JobState::Cancelled];

    /// The name used in messages and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            JobState::Running => "running",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<JobState> {
        JobState::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something that happened to a job.
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
        /// Where and when the failed attempt was.
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
    /// Every task has ended; the last event.
    JobEnded {
        /// The job's final state.
        state: JobState,
    },
}

/// Events in order and without gaps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct EventBatch {
    /// The first event's number in its job, counted from 0.
    pub first_seq: u64,
    /// The events.
    pub events: Vec<JobEvent>,
}
