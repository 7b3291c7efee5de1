//! Serving an executor's objects.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use drawloom_executor_core::RoomFor;
use drawloom_model::{ObjectKey, Value};
use drawloom_proto::v1::actor_calls_server::ActorCallsServer;
use drawloom_proto::v1::object_store_server::{ObjectStore, ObjectStoreServer};
use drawloom_proto::{
    CHUNK_BYTES, Description, Listen, ListenError, MAX_MESSAGE_BYTES, Rejection, Socket,
    split_object_from, v1,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status, Streaming};

use super::receive::{Arriving, ReceiveError};
use super::{WINDOW_BYTES, within};
use crate::actor::CallServer;
use crate::start::LocalObjects;
use crate::store::{Kept, PIECE_BYTES, SpilledObject};

/// Pieces of an object on disk that are read ahead of a slow receiver.
const READ_AHEAD: usize = 2;

/// How long whoever stores an object may be silent in between: room is kept for it all the while.
const STORE_PATIENCE: Duration = Duration::from_secs(60);

/// Serves an executor's objects for as long as it lives.
#[derive(Debug)]
pub(crate) struct Server {
    address: Listen,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves where the settings say.
    pub(crate) async fn start(
        listen: &Listen,
        objects: LocalObjects,
        calls: CallServer,
    ) -> Result<Self, ListenError> {
        let service =
            ObjectStoreServer::new(Served { objects }).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let calls = ActorCallsServer::new(calls).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let router = tonic::transport::Server::builder()
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .add_service(service)
            .add_service(calls);
        let socket = Socket::bind(listen).await?;
        let address = socket
            .address()
            .map_err(|source| ListenError::Refused { listen: listen.clone(), source })?;
        let task = match socket {
            Socket::Tcp(listener) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                tokio::spawn(log_end(router.serve_with_incoming(incoming)))
            }
            Socket::Unix(listener, _) => {
                let incoming = UnixListenerStream::new(listener);
                tokio::spawn(log_end(router.serve_with_incoming(incoming)))
            }
        };
        Ok(Server { address, task })
    }

    /// Where it is reached.
    pub(crate) fn address(&self) -> &Listen {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        if let Listen::Unix(socket) = &self.address {
            let _ = std::fs::remove_file(socket);
        }
    }
}

async fn log_end(serve: impl Future<Output = Result<(), tonic::transport::Error>>) {
    if let Err(error) = serve.await {
        tracing::error!(%error, "objects are no longer served");
    }
}

struct Served {
    objects: LocalObjects,
}

/// What an object is sent from.
enum Source {
    Memory(Value),
    Disk(Arc<SpilledObject>),
}

type Chunks = Pin<Box<dyn Stream<Item = Result<v1::ObjectChunk, Status>> + Send>>;

#[tonic::async_trait]
impl ObjectStore for Served {
    type FetchStream = Chunks;

    async fn fetch(&self, request: Request<v1::FetchRequest>) -> Result<Response<Chunks>, Status> {
        let v1::FetchRequest { object, offset } = request.into_inner();
        let key = object.map(ObjectKey::from);
        let key = key.ok_or_else(|| Rejection::new(Code::InvalidArgument, "no object is named"))?;
        let kept = self.find(key).await.ok_or_else(|| {
            Rejection::new(Code::NotFound, format!("object {key:?} is not on this executor"))
        })?;
        let source = match kept {
            Kept::Disk(spilled) => Source::Disk(spilled),
            Kept::Memory(_) | Kept::Device(_) => {
                let lost = |why| Rejection::new(Code::DataLoss, format!("object {key:?}: {why}"));
                Source::Memory(kept.load().await.map_err(lost)?)
            }
        };
        let size_bytes = match &source {
            Source::Memory(value) => value.data.len() as u64,
            Source::Disk(spilled) => spilled.size_bytes,
        };
        check_offset(offset, size_bytes)?;
        metrics::counter!("executor_sent_bytes_total").increment(size_bytes - offset);
        Ok(Response::new(match source {
            Source::Memory(value) => from_memory(value, offset as usize).await?,
            Source::Disk(spilled) => from_disk(spilled, offset),
        }))
    }

    async fn store(
        &self,
        request: Request<Streaming<v1::ObjectChunk>>,
    ) -> Result<Response<v1::StoreReply>, Status> {
        let (key, value) = self.receive(request.into_inner()).await?;
        let size_bytes = value.data.len() as u64;
        self.objects.insert(key, value);
        Ok(Response::new(v1::StoreReply { size_bytes }))
    }
}

impl Served {
    /// The object, once it is here if it is on its way.
    async fn find(&self, object: ObjectKey) -> Option<Kept> {
        let store = self.objects.store();
        if let Some(kept) = store.find(object) {
            return Some(kept);
        }
        store.arrivals().wait(object).await;
        store.find(object)
    }

    async fn receive(
        &self,
        mut chunks: Streaming<v1::ObjectChunk>,
    ) -> Result<(ObjectKey, Value), ReceiveError> {
        let wrong = |message| Status::from(Rejection::new(Code::InvalidArgument, message));
        let first = within(STORE_PATIENCE, chunks.message()).await?;
        let mut chunk = first.ok_or_else(|| wrong("the stream has no pieces"))?;
        let store = self.objects.store();
        let description = Description::of(&mut chunk, store.memory().limit_bytes())?;
        let key = description.key.ok_or_else(|| {
            let message = "the first piece must name the object's key";
            Status::from(Rejection::new(Code::InvalidArgument, message).with_field("key"))
        })?;
        let mut whole = Arriving::new(store, key, description, RoomFor::Client).await?;
        loop {
            whole.add(&chunk)?;
            match within(STORE_PATIENCE, chunks.message()).await? {
                Some(next) => chunk = next,
                None => break,
            }
        }
        Ok((key, whole.finish()?))
    }
}

fn check_offset(offset: u64, size_bytes: u64) -> Result<(), Rejection> {
    if offset > size_bytes || !offset.is_multiple_of(CHUNK_BYTES as u64) {
        let message = format!(
            "offset {offset} is not within the {size_bytes} bytes of the object, or no multiple of {CHUNK_BYTES}"
        );
        return Err(Rejection::new(Code::OutOfRange, message).with_field("offset"));
    }
    Ok(())
}

async fn from_memory(value: Value, offset: usize) -> Result<Chunks, Status> {
    let chunks = if offset == 0 {
        split_object_from(None, value, 0)
    } else {
        // What comes before is read for the checksum of the whole: not on this thread.
        tokio::task::spawn_blocking(move || split_object_from(None, value, offset))
            .await
            .map_err(|error| Rejection::new(Code::Internal, error.to_string()))?
    };
    Ok(Box::pin(tokio_stream::iter(chunks.map(Ok))))
}

/// Sends from the file itself: an object that is wanted elsewhere need not come back here.
fn from_disk(spilled: Arc<SpilledObject>, offset: u64) -> Chunks {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut start = offset;
        loop {
            let chunk = read_piece(&spilled, offset, start);
            let ended = chunk.is_err() || start + PIECE_BYTES as u64 >= spilled.size_bytes;
            if sender.blocking_send(chunk).is_err() || ended {
                return;
            }
            start += PIECE_BYTES as u64;
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

fn read_piece(spilled: &SpilledObject, offset: u64, start: u64) -> Result<v1::ObjectChunk, Status> {
    let len = (spilled.size_bytes - start).min(PIECE_BYTES as u64) as usize;
    let mut data = vec![0; len];
    spilled
        .read(start, &mut data)
        .map_err(|error| Rejection::new(Code::DataLoss, error.to_string()))?;
    let mut chunk = v1::ObjectChunk {
        piece_crc32c: Some(crc32c::crc32c(&data)),
        data: data.into(),
        ..Default::default()
    };
    if start == offset {
        chunk.r#type = drawloom_proto::wire_type(&spilled.object_type);
        chunk.size_bytes = spilled.size_bytes;
    }
    if start + len as u64 == spilled.size_bytes {
        chunk.crc32c = Some(spilled.crc32c());
    }
    Ok(chunk)
}
