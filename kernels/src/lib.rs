//! The kernels' CPU forms: what the catalogue declares, computed on the cores a task was given.
//!
//! [`run`] checks a call against its signature once more, now with concrete types, asks the
//! caller for memory for the outputs, and computes. Results do not depend on the number of cores:
//! work is split the same way however many take part in it.

mod activation;
mod broadcast;
mod call;
mod compare;
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
mod fold;
mod function;
mod gather;
mod histogram;
mod image;
mod layer_norm;
mod layout;
mod loss;
mod matmul;
mod matrix;
mod merge;
mod npy;
mod npy_header;
mod optimizer;
mod pad;
mod patches;
mod philox;
mod pooling;
mod rank;
mod reduce;
mod registry;
pub mod roofline;
mod scan;
mod scatter;
mod scratch;
mod softmax;
mod sort;
mod step;
mod table;
#[cfg(test)]
mod trial;
mod vector;
mod wide;

pub use call::{Operand, Outputs};
pub use context::CpuContext;
pub use error::KernelError;
pub use registry::{names, run};
