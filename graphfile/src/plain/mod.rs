//! Plain graph files: their structs, their schema, and how names become references.

mod actor;
mod cuda;
mod file;
mod forms;
mod gang;
mod label;
mod quantity;
mod resolve;

pub(crate) use actor::{ActorEntry, CallEntry};
pub(crate) use cuda::{ArgumentEntry, CudaEntry, RealEntry};
pub use file::schema;
pub(crate) use file::{
    JobEntry, ProcessEntry, RequestEntry, RetryEntry, TaskEntry, VariantEntry, dtype,
};
pub(crate) use forms::{AttributeValue, Nested, OutputEntry};
pub(crate) use gang::GangEntry;
pub(crate) use quantity::TimeSpan;
pub(crate) use resolve::read_plain;
