//! Objects between executors, over real sockets.

mod common;

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::*;
use drawloom_executor::Config;
use drawloom_model::{Attributes, FailureKind, FromExecutor, ToExecutor, Value};
use drawloom_proto::v1::object_store_client::ObjectStoreClient;
use drawloom_proto::v1::object_store_server::{ObjectStore, ObjectStoreServer};
use drawloom_proto::{Listen, v1};
use tokio_stream::Stream;
use tonic::Status;

/// An executor that sends its objects, over the wire.
async fn serving(listen: Listen) -> Loom {
    Loom::new(Config { listen: Some(listen), shares_memory: false, ..config() }).await
}

#[tokio::test]
async fn neighbours_copy_from_memory() {
    let maker = Loom::new(Config { listen: Some(tcp()), ..config() }).await;
    let value = pattern(5 << 20);
    maker.handle.objects().put(object(5), value.clone()).await.expect("room");
    let address = &maker.handle.info.address;
    let mut taker = Loom::new(config()).await;
    let sources = [address.as_str().into()].into_iter().collect();
    taker.tell(vec![ToExecutor::Replicate { object: object(5), sources }]);
    assert!(matches!(taker.next().await, FromExecutor::ReplicaAdded { .. }));
    assert_eq!(taker.handle.objects().get(object(5)), Some(value));
    let small = Config { arena_bytes: Some(1 << 20), spill_limit_bytes: Some(0), ..config() };
    let mut small = Loom::new(small).await;
    let mut sum = kernel(1, "sum_n", Attributes::new(), 1);
    sum.inputs.extend([remote(object(5), &[address])]);
    let failure = small.result(sum).await.expect_err("too large");
    assert!(failure.message.contains("larger than the object store of 1048576"), "{failure}");
}

fn tcp() -> Listen {
    "127.0.0.1:0".parse().expect("an address")
}

#[tokio::test]
async fn inputs_come_from_other_executors() {
    let directory = tempfile::tempdir().expect("a directory");
    for listen in [tcp(), Listen::Unix(directory.path().join("objects.sock"))] {
        let mut maker = serving(listen).await;
        let mut taker = Loom::new(config()).await;
        maker.result(fill(0, 1_000_000, 0.5)).await.expect("a vector");
        let mut sum = kernel(1, "sum_n", Attributes::new(), 1);
        let address = maker.handle.info.address.as_str();
        // The first source does not answer, the second does.
        sum.inputs.extend([remote(object(0), &["http://127.0.0.1:1", address]), local(object(0))]);
        let sum = taker.result(sum).await.expect("a sum");
        assert!(f32s(&sum[0]).iter().all(|element| *element == 1.0));
        let is_added = |m: &FromExecutor| {
            matches!(m, FromExecutor::ReplicaAdded { size_bytes: 4_000_000, .. })
        };
        assert!(taker.said.iter().any(is_added));
    }
    assert!(!directory.path().join("objects.sock").exists(), "the socket is removed");
}

#[tokio::test]
async fn what_nobody_holds_is_lost() {
    let maker = serving(tcp()).await;
    let mut taker = Loom::new(config()).await;
    let mut sum = kernel(1, "sum_n", Attributes::new(), 1);
    sum.inputs.extend([remote(object(7), &[&maker.handle.info.address])]);
    let failure = taker.result(sum).await.expect_err("nobody has it");
    assert_eq!(failure.kind, FailureKind::ObjectLost);
    assert!(failure.message.contains("is not on this executor"), "{failure}");
    assert!(taker.said.contains(&FromExecutor::ReplicaLost { object: object(7) }));
}

#[tokio::test]
async fn put_objects_are_replicated() {
    let maker = serving(tcp()).await;
    let value = Value::blob(Bytes::from(vec![7; 300_000]));
    maker.handle.objects().put(object(5), value.clone()).await.expect("room");
    let mut taker = Loom::new(config()).await;
    let sources = [maker.handle.info.address.as_str().into()].into_iter().collect();
    taker.tell(vec![ToExecutor::Replicate { object: object(5), sources }]);
    assert!(matches!(taker.next().await, FromExecutor::ReplicaAdded { .. }));
    assert_eq!(taker.handle.objects().get(object(5)), Some(value));
}

#[tokio::test]
async fn streams_to_an_executor_are_kept() {
    let maker = serving(tcp()).await;
    let mut client =
        ObjectStoreClient::connect(maker.handle.info.address.clone()).await.expect("a server");
    let value = Value::blob(vec![9; 3 << 20]);
    let chunks = drawloom_proto::split_object(Some(object(6)), value.clone());
    let chunks = chunks.collect::<Vec<_>>();
    let reply = client.store(tokio_stream::iter(chunks.clone())).await.expect("kept");
    assert_eq!(reply.into_inner().size_bytes, 3 << 20);
    assert_eq!(maker.handle.objects().get(object(6)), Some(value));
    let mut damaged = chunks;
    damaged[1].data = vec![8; damaged[1].data.len()].into();
    let status = client.store(tokio_stream::iter(damaged)).await.expect_err("damaged");
    assert_eq!(status.code(), tonic::Code::DataLoss);
}

/// A peer whose streams end after some pieces, until it has been asked often enough.
struct Flaky {
    value: Value,
    pieces: usize,
    damaged: bool,
    asked: Arc<Mutex<Vec<u64>>>,
}

type Chunks = Pin<Box<dyn Stream<Item = Result<v1::ObjectChunk, Status>> + Send>>;

#[tonic::async_trait]
impl ObjectStore for Flaky {
    type FetchStream = Chunks;

    async fn fetch(
        &self,
        request: tonic::Request<v1::FetchRequest>,
    ) -> Result<tonic::Response<Chunks>, Status> {
        let offset = request.into_inner().offset;
        self.asked.lock().expect("no panic").push(offset);
        let chunks = drawloom_proto::split_object_from(None, self.value.clone(), offset as usize);
        let mut chunks = chunks.take(self.pieces).map(Ok).collect::<Vec<_>>();
        if self.damaged
            && let Some(Ok(last)) = chunks.last_mut()
        {
            last.data = vec![0; last.data.len()].into();
        }
        chunks.push(Err(Status::unavailable("it died")));
        Ok(tonic::Response::new(Box::pin(tokio_stream::iter(chunks))))
    }

    async fn store(
        &self,
        _request: tonic::Request<tonic::Streaming<v1::ObjectChunk>>,
    ) -> Result<tonic::Response<v1::StoreReply>, Status> {
        Err(Status::unimplemented("it only sends"))
    }
}

impl Flaky {
    /// Serves pieces of a blob; its address and the offsets that it was asked for.
    async fn serve(value: &Value, pieces: usize, damaged: bool) -> (String, Arc<Mutex<Vec<u64>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let flaky = Flaky { value: value.clone(), pieces, damaged, asked: Arc::clone(&asked) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = tonic::transport::Server::builder().add_service(ObjectStoreServer::new(flaky));
        tokio::spawn(server.serve_with_incoming(incoming));
        (address, asked)
    }
}

fn pattern(len: usize) -> Value {
    Value::blob((0..len).map(|index| (index / 5) as u8).collect::<Vec<_>>())
}

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn what_breaks_off_goes_on_where_it_ended() {
    let value = pattern(5 << 20);
    let (flaky, asked) = Flaky::serve(&value, 2, false).await;
    let mut taker = Loom::new(config()).await;
    let sources = [flaky.as_str().into()].into_iter().collect();
    taker.tell(vec![ToExecutor::Replicate { object: object(5), sources }]);
    assert!(matches!(taker.next().await, FromExecutor::ReplicaAdded { .. }));
    assert_eq!(taker.handle.objects().get(object(5)), Some(value));
    assert_eq!(*asked.lock().expect("no panic"), [0, 2 * MIB, 4 * MIB]);
}

#[tokio::test]
async fn another_source_goes_on_where_the_first_died() {
    let value = pattern(5 << 20);
    for (damaged, resumed_at) in [(false, 2 * MIB), (true, MIB)] {
        // The first source gives no piece the second time.
        let (dying, _) = Flaky::serve(&value, if damaged { 2 } else { 0 }, damaged).await;
        let (first, _) = Flaky::serve(&value, 2, false).await;
        let (whole, asked) = Flaky::serve(&value, 9, false).await;
        let mut taker = Loom::new(config()).await;
        let sources: Vec<&str> = if damaged { vec![&dying, &whole] } else { vec![&dying, &first] };
        let sources = sources.into_iter().map(Into::into).collect();
        taker.tell(vec![ToExecutor::Replicate { object: object(5), sources }]);
        assert!(matches!(taker.next().await, FromExecutor::ReplicaAdded { .. }));
        assert_eq!(taker.handle.objects().get(object(5)), Some(value.clone()));
        if damaged {
            assert_eq!(*asked.lock().expect("no panic"), [resumed_at]);
        }
    }
}

#[tokio::test]
async fn wrong_bytes_and_dead_peers_are_told() {
    let value = pattern(3 << 20);
    let (damaging, _) = Flaky::serve(&value, 1, true).await;
    let (dying, _) = Flaky::serve(&value, 0, false).await;
    let mut taker = Loom::new(config()).await;
    let mut sum = kernel(1, "sum_n", Attributes::new(), 1);
    sum.inputs.extend([remote(object(7), &[&damaging, &dying])]);
    let failure = taker.result(sum).await.expect_err("nobody has it");
    assert_eq!(failure.kind, FailureKind::ObjectLost);
    for part in ["piece at byte 0 has", "damaged on its way", "it died"] {
        assert!(failure.message.contains(part), "{failure}");
    }
    assert_eq!(taker.handle.objects().usage().memory_bytes, 0, "what had arrived is freed");
}

#[tokio::test]
async fn who_is_about_to_hold_an_object_passes_it_on() {
    let maker = serving(tcp()).await;
    let value = pattern(40 << 20);
    maker.handle.objects().put(object(5), value.clone()).await.expect("room");
    let mut middle = serving(tcp()).await;
    let mut last = Loom::new(config()).await;
    let replicate = |address: &str| {
        let sources = [address.into()].into_iter().collect();
        vec![ToExecutor::Replicate { object: object(5), sources }]
    };
    middle.tell(replicate(&maker.handle.info.address));
    // Let the order be heard before the next one asks for what it brings.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    last.tell(replicate(&middle.handle.info.address));
    assert!(matches!(last.next().await, FromExecutor::ReplicaAdded { .. }));
    assert!(matches!(middle.next().await, FromExecutor::ReplicaAdded { .. }));
    assert_eq!(last.handle.objects().get(object(5)), Some(value));
}

#[tokio::test]
async fn offsets_are_checked() {
    let maker = serving(tcp()).await;
    maker.handle.objects().put(object(5), pattern(300_000)).await.expect("room");
    let mut client =
        ObjectStoreClient::connect(maker.handle.info.address.clone()).await.expect("a server");
    for offset in [7, 1 << 20] {
        let request = v1::FetchRequest { object: Some(object(5).into()), offset };
        let status = client.fetch(request).await.expect_err("no such place");
        assert_eq!(status.code(), tonic::Code::OutOfRange);
        assert!(status.message().contains("is not within the 300000 bytes"), "{status}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let first = serving(tcp()).await;
    let address = first.handle.info.address.strip_prefix("http://").expect("tcp").to_owned();
    let listen = Some(address.parse().expect("an address"));
    let (outbox, _news) = tokio::sync::mpsc::unbounded_channel();
    let (_orders, inbox) = tokio::sync::mpsc::unbounded_channel();
    let error = drawloom_executor::start(Config { listen, ..config() }, outbox, inbox).await;
    let message = error.expect_err("in use").to_string();
    assert!(message.contains(&address) && message.contains("in use"), "{message}");
}

#[tokio::test]
async fn only_loopback_is_listened_at() {
    let listen = Some(Listen::Tcp(([0, 0, 0, 0], 0).into()));
    let (outbox, _news) = tokio::sync::mpsc::unbounded_channel();
    let (_orders, inbox) = tokio::sync::mpsc::unbounded_channel();
    let error = drawloom_executor::start(Config { listen, ..config() }, outbox, inbox).await;
    let message = error.expect_err("reachable from outside").to_string();
    assert!(message.contains("is not a loopback address"), "{message}");
}

#[tokio::test]
async fn draining_ends_when_the_scheduler_says_so() {
    let mut loom = Loom::new(config()).await;
    loom.handle.drain();
    assert_eq!(loom.next().await, FromExecutor::DrainRequested);
    assert_eq!(loom.result(fill(0, 10, 1.0)).await.expect("it goes on").len(), 1);
    loom.tell(vec![ToExecutor::Stop]);
    loom.handle.ended().await;
}
