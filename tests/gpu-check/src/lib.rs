//! Checks a CUDA device: every kernel of the catalogue against its CPU twin, and figures of what the
//! device and this code do, beside what the device could do at most.
//!
//! `cargo xtask gpu-check` runs it. The same calls are the tests of `kernels/gpu`; there and with
//! `--simulated` they run on the simulated driver, whose figures mean nothing.

pub mod driver;
pub mod limits;
pub mod measure;
pub mod suite;
