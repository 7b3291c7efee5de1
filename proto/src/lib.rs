//! The `drawloom.v1` protocol: generated types, and checked conversions to and from the model.
//!
//! Whatever comes from the wire is checked: a conversion names the field that means nothing
//! ([`FieldError`]), and [`Rejection`] is the one place where errors become statuses.

mod call;
mod chunk;
mod convert;
mod field;
mod link;
mod listen;
mod local;
mod status;

pub use call::{
    CALL_LIMIT_BYTES, CallReceiver, CallTooLarge, Reply, ReplyReceiver, encode_call, encode_reply,
};
pub use chunk::{
    Assembly, CHUNK_BYTES, ChunkError, Description, Tally, split_object, split_object_from,
};
pub use convert::{append_chunk, nanos, split_graph, wire_type};
pub use field::FieldError;
pub use link::{TemplateReceiver, TemplateSender};
pub use listen::{Listen, ListenError, Socket};
pub use local::{LocalStream, listen_local};
pub use status::{FIELD_KEY, Rejection};

/// Types, clients and servers generated from the `.proto` files.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod v1 {
    tonic::include_proto!("drawloom.v1");
}

/// The descriptors of every `.proto` file, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/drawloom_v1.bin"));

/// The largest message that a client, scheduler or executor accepts.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
