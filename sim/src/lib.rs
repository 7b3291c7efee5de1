//! Compares scheduling policies on task graphs and platforms.
//!
//! A [`Workload`] is a task graph, read from a file or generated; a [`Platform`] is a set of
//! processors, places and links with a name. [`Case`] joins the two to a problem; [`Case::run`] plans
//! it under a policy, checks the schedule by rules that no planner knows of, and tells the makespan
//! beside the lower bounds.
//!
//! [`Packing`] is the other half: pods that ask for GPUs arrive at a cluster one by one, and what counts is
//! how much of the GPUs they can be packed on.

mod case;
mod drive;
mod error;
mod packing;
mod platform;
mod run;
mod workload;

pub use case::Case;
pub use error::{Place, SimError};
pub use packing::{Packing, PackingRecord, packing_policies};
pub use platform::{Platform, names as platform_names};
pub use run::{Mode, Record, RunOptions, policies};
pub use workload::{Format, Workload, load};
