//! Actors: state that lives on this executor and answers calls.
//!
//! Each incarnation has a [`mailbox`] and a thread. Calls come as tasks from the driver, straight
//! from callers over gRPC ([`serve`]), or from callers in the same process ([`LocalActors`]).

mod body;
mod builtin;
mod delivery;
mod frame;
mod host;
mod local;
mod mailbox;
mod process;
mod serve;
mod types;
mod watch;

pub use delivery::CallResult;
pub(crate) use delivery::{Delivery, ReplyTo};
pub(crate) use host::{Actors, Start};
pub use local::{LocalActor, LocalActors};
pub(crate) use serve::CallServer;
pub use types::{Actor, ActorTypes, Construction, Context};
