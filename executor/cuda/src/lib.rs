//! What an executor does on a CUDA device, on top of cudarc: finding devices, memory, copies, and
//! carrying out plans of `drawloom-kernels-gpu`.
//!
//! Nothing here decides anything: which object is where, what goes when memory is short and which
//! call runs next is the executor's business. All `unsafe` of the executor's device side is here.
#![allow(unsafe_code)]

mod blas;
mod buffer;
mod device;
mod error;
mod fault;
mod lane;
mod nvidia;
mod probe;
mod recent;
mod simulated;
mod source;
mod staging;
mod users;

pub use buffer::Buffer;
pub use device::{Device, Properties};
pub use drawloom_kernels_gpu::Plan;
pub use error::Error;
pub use fault::{Fault, reset};
pub use lane::{Flight, Lane};
pub use probe::{Missing, devices, open};
pub use simulated::simulate;
pub use source::{Compiler, Settings};
