//! Why a kernel did not finish.

use drawloom_signature::SignatureError;

/// Why a kernel did not finish.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KernelError {
    /// No kernel of that name has a CPU form.
    #[error("there is no kernel {0:?}")]
    UnknownKernel(String),
    /// The inputs or attributes are not what the kernel takes.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The inputs have the right types, but what they hold cannot be computed with.
    #[error("{kernel}: {message}")]
    Invalid {
        /// The kernel.
        kernel: &'static str,
        /// What is at fault, and where.
        message: String,
    },
    /// The context's flag told it to stop.
    #[error("cancelled")]
    Cancelled,
    /// There is no memory for the outputs.
    #[error("there is no memory for outputs of {bytes} bytes")]
    OutOfMemory {
        /// How much was asked for.
        bytes: u64,
    },
    /// The caller could not make memory for the outputs for another reason.
    #[error("outputs: {0}")]
    Outputs(String),
}
