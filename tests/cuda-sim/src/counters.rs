//! What kernels did so far, for tests and benchmarks.

use std::sync::atomic::{AtomicU64, Ordering};

static LAUNCHES: AtomicU64 = AtomicU64::new(0);
static INSTRUCTIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// Counts a launch.
pub fn add(instructions: u64, bytes: u64) {
    LAUNCHES.fetch_add(1, Ordering::Relaxed);
    INSTRUCTIONS.fetch_add(instructions, Ordering::Relaxed);
    BYTES.fetch_add(bytes, Ordering::Relaxed);
}

/// Launches, instructions of warps, bytes of global memory.
pub fn read() -> [u64; 3] {
    [&LAUNCHES, &INSTRUCTIONS, &BYTES].map(|counter| counter.load(Ordering::Relaxed))
}
