//! Objects between executors, over real sockets.

mod common;

use bytes::Bytes;
use common::*;
use drawloom_executor::Config;
use drawloom_model::{Attributes, FailureKind, FromExecutor, ToExecutor, Value};
use drawloom_proto::Listen;

async fn serving(listen: Listen) -> Loom {
    Loom::new(Config { listen: Some(listen), ..config() }).await
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
    maker.handle.objects().put(object(5), value.clone()).expect("room");
    let mut taker = Loom::new(config()).await;
    let sources = [maker.handle.info.address.as_str().into()].into_iter().collect();
    taker.tell(vec![ToExecutor::Replicate { object: object(5), sources }]);
    assert!(matches!(taker.next().await, FromExecutor::ReplicaAdded { .. }));
    assert_eq!(taker.handle.objects().get(object(5)), Some(value));
}

#[tokio::test]
async fn streams_to_an_executor_are_kept() {
    use drawloom_proto::v1::object_store_client::ObjectStoreClient;
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
