//! A whole cluster inside the caller's process: scheduler, one executor and a client, joined by
//! channels. Nothing is encoded on the way, and on a single-threaded runtime no thread hands over
//! to another. What decides is the same code as in the processes of a real cluster.

mod embedded;
mod local;

/// The settings of the embedded executor.
pub use drawloom_executor::Config as ExecutorConfig;
pub use embedded::{Config, Embedded, StartError};
