//! A test double of libcuda.
#![allow(unsafe_code)]

pub mod client;
pub mod counters;
pub mod driver;
pub mod exec;
pub mod faults;
pub mod ir;
pub mod memory;
pub mod ptx;
pub mod report;
pub mod settings;
