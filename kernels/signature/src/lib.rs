//! The kernel catalogue's typed signatures: what each kernel takes, makes and costs.
//!
//! Nothing is computed here. Clients, the scheduler and graph files check graphs with
//! [`check_graph`] before anything runs; executors check again with [`Signature::infer`] when the
//! inputs are at hand. A family of kernels is a file of [`mod@catalogue`].

mod arguments;
mod attribute;
pub mod axes;
pub mod catalogue;
mod check;
mod cuda;
mod error;
mod order;
mod rule;
mod signature;
mod value_type;
pub mod windows;

pub use arguments::Arguments;
pub use attribute::{AttributeKind, AttributeSpec, Constant, Presence};
pub use catalogue::{catalogue, find, suggest};
pub use check::{CheckError, GraphTypes, check_graph};
pub use cuda::{CudaCall, CudaError, Parameter};
pub use error::SignatureError;
pub use signature::{Arity, Cost, InputKind, InputSpec, OutputSpec, Signature};
pub use value_type::ValueType;

/// The largest tensor a kernel may make: 1 TiB.
pub const TENSOR_LIMIT_BYTES: u64 = 1 << 40;
