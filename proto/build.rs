//! Compiles the .proto files with protox, so that no protoc is needed.

// Cargo is talked to through the standard output.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;

const FILES: [&str; 6] = [
    "drawloom/v1/object.proto",
    "drawloom/v1/graph.proto",
    "drawloom/v1/executor.proto",
    "drawloom/v1/store.proto",
    "drawloom/v1/scheduler.proto",
    "drawloom/v1/actor.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("drawloom_v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".").btree_map(".").compile_fds(descriptors)?;
    Ok(())
}
