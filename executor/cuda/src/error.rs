//! What goes wrong on a device.

use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;
use drawloom_kernels_gpu::{CudaError, PlanError};

/// What went wrong.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Error {
    /// There is no plan for the call.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A user's kernel cannot be called so.
    #[error("cuda.{0}")]
    User(#[from] CudaError),
    /// A user's source does not compile; the compiler's log.
    #[error("cuda.source: {0}")]
    Compile(String),
    /// A user's source cannot be compiled here, and why.
    #[error("{0}")]
    NoCompiler(String),
    /// The call's inputs hold what the kernel does not take; its outputs are of no use.
    #[error("{0}")]
    Data(String),
    /// The device has no memory for so much more.
    #[error("the device's memory is full: {wanted_bytes} bytes wanted")]
    OutOfMemory {
        /// How much was wanted at once.
        wanted_bytes: u64,
    },
    /// What was to be copied from another device cannot be read there.
    #[error("an input is not to be had from another device: {0}")]
    Source(String),
    /// The device, or what runs on it, has failed.
    #[error("the device failed to {what}: {code:?}: {message}")]
    Device {
        /// What it was to do.
        what: &'static str,
        /// The driver's code.
        code: CUresult,
        /// The driver's words.
        message: String,
    },
}

impl Error {
    /// A driver's answer to a request.
    pub(crate) fn driver(what: &'static str) -> impl Fn(DriverError) -> Error {
        move |error| Error::Device { what, code: error.0, message: words(error) }
    }

    /// The same of a request that needs memory.
    pub(crate) fn memory(what: &'static str, wanted_bytes: u64) -> impl Fn(DriverError) -> Error {
        move |error| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Error::OutOfMemory { wanted_bytes },
            _ => Error::driver(what)(error),
        }
    }
}

/// What the driver says of its code, where it says anything.
fn words(error: DriverError) -> String {
    match (error.error_name(), error.error_string()) {
        (_, Ok(text)) => text.to_string_lossy().into_owned(),
        (Ok(name), Err(_)) => name.to_string_lossy().into_owned(),
        (Err(_), Err(_)) => "no words for it".to_owned(),
    }
}
