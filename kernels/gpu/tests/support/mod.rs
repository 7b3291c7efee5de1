//! What the tests share: calls of every kernel, and ways to run and compare them.

#![allow(dead_code)]

pub mod calls;
pub mod compare;
pub mod runner;
pub mod twin;
pub mod values;
