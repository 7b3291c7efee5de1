//! Objects: put, get, locate, release.

use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{Input, NamedOutput, ToExecutor, Value};
use drawloom_proto::{Assembly, Rejection, split_object, v1};
use drawloom_scheduler::{Config, RequestLimits};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tonic::{Code, Status};
use v1::object_ref::Object;

use crate::cluster::{Client, MemoryStore, Player, Submissions, graph, info, start, start_with};

async fn put(client: &Client, chunks: Vec<v1::ObjectChunk>) -> Result<String, Rejection> {
    let reply = client.clone().put_object(tokio_stream::iter(chunks)).await;
    reply.map(|reply| reply.into_inner().object).map_err(|status| Rejection::from(&status))
}

async fn get(client: &Client, object: Object) -> Result<Value, Status> {
    let request = v1::GetObjectRequest { object: Some(v1::ObjectRef { object: Some(object) }) };
    let mut chunks = client.clone().get_object(request).await?.into_inner();
    let first = chunks.message().await?.expect("a first piece");
    let mut assembly = Assembly::begin(first, u64::MAX).expect("a description");
    while let Some(chunk) = chunks.message().await? {
        assembly.add(&chunk).expect("a piece");
    }
    Ok(assembly.finish().expect("nothing was damaged"))
}

fn pieces(value: &Value) -> Vec<v1::ObjectChunk> {
    split_object(None, value.clone()).collect()
}

#[tokio::test]
async fn small_objects_stay_with_the_scheduler() {
    let cluster = start().await;
    let value = Value::scalar_f64(2.5);
    let object = put(&cluster.client, pieces(&value)).await.expect("it is small");
    assert_eq!(
        get(&cluster.client, Object::Put(object.clone())).await.expect("it is there"),
        value
    );
    let release = v1::ReleaseObjectRequest { object: object.clone() };
    cluster.client.clone().release_object(release).await.expect("it is there");
    let status = get(&cluster.client, Object::Put(object)).await.expect_err("released");
    assert_eq!(status.code(), Code::NotFound);
    cluster.stop().await;
}

#[tokio::test]
async fn large_objects_go_to_an_executor_and_come_back() {
    let cluster = start().await;
    let value = Value::blob((0..3_000_000u32).map(|byte| byte as u8).collect::<Vec<_>>());
    let homeless = put(&cluster.client, pieces(&value)).await.expect_err("no executor");
    assert_eq!(homeless.code, Code::FailedPrecondition);

    let store = MemoryStore::default();
    let address = store.clone().serve().await;
    Player::join(&cluster, &info("a", 2, &address)).await.oblige();
    let object = put(&cluster.client, pieces(&value)).await.expect("the executor takes it");
    assert_eq!(store.len(), 1);
    assert_eq!(
        get(&cluster.client, Object::Put(object.clone())).await.expect("it is there"),
        value
    );
    let name = Some(v1::ObjectRef { object: Some(Object::Put(object)) });
    let request = v1::LocateObjectRequest { object: name };
    let located = cluster.client.clone().locate_object(request).await;
    let located = located.expect("it is there").into_inner();
    assert_eq!((located.addresses, located.inline), (vec![address], None));
    assert_eq!(located.view.expect("a view").size_bytes, 3_000_000);

    let mut damaged = pieces(&value);
    damaged[1].data = vec![0; damaged[1].data.len()].into();
    let rejection = put(&cluster.client, damaged).await.expect_err("the checksum differs");
    assert_eq!((rejection.code, rejection.field.as_str()), (Code::DataLoss, "piece_crc32c"));
    assert_eq!(store.len(), 1);
    cluster.stop().await;
}

#[tokio::test]
async fn an_object_whose_client_is_gone_is_let_go() {
    let cluster = start().await;
    let (sender, mut kept) = mpsc::unbounded_channel();
    let resume = Arc::new(Notify::new());
    let mut store = MemoryStore::default();
    store.kept = Some((sender, Arc::clone(&resume)));
    let address = store.serve().await;
    let mut player = Player::join(&cluster, &info("a", 2, &address)).await;
    let client = cluster.client.clone();
    let value = Value::blob(vec![7; 1 << 20]);
    let putting = tokio::spawn(async move { put(&client, pieces(&value)).await });
    let key = kept.recv().await.expect("the executor has it");
    putting.abort();
    let _ = putting.await;
    // Some later call of the same connection is answered: so the end of the first has been heard.
    cluster.client.clone().cluster_view(v1::ClusterViewRequest {}).await.expect("a view");
    resume.notify_one();
    let order = timeout(Duration::from_secs(30), player.order()).await.expect("it is told");
    assert!(
        matches!(&order, Some(ToExecutor::Release { objects }) if objects.contains(&key)),
        "{order:?}"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn objects_that_are_too_large_are_refused_with_the_limit() {
    let limits = RequestLimits { object_bytes: 100_000, ..RequestLimits::default() };
    let cluster = start_with(Config { limits, ..Config::default() }).await;
    let value = Value::blob(vec![0; 100_001]);
    let rejection = put(&cluster.client, pieces(&value)).await.expect_err("too large");
    assert_eq!((rejection.code, rejection.field.as_str()), (Code::ResourceExhausted, "size_bytes"));
    assert!(rejection.message.contains("100001 bytes are more than the limit of 100000"));
    cluster.stop().await;
}

#[tokio::test]
async fn outputs_are_had_once_they_are_made() {
    let cluster = start().await;
    let mut player = Player::join(&cluster, &info("a", 2, "")).await;
    let mut submissions = Submissions::open(&cluster.client).await;
    let mut named = graph(3);
    let object = Input::Task { task: 2, output: 0 };
    named.outputs = vec![NamedOutput { name: "third".to_owned(), object }];
    let job = submissions.submit(&named, "").await.job;
    let output =
        |name: &str| Object::Output(v1::JobOutputRef { job: job.clone(), name: name.to_owned() });
    let status = get(&cluster.client, output("third")).await.expect_err("not made yet");
    assert_eq!(status.code(), Code::FailedPrecondition);
    // Its heartbeat is heard although it has said nothing else.
    player.say(drawloom_model::FromExecutor::Heartbeat).await;
    for _ in 0..3 {
        if let Some(drawloom_model::ToExecutor::Run(run)) = player.order().await {
            player.say(crate::cluster::succeeded(&run)).await;
        }
    }
    submissions.events().await;
    let third = get(&cluster.client, output("third")).await.expect("it is made");
    assert_eq!(third, Value::blob("2"));
    let status = get(&cluster.client, output("fourth")).await.expect_err("no such output");
    assert_eq!(status.code(), Code::NotFound);
    let task = Some(v1::TaskRef { task: Some(v1::task_ref::Task::Index(0)) });
    let dropped = Object::Task(v1::TaskOutputRef { job: job.clone(), task, output: 0 });
    let status = get(&cluster.client, dropped).await.expect_err("nobody kept it");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("name it as an output"), "{}", status.message());
    cluster.stop().await;
}
