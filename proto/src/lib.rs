//! The `drawloom.v1` protocol: generated types, and checked conversions to and from the model.

/// Types, clients and servers generated from the `.proto` files.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod v1 {
    tonic::include_proto!("drawloom.v1");
}

/// The descriptors of every `.proto` file, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/drawloom_v1.bin"));

/// The largest message that a client, scheduler or executor accepts.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
