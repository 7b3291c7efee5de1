//! Graph files: TOML, YAML, JSON and Starlark programs turned into task graphs.
//!
//! [`load`] reads a file by its extension. Plain files (`.toml`, `.yaml`, `.yml`, `.json`) become
//! one tree of nodes that know their lines, and that tree is deserialised into the very structs
//! that [`schema`] describes. Programs (`.star`) call functions that add tasks; their options go
//! through the same structs. Either way the graph is checked as the scheduler would check it, and
//! every error names the line and the field at fault.

mod build;
mod constant;
mod data;
mod error;
mod load;
mod node;
mod plain;
mod star;
mod suggest;

pub use data::FileObject;
pub use error::LoadError;
pub use load::{LoadOptions, Loaded, Place, load};
pub use plain::schema;
