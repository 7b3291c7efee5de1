//! The service over real sockets, with executors that are played by the tests.

mod additions;
mod cluster;
mod embedded;
mod errors;
mod executors;
mod listing;
mod objects;
mod operation;
mod submissions;
