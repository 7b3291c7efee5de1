//! Programs in the form that runs: registers are places, opcodes are functions, labels are numbers.

pub mod lower;
pub mod program;
