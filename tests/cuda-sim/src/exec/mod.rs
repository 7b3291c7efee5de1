//! Running programs: grids of blocks, blocks of warps, warps of 32 lanes.

pub mod alu;
pub mod atomics;
pub mod block;
pub mod collective;
pub mod fault;
pub mod grid;
pub mod matrix;
pub mod memory;
pub mod pool;
pub mod printf;
pub mod race;
pub mod regs;
pub mod round;
pub mod view;
pub mod warp;
