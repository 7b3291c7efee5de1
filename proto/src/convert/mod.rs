//! Conversions between generated types and the model, checked wherever they come from the wire.

mod actor;
mod cost;
mod cuda;
mod executor;
mod gang;
mod graph;
mod object;
mod template;

use std::time::Duration;

pub use graph::{append_chunk, split_graph};
pub(crate) use object::object_type;
pub use object::wire_type;
pub(crate) use template::{attributes, wire_attributes};

/// A span in nanoseconds; spans of more than 584 years are cut.
pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
