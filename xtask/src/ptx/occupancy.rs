//! How many warps of a kernel a multiprocessor can hold, of those it has room for (CUDA C++ Programming
//! Guide, technical specifications per compute capability).

use super::assembly::Kernel;

/// A multiprocessor's limits.
struct Limits {
    warps: u32,
    blocks: u32,
    /// Memory that blocks share among their threads, of all blocks together.
    shared_bytes: u32,
    /// What the system takes of it for each block.
    reserved_bytes: u32,
}

const REGISTERS: u32 = 65_536;
/// Registers are given to warps, and memory to blocks, in units of these sizes.
const REGISTER_UNIT: u32 = 256;
const SHARED_UNIT: u32 = 128;

fn limits(architecture: u32) -> Limits {
    let (warps, blocks, shared_kib) = match architecture {
        75 => (32, 16, 64),
        80 => (64, 32, 164),
        86 => (48, 16, 100),
        89 => (48, 24, 100),
        90 | 100 => (64, 32, 228),
        _ => (48, 24, 100),
    };
    let reserved_bytes = if architecture >= 80 { 1024 } else { 0 };
    Limits { warps, blocks, shared_bytes: shared_kib * 1024, reserved_bytes }
}

/// Theoretical occupancy in percent, without memory that launches ask for.
pub(crate) fn occupancy(kernel: &Kernel, architecture: u32) -> u32 {
    let limits = limits(architecture);
    let warps = kernel.threads.div_ceil(32);
    let of_warp = (kernel.registers * 32).next_multiple_of(REGISTER_UNIT);
    let by_registers = REGISTERS / of_warp / warps;
    let shared = kernel.shared_bytes.next_multiple_of(SHARED_UNIT) + limits.reserved_bytes;
    let by_shared = limits.shared_bytes.checked_div(shared).unwrap_or(u32::MAX);
    let blocks = limits.blocks.min(limits.warps / warps).min(by_registers).min(by_shared);
    100 * blocks * warps / limits.warps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(registers: u32, shared_bytes: u32) -> Kernel {
        Kernel { entry: String::new(), registers, spill_bytes: 0, shared_bytes, threads: 256 }
    }

    #[test]
    fn what_is_scarcest_decides() {
        assert_eq!(occupancy(&kernel(32, 0), 80), 100);
        assert_eq!(occupancy(&kernel(64, 0), 80), 50);
        assert_eq!(occupancy(&kernel(152, 0), 86), 16);
        assert_eq!(occupancy(&kernel(32, 32 * 1024), 75), 50);
    }
}
