//! Objects between executors: serving them and fetching them.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use drawloom_executor_core::Event;
use drawloom_model::{INLINE_LIMIT_BYTES, ObjectKey, Value};
use drawloom_proto::v1::object_store_client::ObjectStoreClient;
use drawloom_proto::v1::object_store_server::{ObjectStore, ObjectStoreServer};
use drawloom_proto::{
    CHUNK_BYTES, Description, Listen, ListenError, MAX_MESSAGE_BYTES, Rejection, Socket, Tally,
    split_object, v1,
};
use smallvec::SmallVec;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::driver::News;
use crate::start::LocalObjects;
use crate::store::Store;
use crate::{ArenaFull, Draft};

/// Fetches at a time; more would only share the same wires.
const FETCHES: usize = 8;
/// How long a peer has to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a peer may be silent before it is asked whether it lives, and how long it has to answer
/// that.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long whoever stores an object may be silent in between: room is kept for it all the while.
const STORE_PATIENCE: Duration = Duration::from_secs(60);
/// Connections that are kept; beyond that they are made anew.
const CHANNELS: usize = 1024;

/// How long a fetch waits for a peer that has accepted its connection.
#[derive(Clone, Copy)]
struct Patience {
    /// Until it answers: it reads all of the object for the checksum first.
    answer: Duration,
    /// For each piece.
    piece: Duration,
}

const PATIENCE: Patience =
    Patience { answer: Duration::from_secs(60), piece: Duration::from_secs(10) };

/// Serves an executor's objects for as long as it lives.
#[derive(Debug)]
pub(crate) struct Server {
    address: Listen,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves where the settings say.
    pub(crate) async fn start(listen: &Listen, objects: LocalObjects) -> Result<Self, ListenError> {
        let service =
            ObjectStoreServer::new(Served { objects }).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let router = tonic::transport::Server::builder().add_service(service);
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

type Chunks = Pin<Box<dyn Stream<Item = Result<v1::ObjectChunk, Status>> + Send>>;

#[tonic::async_trait]
impl ObjectStore for Served {
    type FetchStream = Chunks;

    async fn fetch(&self, request: Request<v1::FetchRequest>) -> Result<Response<Chunks>, Status> {
        let key = request.into_inner().object.map(ObjectKey::from);
        let key = key.ok_or_else(|| Rejection::new(Code::InvalidArgument, "no object is named"))?;
        let value = self.objects.get(key).ok_or_else(|| {
            Rejection::new(Code::NotFound, format!("object {key:?} is not on this executor"))
        })?;
        metrics::counter!("executor_sent_bytes_total").increment(value.data.len() as u64);
        if value.data.len() <= CHUNK_BYTES {
            return Ok(Response::new(stream(split_object(None, value))));
        }
        // The checksum is computed where it does not hold up other connections of this thread.
        let chunks = tokio::task::spawn_blocking(move || split_object(None, value))
            .await
            .map_err(|error| Rejection::new(Code::Internal, error.to_string()))?;
        Ok(Response::new(stream(chunks)))
    }

    async fn store(
        &self,
        request: Request<Streaming<v1::ObjectChunk>>,
    ) -> Result<Response<v1::StoreReply>, Status> {
        let (key, value) =
            receive(request.into_inner(), self.objects.store(), STORE_PATIENCE).await?;
        let key = key.ok_or_else(|| {
            Rejection::new(Code::InvalidArgument, "the first piece must name the object's key")
                .with_field("key")
        })?;
        let size_bytes = value.data.len() as u64;
        self.objects.insert(key, value);
        Ok(Response::new(v1::StoreReply { size_bytes }))
    }
}

fn stream(chunks: impl Iterator<Item = v1::ObjectChunk> + Send + 'static) -> Chunks {
    Box::pin(tokio_stream::iter(chunks.map(Ok)))
}

/// Receives an object straight into the place where it will stay.
async fn receive(
    mut chunks: Streaming<v1::ObjectChunk>,
    store: &Store,
    patience: Duration,
) -> Result<(Option<ObjectKey>, Value), Status> {
    let nothing = || Rejection::new(Code::InvalidArgument, "the stream has no pieces");
    let mut chunk = within(patience, chunks.message()).await?.ok_or_else(nothing)?;
    let Description { key, object_type, size_bytes } =
        Description::of(&mut chunk, store.arena().limit_bytes()).map_err(Rejection::from)?;
    let mut place = Place::new(store, size_bytes).map_err(no_room)?;
    let mut tally = Tally::new(size_bytes);
    let mut written = 0;
    loop {
        tally.add(&chunk).map_err(Rejection::from)?;
        let end = written + chunk.data.len();
        place.bytes_mut()[written..end].copy_from_slice(&chunk.data);
        written = end;
        match within(patience, chunks.message()).await? {
            Some(next) => chunk = next,
            None => break,
        }
    }
    tally.finish().map_err(Rejection::from)?;
    metrics::counter!("executor_received_bytes_total").increment(size_bytes);
    Ok((key, Value { object_type, data: place.freeze() }))
}

/// What the other end sends, unless that takes too long.
async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded(format!("nothing came for {patience:?}")));
    tokio::time::timeout(patience, answer).await.unwrap_or_else(late)
}

fn no_room(full: ArenaFull) -> Rejection {
    Rejection::new(Code::ResourceExhausted, full.to_string())
}

/// Memory for an object of known size.
enum Place {
    Heap(Vec<u8>),
    Arena(Draft),
}

impl Place {
    fn new(store: &Store, size_bytes: u64) -> Result<Self, ArenaFull> {
        // The size was held against the arena's limit, which is an address space's length.
        let len = size_bytes as usize;
        if len <= INLINE_LIMIT_BYTES {
            return Ok(Place::Heap(vec![0; len]));
        }
        store.arena().allocate(len).map(Place::Arena)
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Place::Heap(bytes) => bytes,
            Place::Arena(draft) => draft.bytes_mut(),
        }
    }

    fn freeze(self) -> Bytes {
        match self {
            Place::Heap(bytes) => bytes.into(),
            Place::Arena(draft) => draft.freeze(),
        }
    }
}

/// Connections to other executors, made when they are first needed.
#[derive(Clone)]
pub(crate) struct Peers {
    store: Arc<Store>,
    channels: Arc<Mutex<HashMap<Arc<str>, Channel>>>,
    permits: Arc<Semaphore>,
    patience: Patience,
}

impl Peers {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        let permits = Arc::new(Semaphore::new(FETCHES));
        Peers { store, channels: Arc::default(), permits, patience: PATIENCE }
    }

    /// Fetches an object in the background; how that went goes to `done`.
    pub(crate) fn fetch(
        &self,
        object: ObjectKey,
        sources: SmallVec<[Arc<str>; 1]>,
        done: mpsc::UnboundedSender<News>,
    ) {
        let peers = self.clone();
        tokio::spawn(async move {
            let event = match peers.fetch_from_any(object, &sources).await {
                Ok(size_bytes) => Event::InputArrived { object, size_bytes },
                Err(why) => Event::FetchFailed { object, why },
            };
            let outcome =
                if matches!(event, Event::InputArrived { .. }) { "done" } else { "failed" };
            metrics::counter!("executor_fetches_total", "outcome" => outcome).increment(1);
            let _ = done.send(News::Event(event));
        });
    }

    /// Tries the sources in their order; the object's size, or why none gave it.
    async fn fetch_from_any(&self, object: ObjectKey, sources: &[Arc<str>]) -> Result<u64, String> {
        let _permit = self.permits.acquire().await.map_err(|error| error.to_string())?;
        let mut refusals = Vec::new();
        for source in sources {
            match self.fetch_from(object, source).await {
                Ok(value) => {
                    let size_bytes = value.data.len() as u64;
                    self.store.insert(object, value);
                    return Ok(size_bytes);
                }
                Err(status) => refusals.push(format!("{source}: {}", status.message())),
            }
        }
        let told = if refusals.is_empty() { "nobody holds it".into() } else { refusals.join("; ") };
        Err(format!("object {object:?} cannot be fetched: {told}"))
    }

    async fn fetch_from(&self, object: ObjectKey, source: &Arc<str>) -> Result<Value, Status> {
        let mut client = ObjectStoreClient::new(self.channel(source)?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = v1::FetchRequest { object: Some(object.into()) };
        let result = async {
            let chunks = within(self.patience.answer, client.fetch(request)).await?.into_inner();
            receive(chunks, &self.store, self.patience.piece).await
        };
        result.await.map(|(_, value)| value)
    }

    fn channel(&self, address: &Arc<str>) -> Result<Channel, Status> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let wrong = |error| Rejection::new(Code::InvalidArgument, format!("{error}"));
        let endpoint = endpoint(address).map_err(wrong)?;
        let channel = endpoint.connect_lazy();
        if channels.len() >= CHANNELS {
            // Most are of executors that left: those that are still needed come back.
            channels.clear();
        }
        channels.insert(Arc::clone(address), channel.clone());
        Ok(channel)
    }
}

/// An address as `http://IP:PORT`, `IP:PORT` or `unix:PATH`.
pub(crate) fn endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    let has_scheme = address.contains("://") || address.starts_with("unix:");
    let address = if has_scheme { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(address)?;
    Ok(endpoint
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use drawloom_model::JobKey;
    use tokio_stream::StreamExt as _;
    use tokio_stream::wrappers::TcpListenerStream;

    use super::*;

    /// Has every object, but sends only so many pieces of it, or none and no answer either.
    struct Stalling {
        pieces: Option<usize>,
    }

    #[tonic::async_trait]
    impl ObjectStore for Stalling {
        type FetchStream = Chunks;

        async fn fetch(&self, _: Request<v1::FetchRequest>) -> Result<Response<Chunks>, Status> {
            let Some(pieces) = self.pieces else { return std::future::pending().await };
            let chunks = split_object(None, Value::blob(vec![7; 4 * CHUNK_BYTES]));
            let chunks = tokio_stream::iter(chunks.take(pieces).map(Ok));
            Ok(Response::new(Box::pin(chunks.chain(tokio_stream::pending()))))
        }

        async fn store(
            &self,
            _: Request<Streaming<v1::ObjectChunk>>,
        ) -> Result<Response<v1::StoreReply>, Status> {
            Err(Status::unimplemented("nothing is kept"))
        }
    }

    #[tokio::test]
    async fn a_peer_that_stalls_is_given_up() {
        let store = Arc::new(Store::new(16 << 20).expect("memory"));
        let patience = Duration::from_millis(200);
        let patience = Patience { answer: patience, piece: patience };
        let peers = Peers { patience, ..Peers::new(Arc::clone(&store)) };
        for pieces in [None, Some(0), Some(2)] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = format!("http://{}", listener.local_addr().expect("bound"));
            let server = ObjectStoreServer::new(Stalling { pieces });
            let server = tonic::transport::Server::builder().add_service(server);
            tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
            let object = ObjectKey { job: JobKey { slot: 1, generation: 0 }, index: 1 };
            let fetched = peers.fetch_from_any(object, &[address.into()]).await;
            let why = fetched.expect_err("it never comes");
            assert!(why.contains("nothing came for 200ms"), "{why}");
            assert_eq!(store.arena().used_bytes(), 0);
        }
    }
}
