//! The driver: devices, contexts, streams, and the C functions over them.

#[macro_use]
mod export;

mod api_blas;
mod api_context;
mod api_control;
mod api_copy;
mod api_device;
mod api_event;
mod api_graph;
mod api_launch;
mod api_memory;
mod api_misc;
mod api_module;
mod api_pool;
mod api_stream;
pub mod blas;
pub mod capture;
pub mod context;
pub mod device;
pub mod error;
pub mod event;
pub mod handles;
pub mod kernel;
pub mod limits;
pub mod order;
pub mod stream;
pub mod system;
pub mod work;
