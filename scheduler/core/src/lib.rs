//! The machine that decides what runs where, without I/O.
//!
//! [`Scheduler::handle`] takes [`Event`]s in and gives [`Command`]s out; among them are
//! [`Fact`]s, the journaled changes of durable [`State`]. Time comes in as an argument, ties are
//! broken by ids, and nothing here reads a clock, a socket or a random number: production, the
//! simulator and the tests drive this same code.

#[cfg(test)]
mod actor_examples;
mod callees;
mod class;
mod cluster;
mod config;
mod cost;
mod estimate;
mod event;
#[cfg(test)]
mod examples;
mod gang;
mod ledger;
mod load;
mod near;
pub mod policy;
#[cfg(test)]
mod properties;
mod queue;
mod rank;
mod scheduler;
mod state;
mod summary;
mod timers;
mod transfers;
mod waits;

pub use config::Config;
pub use event::{
    ActorTarget, AttemptCause, Command, Commands, Event, Fact, JobEvent, JobState, Obstacle,
    ObstacleCause, Refusal, Reply, TaskEnd, TaskState,
};
pub use gang::Shortage;
pub use ledger::{Account, Claim, Conflict, commit_all};
pub use scheduler::Scheduler;
pub use state::State;
pub use summary::{
    ActorSummary, Counters, ExecutorSummary, Explanation, JobSummary, ListedObject, ObjectState,
    ObjectSummary, Origin, TaskCounts, TaskSummary,
};
