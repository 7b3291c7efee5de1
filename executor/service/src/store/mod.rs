//! Where objects live on this executor.

mod arena;
mod arrivals;
mod buffer;
mod host;
mod memory;
mod mover;
mod resident;
mod room;
mod spill;

pub(crate) use arena::Place;
pub(crate) use buffer::Buffer;
pub(crate) use host::{Kept, Store};
pub(crate) use memory::Draft;
pub use memory::NoRoom;
pub(crate) use mover::Mover;
pub(crate) use resident::Resident;
pub(crate) use spill::{PIECE_BYTES, SpillDirectory, SpilledObject};
