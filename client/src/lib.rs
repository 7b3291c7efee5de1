//! Async Rust SDK for Drawloom: build graphs, submit them, follow them, put and get objects.
//!
//! ```no_run
//! # async fn example() -> Result<(), drawloom_client::Error> {
//! use drawloom_client::{Client, GraphBuilder, attributes};
//!
//! let client = Client::connect("http://127.0.0.1:7070").await?;
//! let mut graph = GraphBuilder::new("example");
//! let task = graph.task("busy", attributes([("iterations", 1_000_000)])).add();
//! graph.output("checksum", task.output(0));
//! let report = client.submit(graph.build()).await?.wait().await?;
//! println!("{}", report.state);
//! # Ok(())
//! # }
//! ```
//!
//! One [`Client`] holds one connection; every submission goes over the same stream, and so do the
//! events of the jobs that it made. A thread with a single-threaded runtime serves it fastest.

mod client;
mod error;
mod event;
mod graph;
mod grpc;
mod job;
mod transport;
mod view;

pub use client::Client;
/// How tasks start together.
pub use drawloom_model::{Demand, Gang, GangStrategy, Shared, Topology};
pub use error::Error;
pub use event::{EventBatch, JobEvent, JobState, TaskState};
pub use graph::{GraphBuilder, IntoAttribute, TaskBuilder, TaskHandle, TemplateHandle, attributes};
pub use job::{JobHandle, JobReport};
/// The kinds of refusal.
pub use tonic::Code;
pub use transport::{
    Addition, Admission, Answer, EVENT_BATCHES, EventReceiver, Submission, Transport,
};
pub use view::{
    ClusterView, ExecutorView, Explanation, JobDetail, JobView, ListedObject, ObjectRef,
    ObjectState, ObjectView, Page, PageRequest, TaskCounts, TaskNeeds, TaskRef, TaskView,
};
