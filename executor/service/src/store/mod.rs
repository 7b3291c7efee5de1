//! Where objects live on this executor.

mod arena;
mod host;

pub use arena::{Arena, ArenaFull, Draft};
pub use host::Store;
