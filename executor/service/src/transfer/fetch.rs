//! Fetching objects from other executors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drawloom_executor_core::{Event, RoomFor};
use drawloom_model::{ObjectKey, Value};
use drawloom_proto::v1::object_store_client::ObjectStoreClient;
use drawloom_proto::{
    Assembly, CALL_LIMIT_BYTES, CHUNK_BYTES, ChunkError, Description, MAX_MESSAGE_BYTES, Rejection,
    v1,
};
use smallvec::SmallVec;
use tokio::sync::{Semaphore, mpsc};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::receive::{Arriving, ReceiveError};
use super::{endpoint, neighbour, within};
use crate::driver::News;
use crate::store::Store;

/// Fetches at a time; more would only share the same wires.
const FETCHES: usize = 8;
/// Connections that are kept; beyond that they are made anew.
const CHANNELS: usize = 1024;

/// How long a fetch waits for a peer that has accepted its connection.
#[derive(Clone, Copy)]
struct Patience {
    /// Until it answers: it may be waiting for the object itself.
    answer: Duration,
    /// For each piece.
    piece: Duration,
}

const PATIENCE: Patience =
    Patience { answer: Duration::from_secs(60), piece: Duration::from_secs(10) };

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
        let expected = self.store.arrivals().expect(object);
        tokio::spawn(async move {
            let event = match peers.fetch_from_any(object, &sources).await {
                Ok(size_bytes) => Event::InputArrived { object, size_bytes },
                Err(why) => Event::FetchFailed { object, why },
            };
            drop(expected);
            let outcome =
                if matches!(event, Event::InputArrived { .. }) { "done" } else { "failed" };
            metrics::counter!("executor_fetches_total", "outcome" => outcome).increment(1);
            let _ = done.send(News::Event(event));
        });
    }

    /// Tries the sources in their order, each going on where the last one ended; the object's
    /// size, or why none gave it.
    async fn fetch_from_any(&self, object: ObjectKey, sources: &[Arc<str>]) -> Result<u64, String> {
        let _permit = self.permits.acquire().await.map_err(|error| error.to_string())?;
        let mut refusals = Vec::new();
        let mut arriving = None;
        for source in sources {
            match self.fetch_from(object, source, &mut arriving).await {
                Ok(size_bytes) => return Ok(size_bytes),
                Err(error) => refusals.push(format!("{source}: {error}")),
            }
        }
        let told = if refusals.is_empty() { "nobody holds it".into() } else { refusals.join("; ") };
        Err(format!("object {object:?} cannot be fetched: {told}"))
    }

    /// The object, from here or from whoever holds it; it is not kept.
    pub(crate) async fn get(
        &self,
        object: ObjectKey,
        sources: &[Arc<str>],
    ) -> Result<Value, String> {
        if let Some(value) = self.store.get(object) {
            return Ok(value);
        }
        let _permit = self.permits.acquire().await.map_err(|error| error.to_string())?;
        let mut refusals = Vec::new();
        for source in sources {
            match self.collect(object, source).await {
                Ok(value) => return Ok(value),
                Err(why) => refusals.push(format!("{source}: {why}")),
            }
        }
        let told = if refusals.is_empty() { "nobody holds it".into() } else { refusals.join("; ") };
        Err(format!("object {object:?} cannot be fetched: {told}"))
    }

    async fn collect(&self, object: ObjectKey, source: &Arc<str>) -> Result<Value, String> {
        let told = |status: Status| status.message().to_owned();
        let mut client = ObjectStoreClient::new(self.channel(source).map_err(told)?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = v1::FetchRequest { object: Some(object.into()), offset: 0 };
        let Patience { answer, piece } = self.patience;
        let reply = within(answer, client.fetch(request)).await;
        let mut pieces = reply.map_err(told)?.into_inner();
        let first = within(piece, pieces.message()).await.map_err(told)?;
        let first = first.ok_or("an object without a piece")?;
        let wrong = |error: ChunkError| error.to_string();
        let mut assembly = Assembly::begin(first, CALL_LIMIT_BYTES).map_err(wrong)?;
        while let Some(next) = within(piece, pieces.message()).await.map_err(told)? {
            assembly.add(&next).map_err(wrong)?;
        }
        assembly.finish().map_err(wrong)
    }

    /// Fetches from one source, again where it broke off as long as there is more each time.
    async fn fetch_from(
        &self,
        object: ObjectKey,
        source: &Arc<str>,
        arriving: &mut Option<Arriving>,
    ) -> Result<u64, ReceiveError> {
        if arriving.is_none()
            && let Some(copied) = neighbour::copy(&self.store, object, source).await
        {
            let value = copied?;
            let size_bytes = value.data.len() as u64;
            self.store.insert(object, value);
            return Ok(size_bytes);
        }
        loop {
            let before = arriving.as_ref().map(Arriving::received_bytes);
            let result = self.try_once(object, source, arriving).await;
            let error = match result {
                Ok(size_bytes) => return Ok(size_bytes),
                Err(error) => error,
            };
            let got_further = arriving.as_ref().map(Arriving::received_bytes) > before;
            // Who has fallen silent may do so again; others may be quicker.
            let broke_off = matches!(
                &error,
                ReceiveError::Sender(status) if status.code() != Code::DeadlineExceeded
            );
            if !broke_off || !got_further {
                return Err(error);
            }
            tracing::info!(?object, source = &**source, %error, "transfer broke off; it goes on");
            metrics::counter!("executor_resumed_fetches_total").increment(1);
        }
    }

    async fn try_once(
        &self,
        object: ObjectKey,
        source: &Arc<str>,
        arriving: &mut Option<Arriving>,
    ) -> Result<u64, ReceiveError> {
        // Pieces of another size than ours leave no place to go on from.
        let offset = match arriving.as_ref().map(Arriving::received_bytes) {
            Some(received) if received % CHUNK_BYTES as u64 == 0 => received,
            _ => {
                *arriving = None;
                0
            }
        };
        let mut client = ObjectStoreClient::new(self.channel(source)?)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = v1::FetchRequest { object: Some(object.into()), offset };
        let Patience { answer, piece } = self.patience;
        let mut chunks = within(answer, client.fetch(request)).await?.into_inner();
        let nothing = || Status::data_loss("the stream has no pieces");
        let mut chunk = within(piece, chunks.message()).await?.ok_or_else(nothing)?;
        let limit_bytes = self.store.memory().limit_bytes();
        let description = Description::of(&mut chunk, limit_bytes)?;
        let whole = match arriving {
            Some(partial) if partial.agrees_with(&description) => partial,
            Some(_) => {
                *arriving = None;
                return Err(Status::data_loss("it holds another object under this key").into());
            }
            None => {
                let purpose = RoomFor::Object(object);
                arriving.insert(Arriving::new(&self.store, object, description, purpose).await?)
            }
        };
        loop {
            whole.add(&chunk)?;
            if whole.is_complete() {
                break; // Whatever else the sender has to say does not matter.
            }
            match within(piece, chunks.message()).await? {
                Some(more) => chunk = more,
                None => break,
            }
        }
        if !whole.is_complete() {
            return Err(
                Status::unavailable("it ended before the object and its checksum did").into()
            );
        }
        let Some(whole) = arriving.take() else { return Err(nothing().into()) };
        let value = whole.finish()?;
        let size_bytes = value.data.len() as u64;
        self.store.insert(object, value);
        Ok(size_bytes)
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

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use drawloom_model::{JobKey, Value};
    use drawloom_proto::split_object;
    use drawloom_proto::v1::object_store_server::{ObjectStore, ObjectStoreServer};
    use tokio_stream::wrappers::TcpListenerStream;
    use tokio_stream::{Stream, StreamExt as _};
    use tonic::{Request, Response, Streaming};

    use super::*;

    type Chunks = Pin<Box<dyn Stream<Item = Result<v1::ObjectChunk, Status>> + Send>>;

    /// Has every object, but sends only so many pieces of it, or none and no answer either.
    struct Stalling {
        pieces: Option<usize>,
    }

    #[tonic::async_trait]
    impl ObjectStore for Stalling {
        type FetchStream = Chunks;

        async fn fetch(
            &self,
            request: Request<v1::FetchRequest>,
        ) -> Result<Response<Chunks>, Status> {
            let begins = request.into_inner().offset == 0;
            let Some(pieces) = self.pieces.filter(|_| begins) else {
                return std::future::pending().await;
            };
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
        let (news, _heard) = mpsc::unbounded_channel();
        let store = Arc::new(Store::new(16 << 20, None, news).expect("memory"));
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
            assert_eq!(store.memory().used_bytes(), 0);
        }
    }
}
