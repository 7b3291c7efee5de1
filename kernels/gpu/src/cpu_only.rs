//! The kernels that a GPU has no use for.

/// Kernels without a CUDA form, in alphabetical order: they read and write files' bytes, keep a core
/// busy, or do nothing.
pub const CPU_ONLY: &[&str] = &["busy", "noop", "read_csv", "read_npy", "write_csv", "write_npy"];
