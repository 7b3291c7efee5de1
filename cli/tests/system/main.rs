//! The whole system: real processes over real sockets, driven by the command that people type.

mod actors;
mod bad_input;
mod cluster;
mod costs;
mod cuda;
mod data;
mod faults;
mod gangs;
mod gpus;
mod harness;
mod run;
mod sdk;
mod spawn;
mod timeline;
mod top;
