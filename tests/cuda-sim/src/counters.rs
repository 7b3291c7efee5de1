//! What kernels and copies did so far, for tests and benchmarks.

use std::sync::atomic::{AtomicU64, Ordering};

static LAUNCHES: AtomicU64 = AtomicU64::new(0);
static INSTRUCTIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static PAGEABLE: AtomicU64 = AtomicU64::new(0);
static PINNED: AtomicU64 = AtomicU64::new(0);

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

/// Counts a copy between host and device.
pub fn add_copy(bytes: u64, is_pinned: bool) {
    let counter = if is_pinned { &PINNED } else { &PAGEABLE };
    counter.fetch_add(bytes, Ordering::Relaxed);
}

/// Bytes copied between devices and the host's pageable memory, and its pinned memory.
pub fn read_copies() -> [u64; 2] {
    [&PAGEABLE, &PINNED].map(|counter| counter.load(Ordering::Relaxed))
}
