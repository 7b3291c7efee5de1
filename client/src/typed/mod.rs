//! Objects whose Rust type is known.

mod data;
mod graph;
mod handle;

pub use data::{Data, Element, ShapeMismatch, Tensor, WrongType};
pub(crate) use graph::Declared;
pub use graph::TypeError;
pub use handle::{Inputs, Object, Output};
