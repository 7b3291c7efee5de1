//! A test double of libcuda.
#![allow(unsafe_code)]

pub mod exec;
pub mod ir;
pub mod memory;
pub mod ptx;
pub mod report;
pub mod settings;
