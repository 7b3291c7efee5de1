//! A scheduler and an executor inside the caller's process.
