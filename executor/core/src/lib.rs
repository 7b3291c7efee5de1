//! The executor's own decisions, without I/O: admission, local release, staging.
//!
//! [`Executor`] takes [`Event`]s in and gives [`Command`]s out; the service round it fetches
//! objects, runs attempts and talks to the scheduler. Time comes in as an argument, and the same
//! events give the same commands.

mod admission;
mod attempts;
mod cores;
mod event;
mod executor;
mod hash;
mod objects;
mod room;

pub use cores::Cores;
pub use event::{Command, Config, Event, KillReason, Turn};
pub use executor::Executor;
pub use hash::FastHasher;
pub use room::{RoomAnswer, RoomFor, RoomId};
