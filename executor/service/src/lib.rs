//! An executor: runs tasks on one machine and keeps the objects they make.
//!
//! [`start`] runs one inside another process, [`run_remote`] as a process of its own that attaches
//! to a scheduler over gRPC. What is decided, is decided in `drawloom-executor-core`; the
//! driver round it is one loop that owns the core, carries its commands out and never
//! blocks: kernels and processes run on worker threads, transfers on the runtime.

mod actor;
mod cancellation;
mod cgroup;
mod config;
mod discover;
mod driver;
mod gpu;
mod leftovers;
mod link;
mod local;
pub mod metrics;
mod quarters;
mod runner;
mod start;
mod store;
mod transfer;

pub use actor::{Actor, ActorTypes, CallResult, Construction, Context, LocalActor, LocalActors};
pub use config::Config;
pub use discover::{Machine, discover};
pub use driver::{FromExecutorSender, ToExecutorReceiver};
pub use link::run_remote;
pub use start::{ExecutorError, Handle, LocalObjects, Usage, start};
pub use store::NoRoom;
