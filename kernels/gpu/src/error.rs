//! Why a call has no plan.

use drawloom_signature::SignatureError;

/// Why a call has no plan.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// No kernel has that name.
    #[error("there is no kernel {0:?}")]
    UnknownKernel(String),
    /// The inputs or attributes are not what the kernel takes.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The inputs have the right types, but there is nothing to compute: the CPU twin says the same.
    #[error("{kernel}: {message}")]
    Invalid {
        /// The kernel.
        kernel: &'static str,
        /// What is at fault.
        message: String,
    },
    /// The call is for the CPU twin: the kernel has no CUDA form, or tensors are beyond what it is made
    /// for.
    #[error("{kernel} has no CUDA form for this call: {reason}")]
    Unsupported {
        /// The kernel.
        kernel: &'static str,
        /// What there is no form for.
        reason: String,
    },
}
