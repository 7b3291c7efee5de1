//! Workloads, and what they take from end to end.
//!
//! *Remote* means client, scheduler and executor as three processes over gRPC; *embedded* means
//! all of them in this one. Every figure is the median of repeated runs, told with its extremes.

mod actor;
mod data;
mod kernels;
mod measure;
mod record;
mod remote;
mod suite;
mod waiting;
mod workload;

pub use kernels::{KernelOptions, UNMEASURED};
pub use record::{KernelFigures, Mode, Record, Sample, Transport};
pub use suite::{Bench, Options, run};
pub use workload::{chain, forkjoin, noops, tree, waiting};
