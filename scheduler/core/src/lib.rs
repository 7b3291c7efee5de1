//! The machine that decides what runs where, without I/O.

mod event;

pub use event::{
    AttemptCause, Command, Commands, Event, Fact, JobEvent, JobState, Obstacle, ObstacleCause,
    Refusal, Reply, TaskEnd, TaskState,
};
