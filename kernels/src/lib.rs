//! The kernels' CPU forms: what the catalogue declares, computed on the cores a task was given.
//!
//! [`run`] checks a call against its signature once more, now with concrete types, asks the
//! caller for memory for the outputs, and computes. Results do not depend on the number of cores:
//! work is split the same way however many take part in it.

mod broadcast;
mod call;
mod context;
mod control;
mod convert;
mod convolution;
mod dropout;
mod element;
mod elementwise;
mod embedding;
mod error;
mod fill;
mod gather;
mod image;
mod layer_norm;
mod layout;
mod loss;
mod matmul;
mod matrix;
mod optimizer;
mod patches;
mod philox;
mod pooling;
mod reduce;
mod registry;
mod scratch;
mod softmax;
mod table;
#[cfg(test)]
mod trial;
mod vector;

pub use call::{Operand, Outputs};
pub use context::CpuContext;
pub use error::KernelError;
pub use registry::{names, run};
