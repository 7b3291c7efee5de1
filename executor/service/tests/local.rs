//! Shared memory for clients on the same machine, over a real socket.

mod common;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use common::*;
use drawloom_executor::Config;
use drawloom_model::{JobKey, ObjectKey, ToExecutor, Value};
use drawloom_proto::v1::local_reply::Reply;
use drawloom_proto::v1::local_request::Request;
use drawloom_proto::{LocalStream, v1};

const KEY: ObjectKey = ObjectKey { job: JobKey::VAULT, index: 3 };

async fn serving() -> Loom {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let config = Config { arena_bytes: Some(16 << 20), spill_limit_bytes: Some(0), ..config() };
    Loom::new(Config { listen: Some(listen), ..config }).await
}

fn connect(loom: &Loom) -> LocalStream {
    LocalStream::connect(&loom.handle.info.address).expect("it is on this machine")
}

async fn ask(stream: &mut LocalStream, request: Request) -> (Reply, Option<OwnedFd>) {
    let request = v1::LocalRequest { number: 5, request: Some(request) };
    stream.send(&request, None).await.expect("it lives");
    let received = stream.receive::<v1::LocalReply>().await.expect("intact");
    let (reply, descriptor) = received.expect("an answer");
    assert_eq!(reply.number, 5);
    (reply.reply.expect("an outcome"), descriptor)
}

async fn memory(stream: &mut LocalStream, request: Request) -> (v1::LocalMemory, File) {
    match ask(stream, request).await {
        (Reply::Memory(memory), Some(descriptor)) => (memory, File::from(descriptor)),
        (other, _) => panic!("{other:?}"),
    }
}

async fn refusal(stream: &mut LocalStream, request: Request) -> String {
    match ask(stream, request).await {
        (Reply::Refused(why), None) => why,
        (other, _) => panic!("{other:?}"),
    }
}

/// Writes an object of 1 MiB to a grant.
async fn store(stream: &mut LocalStream, fill: u8) {
    let (granted, file) = memory(stream, Request::Grant(1 << 20)).await;
    file.write_all_at(&vec![fill; 1 << 20], granted.offset).expect("writable");
    let store = v1::LocalStore { key: Some(KEY.into()), r#type: None, lease: granted.lease };
    assert_eq!(ask(stream, Request::Store(store)).await.0, Reply::Stored(v1::Empty {}));
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it does not come true that {what}");
}

#[tokio::test]
async fn what_is_written_is_shown_without_a_copy() {
    let loom = serving().await;
    let mut client = connect(&loom);
    store(&mut client, 7).await;
    let keep = v1::LocalRequest { number: 0, request: Some(Request::Keep(KEY.into())) };
    client.send(&keep, None).await.expect("it lives");
    let mut other = connect(&loom);
    let (shown, file) = memory(&mut other, Request::Get(KEY.into())).await;
    assert_eq!((shown.size_bytes, shown.offset % 4096), (1 << 20, 0));
    let mut bytes = vec![0; 1 << 20];
    file.read_exact_at(&mut bytes, shown.offset).expect("readable");
    assert!(bytes.iter().all(|byte| *byte == 7));
    assert!(file.write_at(&[1], shown.offset).is_err(), "it is shown for reading alone");
    drop(client);
    // The object stays, and its memory even longer than itself while it is looked at.
    let usage = || loom.handle.objects().usage();
    assert_eq!((usage().objects, usage().memory_bytes), (1, 1 << 20));
    loom.tell(vec![ToExecutor::Release { objects: vec![KEY] }]);
    eventually("the object is gone", || usage().objects == 0).await;
    assert_eq!(usage().memory_bytes, 1 << 20);
    assert!(refusal(&mut other, Request::Get(KEY.into())).await.contains("is not in this"));
    let done = Request::Done(v1::LocalLeases { leases: vec![shown.lease] });
    let done = v1::LocalRequest { number: 0, request: Some(done) };
    other.send(&done, None).await.expect("it lives");
    eventually("its memory is free", || usage().memory_bytes == 0).await;
}

#[tokio::test]
async fn what_a_dead_client_left_is_freed() {
    let loom = serving().await;
    let mut client = connect(&loom);
    store(&mut client, 7).await;
    let (_granted, _file) = memory(&mut client, Request::Grant(1 << 20)).await;
    let usage = || loom.handle.objects().usage();
    assert_eq!((usage().objects, usage().memory_bytes), (1, 2 << 20));
    drop(client);
    eventually("nothing is left", || usage().objects == 0 && usage().memory_bytes == 0).await;
}

#[tokio::test]
async fn bad_requests_are_refused_and_the_connection_goes_on() {
    let loom = serving().await;
    let mut client = connect(&loom);
    let store = |key: Option<ObjectKey>, lease| {
        Request::Store(v1::LocalStore { key: key.map(Into::into), r#type: None, lease })
    };
    let (granted, _file) = memory(&mut client, Request::Grant(100_000)).await;
    loom.handle.objects().put(KEY, Value::blob(vec![1; 100_000])).await.expect("room");
    let (shown, _shown_file) = memory(&mut client, Request::Get(KEY.into())).await;
    let typed = |lease| {
        let r#type = drawloom_proto::wire_type(&"f32[7]".parse().expect("a type"));
        let key = Some(ObjectKey { index: 9, ..KEY }.into());
        Request::Store(v1::LocalStore { key, r#type, lease })
    };
    for (request, part) in [
        (Request::Get(object(1).into()), "is not in this executor's memory"),
        (Request::Grant(10), "do not go to shared memory"),
        (Request::Grant(17 << 20), "larger than the object store of 16777216"),
        (Request::Grant((16 << 20) - 4096), "the object store is full"),
        (store(None, granted.lease), "key: must be set"),
        (store(Some(KEY), 99), "lease: there is no grant 99"),
        (store(Some(KEY), shown.lease), "is of an object, not of a grant"),
        (store(Some(KEY), granted.lease), "there is an object vault/o3 already"),
    ] {
        let why = refusal(&mut client, request).await;
        assert!(why.contains(part), "{why}");
    }
    let (granted, _file) = memory(&mut client, Request::Grant(100_000)).await;
    let why = refusal(&mut client, store(Some(object(1)), granted.lease)).await;
    assert!(why.contains("belongs to a job"), "{why}");
    let (granted, _file) = memory(&mut client, Request::Grant(100_000)).await;
    let why = refusal(&mut client, typed(granted.lease)).await;
    assert_eq!(why, "type: 100000 bytes do not go with f32[7]");
    let nothing = v1::LocalRequest { number: 5, request: None };
    client.send(&nothing, None).await.expect("it lives");
    let (reply, _) = client.receive::<v1::LocalReply>().await.expect("intact").expect("an answer");
    assert_eq!(reply.reply, Some(Reply::Refused("the request asks for nothing".to_owned())));
}
