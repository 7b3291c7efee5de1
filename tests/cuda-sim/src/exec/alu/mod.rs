//! Arithmetic: for every opcode, type and mode one function over the lanes of a warp.
//!
//! The functions are chosen when a module is loaded, so nothing is decoded while it runs.

#[macro_use]
mod shape;

pub mod bits;
pub mod compare;
pub mod convert;
pub mod float;
pub mod half_float;
pub mod integer;
pub mod ty;
