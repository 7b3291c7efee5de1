//! Running programs: grids of blocks, blocks of warps, warps of 32 lanes.

pub mod alu;
pub mod atomics;
pub mod block;
pub mod collective;
pub mod fault;
mod flow;
pub mod grid;
pub mod matrix;
pub mod memory;
pub mod pool;
pub mod printf;
pub mod race;
mod rare;
pub mod regs;
pub mod round;
pub mod view;
pub mod warp;
