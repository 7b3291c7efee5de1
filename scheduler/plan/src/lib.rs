//! Plans whole task graphs ahead of their run.
//!
//! A [`Problem`] is a task graph with a time for each task on each kind of processor, and processors
//! at places between which data takes time to move. A [`Planner`] turns it into a [`Schedule`]: who
//! runs what, and when. [`Schedule::check`] says, by rules of its own, whether that can be; a
//! [`Bounds`] says how much shorter any schedule could be. Pure: no clock, no I/O, and the same
//! problem with the same seed gives the same schedule.

mod bound;
mod check;
mod improve;
mod list;
mod partial;
mod planner;
mod problem;
mod rank;
mod schedule;

pub use bound::Bounds;
pub use check::Violation;
pub use planner::{PLANNERS, Planner, planner};
pub use problem::{Link, Problem, ProblemBuilder, ProblemError, Processor};
pub use schedule::{Schedule, Slot};
