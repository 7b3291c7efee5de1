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
//! Handles can know the Rust type of what tasks make; a [`Job`] then gives results as they come:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use drawloom_client::{GraphBuilder, attributes};
//!
//! // A scheduler and an executor inside this process; the same client as above.
//! let cluster = drawloom_cluster::Embedded::start(Default::default()).await?;
//! let mut graph = GraphBuilder::new("typed");
//! let values = graph.call::<Vec<f32>>("uniform", attributes([("shape", vec![100i64])]), ());
//! let mean = graph.call::<f32>("mean", Default::default(), values);
//! graph.keep("mean", mean);
//! let job = cluster.client().submit(graph.build_checked()?).await?.share();
//! assert!((0.3..0.7).contains(&job.result(mean).await?));
//! cluster.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! A task that does not succeed is told with what led to it:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use drawloom_client::{Error, GraphBuilder, attributes};
//! # let cluster = drawloom_cluster::Embedded::start(Default::default()).await?;
//! let mut graph = GraphBuilder::new("fails");
//! let text = graph.value("text", "a,b\n1,not a number\n".to_owned());
//! let table = graph.call::<Vec<f32>>("read_csv", attributes([("header", true)]), text);
//! let total = graph.call::<f32>("sum", Default::default(), table);
//! let job = cluster.client().submit(graph.build()).await?.share();
//! let Err(Error::Task(error)) = job.result(total).await else { panic!("it cannot succeed") };
//! assert_eq!((error.task, error.root().task), (1, 0));
//! println!("{error}, because {}", error.root());
//! # cluster.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! One [`Client`] holds one connection; every submission goes over the same stream, and so do the
//! events of the jobs that it made. A thread with a single-threaded runtime serves it fastest.

mod actor;
mod client;
mod context;
mod cuda;
mod error;
mod event;
mod events;
mod graph;
mod grpc;
mod job;
mod reconnect;
mod shared;
mod task_error;
#[cfg(test)]
mod testing;
mod transport;
mod typed;
mod view;

pub use actor::{
    ActorHandle, ActorName, ActorPlace, ActorView, CallBuilder, CallError, Calls, Living,
    Outstanding, PendingCall,
};
pub use client::Client;
pub use context::TaskContext;
pub use cuda::{CudaKernel, CudaKernelError, IntoExpression};
/// The words that graphs are made of.
pub use drawloom_model::{Attributes, Input, JobId, ObjectId, TaskGraph, Value};
/// What CUDA kernels of one's own are made of.
pub use drawloom_model::{CudaSpec, DType, Expression, ExpressionError};
/// How tasks start together.
pub use drawloom_model::{Demand, Gang, GangStrategy, Shared, Topology};
/// What was measured.
pub use drawloom_model::{MeasuredCost, RunKind, Way};
pub use error::Error;
pub use event::{EventBatch, JobEvent, JobState, TaskState};
pub use events::JobEvents;
pub use graph::{GraphBuilder, IntoAttribute, TaskBuilder, TaskHandle, TemplateHandle, attributes};
pub use grpc::connect_calls;
pub use job::{JobHandle, JobReport};
pub use reconnect::Reconnect;
pub use shared::{Job, Waited};
pub use task_error::TaskError;
/// The kinds of refusal.
pub use tonic::Code;
pub use transport::{
    Addition, Admission, Answer, EVENT_BATCHES, EventReceiver, Submission, Transport,
};
pub use typed::{
    Data, Element, Inputs, Object, Output, ShapeMismatch, Tensor, TypeError, WrongType,
};
pub use view::{
    ClusterView, ExecutorView, Explanation, JobDetail, JobView, ListedObject, ObjectRef,
    ObjectState, ObjectView, Page, PageRequest, TaskCounts, TaskNeeds, TaskRef, TaskView,
};
