//! The kernel catalogue's CUDA forms, as far as they need no GPU: the PTX of `kernels/cuda`, and how a
//! call becomes launches of it.
//!
//! [`plan`] takes a call and its inputs' types and tells what to do: which memory to have beside
//! inputs and outputs, which kernels of which [`Module`] to launch in order, and what to look at when
//! they have ended. It is pure; whoever has a device carries plans out. Grids and everything that
//! results depend on follow from the call alone, so a plan gives the same results on every device,
//! but for which units multiply halves.
//!
//! Users' own kernels become plans, too, see [`plan_for_user`].
//!
//! The families' files have the kernels in the order in which `drawloom-signature` declares them.

mod argument;
mod builder;
mod cpu_only;
mod error;
mod family;
mod meeting;
mod module;
mod plan;
mod registry;
mod users;

pub use argument::{Argument, Buffer};
pub use cpu_only::CPU_ONLY;
pub use drawloom_signature::CudaError;
pub use error::PlanError;
pub use module::{Module, ModuleRef, UserModule, modules};
pub use plan::{Check, Condition, Device, Launch, Plan, Product, Scratch, plan};
pub use registry::names;
pub use users::{Entry, Limits, ParameterType, entries, plan_for_user};
