//! What the driver's management library (NVML) tells of GPUs, on top of nvml-wrapper: which there
//! are, how they are joined, how they do and what happened to them.
//!
//! It numbers devices in an order of its own, so whoever knows them from CUDA finds them again by
//! their uuids or their places on the bus: [`place_of`]. Nothing here fails for want of the library
//! or of one of its functions: what it does not tell is not known.

mod bus;
mod library;
mod place;
mod topology;
mod watch;
mod xid;

pub use bus::Bus;
pub use library::Library;
pub use place::{Found, place_of};
pub use watch::{Sample, Watch};
pub use xid::{Verdict, verdict};
