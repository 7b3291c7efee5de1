//! Actors: found once, then called straight where they live.

mod call;
mod error;
mod handle;
mod view;
mod way;

pub use call::{CallBuilder, PendingCall};
pub use error::CallError;
pub use handle::ActorHandle;
pub use view::{ActorName, ActorPlace, ActorView, Living};
pub use way::{Calls, Outstanding};
