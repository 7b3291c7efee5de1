//! Objects on their way from clients. Small ones stay with the scheduler, large ones pass through
//! to an executor, piece by piece.

use std::sync::Arc;

use drawloom_model::{
    ExecutorId, INLINE_LIMIT_BYTES, ObjectId, ObjectKey, ObjectReport, ObjectType,
};
use drawloom_proto::{Assembly, Description, FieldError, Rejection, Tally, v1};
use drawloom_scheduler_core::{Event, ExecutorSummary, Scheduler};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::{Clients, receive};
use crate::handle::Handle;
use crate::rejection;

/// How many pieces may wait for an executor that does not read.
const PIECES: usize = 2;

/// Takes in an object.
pub(super) async fn put(
    clients: &Clients,
    mut stream: Streaming<v1::ObjectChunk>,
) -> Result<v1::PutObjectReply, Rejection> {
    let first = receive(&mut stream).await?;
    let first = first.ok_or_else(|| FieldError::new("data", "the stream has no message"))?;
    let object = ObjectId(fastrand::u128(..));
    let clients = clients.clone();
    let (sender, answer) = oneshot::channel();
    // Goes on when whoever put it is gone: what is kept by then must be let go.
    tokio::spawn(async move {
        let kept = if first.size_bytes <= INLINE_LIMIT_BYTES as u64 {
            keep_inline(&clients, object, first, stream).await
        } else {
            pass_on(&clients, object, first, stream).await
        };
        if let Err(Ok(())) = sender.send(kept) {
            let_go(&clients.handle, object).await;
        }
    });
    answer.await.map_err(|_| rejection::stopped(crate::Stopped))??;
    Ok(v1::PutObjectReply { object: object.to_string() })
}

async fn keep_inline(
    clients: &Clients,
    object: ObjectId,
    first: v1::ObjectChunk,
    mut stream: Streaming<v1::ObjectChunk>,
) -> Result<(), Rejection> {
    let mut assembly = Assembly::begin(first, INLINE_LIMIT_BYTES as u64)?;
    while let Some(chunk) = receive(&mut stream).await? {
        assembly.add(&chunk)?;
    }
    let value = assembly.finish()?;
    let event = |request| Event::ObjectPut { request, object, value };
    clients.handle.ask(event).await.map_err(rejection::ask)?;
    Ok(())
}

/// The executor that takes an object, and the key it gets.
pub(super) struct Home {
    pub executor: ExecutorId,
    pub address: Arc<str>,
    pub key: ObjectKey,
}

async fn pass_on(
    clients: &Clients,
    object: ObjectId,
    mut first: v1::ObjectChunk,
    stream: Streaming<v1::ObjectChunk>,
) -> Result<(), Rejection> {
    let wire_type = first.r#type.clone();
    let Description { object_type, size_bytes, .. } =
        Description::of(&mut first, clients.limits.object_bytes)?;
    let home = choose_home(&clients.handle, size_bytes).await?;
    first.key = Some(home.key.into());
    first.r#type = wire_type;
    let stored = store(clients, &home, first, stream).await;
    let recorded = record(&clients.handle, object, home, object_type, size_bytes).await;
    if stored.is_err() && recorded.is_ok() {
        // It may be there all the same, when only the executor's answer was lost.
        let_go(&clients.handle, object).await;
    }
    stored.and(recorded)
}

/// The executor with the most free memory.
pub(super) async fn choose_home(handle: &Handle, size_bytes: u64) -> Result<Home, Rejection> {
    let choose = move |scheduler: &mut Scheduler, _| {
        let takes =
            |executor: &ExecutorSummary| !executor.draining && !executor.info.address.is_empty();
        let room = |executor: &ExecutorSummary| {
            executor.free.memory_bytes.saturating_sub(executor.object_bytes)
        };
        let best = scheduler.executors().filter(takes).max_by_key(room)?;
        let address = scheduler.executor_address(best.id)?;
        Some(Home { executor: best.id, address, key: scheduler.reserve_object() })
    };
    let home = handle.query(choose).await.map_err(rejection::stopped)?;
    home.ok_or_else(|| {
        let message = format!("no executor has joined that could keep {size_bytes} bytes");
        Rejection::new(Code::FailedPrecondition, message)
    })
}

/// Passes the pieces on as they come. Once something is wrong with them, the executor's stream
/// ends without its checksum, and the executor drops what it has.
async fn store(
    clients: &Clients,
    home: &Home,
    first: v1::ObjectChunk,
    mut stream: Streaming<v1::ObjectChunk>,
) -> Result<(), Rejection> {
    let mut store = clients.stores.at(&home.address)?;
    let (pieces, receiver) = mpsc::channel(PIECES);
    let mut tally = Tally::new(first.size_bytes);
    let feed = async move {
        let mut next = Some(first);
        while let Some(chunk) = next {
            tally.add(&chunk)?;
            if pieces.send(chunk).await.is_err() {
                // The executor has had enough; its answer says why.
                return Ok(());
            }
            next = receive(&mut stream).await?;
        }
        Ok::<(), Rejection>(tally.finish()?)
    };
    let (fed, stored) = tokio::join!(feed, store.store(ReceiverStream::new(receiver)));
    fed?;
    stored.map_err(|status| {
        let message =
            format!("the executor at {} does not keep the object: {status}", home.address);
        Rejection::new(status.code(), message)
    })?;
    Ok(())
}

/// Tells the core of an object that is where it was to go.
pub(super) async fn record(
    handle: &Handle,
    object: ObjectId,
    home: Home,
    object_type: ObjectType,
    size_bytes: u64,
) -> Result<(), Rejection> {
    let Home { executor, key, .. } = home;
    let report = ObjectReport::Stored { object_type, size_bytes };
    let event = |request| Event::ObjectStored { request, object, key, executor, report };
    handle.ask(event).await.map_err(rejection::ask)?;
    Ok(())
}

/// Releases an object that its client will not hear of.
async fn let_go(handle: &Handle, object: ObjectId) {
    if let Err(error) = handle.ask(|request| Event::ObjectReleased { request, object }).await {
        tracing::debug!(%object, %error, "nobody's object was not released");
    }
}

/// Gives up a put object.
pub(super) async fn release(
    handle: &Handle,
    request: v1::ReleaseObjectRequest,
) -> Result<v1::ReleaseObjectReply, Rejection> {
    let object = request.object.parse().map_err(|error| FieldError::new("object", error))?;
    let event = |request| Event::ObjectReleased { request, object };
    handle.ask(event).await.map_err(rejection::ask)?;
    Ok(v1::ReleaseObjectReply {})
}
