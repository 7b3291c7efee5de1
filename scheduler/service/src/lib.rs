//! The scheduler process around the core: driver, gRPC, sessions, metrics.
//!
//! One task, the [`driver`], owns the core and everything that changes; others talk to it through
//! a [`Handle`]. [`Service`] adds the network: gRPC for clients and executors on loopback or Unix
//! sockets. A program that needs no network starts the driver alone.

mod alarm;
mod clock;
pub mod driver;
mod handle;
mod keeper;
mod latency;
mod log;
mod meter;
pub mod metrics;
pub mod rejection;
mod rpc;
mod service;
mod state_dir;
mod submit;
mod trace;
mod wire;

pub use clock::Clock;
pub use drawloom_proto::Listen;
pub use driver::DriverConfig;
pub use handle::{Admitted, AskError, Attachment, Handle, OrderSender, Stopped};
pub use log::{BeyondEvents, JobLog, Retention};
pub use service::{Config, RequestLimits, Service, ServiceError};
pub use state_dir::{BadCosts, ReadError, StateDir, StateDirError, read_costs};
pub use submit::{Added, SubmitError};
