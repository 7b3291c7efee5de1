//! What devices of a compute capability can do.

/// Shared memory of a block without asking for more.
pub const DEFAULT_SHARED: u32 = 48 << 10;

/// Shared memory that a block may ask for.
pub fn opt_in_shared(capability: (u32, u32)) -> u32 {
    let kib = match capability {
        (7, 0) => 96,
        (7, _) => 64,
        (8, 0 | 7) => 163,
        (8, _) => 99,
        (9 | 10, _) => 227,
        (major, _) if major > 10 => 99,
        _ => 48,
    };
    kib << 10
}

/// Shared memory of a multiprocessor.
pub fn multiprocessor_shared(capability: (u32, u32)) -> u32 {
    let kib = match capability {
        (7, 0) => 96,
        (7, _) => 64,
        (8, 0 | 7) => 164,
        (8, _) => 100,
        (9 | 10, _) => 228,
        (major, _) if major > 10 => 100,
        _ => 64,
    };
    kib << 10
}

/// Threads that a multiprocessor holds.
pub fn multiprocessor_threads(capability: (u32, u32)) -> u32 {
    match capability {
        (7, 5) => 1024,
        (8, 6 | 7 | 9) | (12, _) => 1536,
        _ => 2048,
    }
}

/// Blocks that a multiprocessor holds.
pub fn multiprocessor_blocks(capability: (u32, u32)) -> u32 {
    match capability {
        (7, 5) | (8, 6 | 7) => 16,
        (8, 9) | (12, _) => 24,
        _ => 32,
    }
}
