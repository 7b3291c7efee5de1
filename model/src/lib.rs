//! The words of Drawloom: what a job, a task, an object and a resource are.
//!
//! Plain data without I/O, shared by every other crate. Code that decides lives in the cores,
//! code that talks to the world in the services.

mod actor;
mod attribute;
mod balance;
mod cost;
mod cuda;
mod executor;
mod expression;
mod failure;
mod gang;
mod graph;
mod id;
mod message;
mod object;
mod resource;
mod span;
mod suggest;
mod template;
mod time;
mod validate;

pub use actor::{
    ActorKind, ActorRef, ActorSpec, CHECKPOINT_LIMIT_BYTES, Call, CallArgument, CallFault,
    CallSpec, DEFAULT_MAILBOX, Lifetime, MAILBOX_LIMIT, WhenFull,
};
pub use attribute::{Attribute, Attributes};
pub use balance::Balance;
pub use cost::{MeasuredCost, RunKind, Way};
pub use cuda::{
    CUDA_SOURCE_LIMIT_BYTES, CudaArgument, CudaScalar, CudaSource, CudaSpec, CudaValue, Real,
};
pub use executor::{DeviceInfo, DeviceKind, DeviceLink, ExecutorInfo, LinkKind, NumaNode};
pub use expression::{Expression, ExpressionError, Scope};
pub use failure::{Failure, FailureKind, FailureKinds};
pub use gang::{Demand, Gang, GangStrategy, Shared, Topology};
pub use graph::{Input, JobOptions, Literal, NamedOutput, OnFailure, Task, TaskGraph};
pub use id::{
    AttemptId, DeviceIndex, ExecutorId, JobId, JobKey, ObjectId, ObjectKey, ParseIdError,
    RequestId, TaskKey, TemplateKey,
};
pub use message::{
    ActorPart, AfterStop, AssignedInput, Assignment, AttemptEnd, DeviceUsage, FromExecutor,
    InputSource, ObjectReport, Outcome, ReplicaPlace, ToExecutor,
};
pub use object::{
    DType, INLINE_LIMIT_BYTES, INLINE_SUM_LIMIT_BYTES, ObjectType, ParseTypeError, Shape, Value,
};
pub use resource::{
    Capacity, DeviceCapacity, GpuRequest, MILLI, ResourceName, ResourceRequest, Shortfall,
};
pub use span::AttemptSpan;
pub use suggest::nearest;
pub use template::{
    Backoff, Constraints, KernelCall, LabelOperator, LabelRequirement, Labels, ProcessInput,
    ProcessOutput, ProcessSpec, RetryPolicy, Run, Taint, Template, Toleration, Variant,
};
pub use time::Time;
pub use validate::{GraphError, Limits, validate};
