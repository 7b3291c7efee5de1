//! Objects from executors on the same machine: copied from their memory, over no wire.

use std::fs::File;

use drawloom_executor_core::RoomFor;
use drawloom_model::{ObjectKey, ObjectType, Value};
use drawloom_proto::v1::local_reply::Reply;
use drawloom_proto::v1::local_request::Request;
use drawloom_proto::{LocalStream, v1};
use memmap2::MmapOptions;

use crate::NoRoom;
use crate::store::{Draft, Store};

/// Copies an object; nothing where it is not in the memory of an executor on this machine.
pub(super) async fn copy(
    store: &Store,
    object: ObjectKey,
    source: &str,
) -> Option<Result<Value, NoRoom>> {
    let mut stream = LocalStream::connect(source).ok()?;
    let request = Request::Get(object.into());
    let request = v1::LocalRequest { number: 1, request: Some(request) };
    stream.send(&request, None).await.ok()?;
    let (reply, descriptor) = stream.receive::<v1::LocalReply>().await.ok()??;
    let Some(Reply::Memory(memory)) = reply.reply else { return None };
    let object_type = match memory.r#type.clone() {
        Some(wire) => ObjectType::try_from(wire).ok()?,
        None => ObjectType::Blob,
    };
    let (file, len) = (File::from(descriptor?), usize::try_from(memory.size_bytes).ok()?);
    let draft = match store.allocate(object.job, len, RoomFor::Object(object)).await {
        Ok(draft) => draft,
        Err(full) => return Some(Err(full)),
    };
    let copied = tokio::task::spawn_blocking(move || copy_into(draft, &file, memory.offset)).await;
    // Until here the other executor keeps the bytes as they are, for this connection.
    drop(stream);
    let data = copied.ok()??.freeze();
    let value = Value { object_type, data };
    metrics::counter!("executor_copied_bytes_total").increment(value.data.len() as u64);
    value.is_consistent().then_some(Ok(value))
}

fn copy_into(mut draft: Draft, file: &File, offset: u64) -> Option<Draft> {
    let place = draft.bytes_mut();
    let inside = file.metadata().ok()?.len() >= offset.checked_add(place.len() as u64)?;
    if !inside {
        return None;
    }
    let map = MmapOptions::new().offset(offset).len(place.len()).populate().map_raw_read_only(file);
    let map = map.ok()?;
    // SAFETY: the range is inside the file, which is sealed against being cut short, and so inside
    // the mapping; its owner leaves it as it is while the connection lasts. Every bit pattern is a
    // byte.
    let bytes = unsafe { std::slice::from_raw_parts(map.as_ptr(), place.len()) };
    place.copy_from_slice(bytes);
    Some(draft)
}
