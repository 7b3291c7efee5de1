//! Actors of an embedded cluster: calls as tasks, and calls straight to them.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use drawloom_client::{
    ActorHandle, CallError, Client, GraphBuilder, JobHandle, JobState, TaskState, attributes,
};
use drawloom_cluster::{Config, Embedded};
use drawloom_executor::{Actor, ActorTypes, Context};
use drawloom_model::{
    ActorSpec, AttemptId, Attributes, CallFault, DType, Failure, FailureKind, JobId, Lifetime,
    ObjectType, Shape, Value,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Does as it is told, and takes its time.
struct Moody;

impl Actor for Moody {
    fn call(
        &mut self,
        method: &str,
        _arguments: &[Value],
        context: &mut Context<'_>,
    ) -> Result<Vec<Value>, Failure> {
        match method {
            "panic" => panic!("as asked"),
            "sleep" => std::thread::sleep(Duration::from_millis(50)),
            _ => {
                let message = format!("no {method} with {:?}", context.attributes);
                return Err(Failure::new(FailureKind::Application, message));
            }
        }
        Ok(Vec::new())
    }
}

/// Answers once it may, so that a test knows what waits meanwhile.
struct Gated {
    begun: mpsc::UnboundedSender<()>,
    release: Arc<Mutex<Receiver<()>>>,
}

impl Actor for Gated {
    fn call(
        &mut self,
        _method: &str,
        _arguments: &[Value],
        _context: &mut Context<'_>,
    ) -> Result<Vec<Value>, Failure> {
        // A test that has ended is not waited for.
        let _ = self.begun.send(());
        let _ = self.release.lock().expect("nothing panics here").recv();
        Ok(Vec::new())
    }
}

/// The test's side of a [`Gated`] actor. Dropping `release` lets every call through.
struct Gate {
    begun: mpsc::UnboundedReceiver<()>,
    release: Sender<()>,
}

/// A cluster that makes actors of the type `gated`.
async fn start_gated() -> (Embedded, Gate) {
    let (begins, begun) = mpsc::unbounded_channel();
    let (release, released) = channel();
    let released = Arc::new(Mutex::new(released));
    let mut actors = ActorTypes::none();
    actors.register("gated", move |_| {
        Ok(Gated { begun: begins.clone(), release: Arc::clone(&released) })
    });
    (start_with(actors).await, Gate { begun, release })
}

/// Adds a task to its own job and waits for it.
struct Planner {
    client: Client,
    runtime: Handle,
    job: JobId,
    me: AttemptId,
}

impl Actor for Planner {
    fn call(
        &mut self,
        _method: &str,
        _arguments: &[Value],
        _context: &mut Context<'_>,
    ) -> Result<Vec<Value>, Failure> {
        let plan = async {
            let build = |first_task| {
                let mut graph = GraphBuilder::addition(first_task);
                graph.task("busy", attributes([("iterations", 1000)])).add();
                graph.build()
            };
            let added = self.client.add_to(self.job, build).await?;
            let me = (self.me.task.index, self.me.number);
            self.client.wait_tasks(self.job, vec![added.first_task], Some(me)).await
        };
        let states = self.runtime.block_on(plan);
        let states = states.map_err(|e| Failure::new(FailureKind::Application, e.to_string()))?;
        Ok(vec![Value::blob(states[0].name())])
    }
}

async fn start() -> Embedded {
    let mut actors = ActorTypes::default();
    actors.register("moody", |_| Ok(Moody));
    start_with(actors).await
}

async fn start_with(actors: ActorTypes) -> Embedded {
    let executor = drawloom_executor::Config {
        cores: Some(2),
        memory_bytes: Some(1 << 30),
        arena_bytes: Some(64 << 20),
        actors,
        ..drawloom_executor::Config::default()
    };
    Embedded::start(Config { executor, ..Config::default() }).await.expect("the cluster starts")
}

fn number(value: i64) -> Value {
    let object_type = ObjectType::Tensor { dtype: DType::I64, shape: Shape::scalar() };
    Value { object_type, data: value.to_le_bytes().to_vec().into() }
}

fn counter() -> ActorSpec {
    ActorSpec::native("counter", attributes([("start", 5)]))
}

/// A job that stays open, with one actor.
async fn open(client: &Client, spec: ActorSpec, restarts: u32) -> (JobHandle, ActorHandle) {
    let mut graph = GraphBuilder::new("actors");
    graph.options().open = true;
    let actor = graph.actor(spec).max_restarts(restarts).add();
    let job = client.submit(graph.build()).await.expect("admitted");
    let handle = client.actor((job.id(), actor.index())).await.expect("it lives");
    (job, handle)
}

#[tokio::test]
async fn calls_are_tasks_and_the_actor_ends_with_its_job() {
    let cluster = start().await;
    let client = cluster.client();
    let mut graph = GraphBuilder::new("counted");
    let actor = graph.actor(counter()).name("counter").add();
    let first = graph.call_actor(actor, "add", Attributes::new(), 1).add();
    let more = graph.call_actor(actor, "add", Attributes::new(), 1).input(first.output(0)).add();
    let last = graph.call_actor(actor, "get", Attributes::new(), 1).after(more).add();
    graph.output("count", last.output(0));
    let job = client.submit(graph.build()).await.expect("admitted");
    let id = job.id();
    let report = job.wait().await.expect("watched");
    assert_eq!((report.state, report.succeeded), (JobState::Succeeded, 4), "{report:?}");
    let job = client.attach(id, 0).await.expect("known");
    assert_eq!(job.get("count").await.expect("kept"), number(12));
    let actors = client.actors(Some(id)).await.expect("listed");
    assert_eq!((actors[0].state, actors[0].incarnation), (TaskState::Succeeded, 1));
    assert!(client.actors(None).await.expect("listed").is_empty());
    cluster.stop().await;
}

#[tokio::test]
async fn direct_calls_run_in_order() {
    let cluster = start().await;
    let (job, actor) = open(&cluster.client(), counter(), 0).await;
    let calls: Vec<_> = (0..100).map(|_| actor.call("add").start()).collect();
    for (place, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.expect("counted"), [number(6 + place as i64)]);
    }
    let by = actor.call("add").attribute("by", -5).await.expect("counted");
    assert_eq!(by, [number(100)]);
    let set = actor.call("set").arg(number(3)).await.expect("set");
    assert_eq!(set, [number(3)]);
    actor.stop().await.expect("told");
    job.close().await.expect("closed");
    assert_eq!(job.wait().await.expect("watched").state, JobState::Succeeded);
    let error = actor.call("get").await.expect_err("it has ended");
    assert!(error.to_string().ends_with("has ended: it was stopped"), "{error}");
    cluster.stop().await;
}

#[tokio::test]
async fn faults_name_the_actor_and_its_incarnation() {
    let cluster = start().await;
    let client = cluster.client();
    let (_job, actor) = open(&client, counter(), 0).await;
    let error = actor.call("fly").await.expect_err("no such method");
    let told = error.to_string();
    assert!(told.contains("(incarnation 1 on e1)"), "{told}");
    assert!(told.ends_with(r#"counter has no method "fly"; it has add, get, set"#), "{told}");
    assert_eq!(error.failure().map(|f| f.kind), Some(FailureKind::Application));
    let wrong = actor.call("add").arg(Value::scalar_f32(1.0)).await.expect_err("no number");
    assert!(wrong.to_string().ends_with("an i64 scalar is wanted, not f32[]"), "{wrong}");
    let unknown = client.actor("nobody").await.expect_err("no such actor");
    assert!(matches!(unknown, CallError::Unreachable { .. }));
    assert!(unknown.to_string().contains(r#"there is no actor named "nobody""#), "{unknown}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_panic_ends_the_incarnation_and_another_follows() {
    let cluster = start().await;
    let (_job, actor) =
        open(&cluster.client(), ActorSpec::native("moody", Attributes::new()), 1).await;
    let lost = actor.call("panic").await.expect_err("it panics");
    assert!(matches!(lost.fault(), Some(CallFault::Lost { .. })), "{lost}");
    assert!(lost.to_string().contains("the actor panicked: as asked"), "{lost}");
    actor.call("sleep").await.expect("the second incarnation answers");
    assert_eq!(actor.living().map(|living| living.incarnation.number), Some(2));
    // Tried again, the call meets the end of the actor's last incarnation.
    let ended = actor.call("panic").max_retries(3).await.expect_err("it panics again");
    assert!(matches!(ended, CallError::Ended { incarnation: 2, .. }), "{ended:?}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_full_mailbox_refuses_or_waits() {
    let (cluster, mut gate) = start_gated().await;
    let mut spec = ActorSpec::native("gated", Attributes::new());
    spec.mailbox = 2;
    let (_job, actor) = open(&cluster.client(), spec, 0).await;
    let running = actor.call("hold").start();
    gate.begun.recv().await.expect("it runs");
    // One runs, so it is out of the mailbox: two more wait, and the others are refused.
    let calls: Vec<_> = (0..5).map(|_| actor.call("hold").start()).collect();
    let mut waiting = Vec::new();
    for (place, call) in calls.into_iter().enumerate() {
        if place < 2 {
            waiting.push(call);
            continue;
        }
        let error = call.await.expect_err("the mailbox is full");
        assert_eq!(error.fault(), Some(&CallFault::MailboxFull { limit: 2 }));
        assert!(error.to_string().contains("2 calls wait, which is its limit"), "{error}");
    }
    let mut patient = pin!(actor.call("hold").start_when_room());
    let polled = poll_fn(|context| Poll::Ready(patient.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "it waits for room");
    drop(gate.release);
    running.await.expect("it was released");
    for call in waiting {
        call.await.expect("it had room");
    }
    patient.await.await.expect("there was room at last");
    for _ in 0..6 {
        let call = actor.call("hold").start_when_room().await;
        call.await.expect("there was room");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn calls_take_only_so_long() {
    let (cluster, mut gate) = start_gated().await;
    let (_job, actor) =
        open(&cluster.client(), ActorSpec::native("gated", Attributes::new()), 0).await;
    let limit = Duration::from_millis(5);
    let busy = actor.call("hold").start();
    gate.begun.recv().await.expect("it runs");
    let late = actor.call("hold").timeout(limit).await.expect_err("too slow");
    assert_eq!(late.fault(), Some(&CallFault::TimedOut { limit }));
    gate.release.send(()).expect("it waits for this");
    busy.await.expect("it was released");
    drop(gate.release);
    actor.call("hold").await.expect("the actor goes on");
    cluster.stop().await;
}

#[tokio::test]
async fn names_are_unique_and_detached_actors_stay() {
    let cluster = start().await;
    let client = cluster.client();
    let named = || {
        let mut spec = counter();
        spec.name = Some("tally".into());
        spec.lifetime = Lifetime::Detached;
        let mut graph = GraphBuilder::new("detached");
        graph.actor(spec).add();
        graph.build()
    };
    let job = client.submit(named()).await.expect("admitted");
    let actor = client.actor("tally").await.expect("found by name");
    let taken = client.submit(named()).await.expect_err("the name is taken");
    assert!(taken.to_string().contains(r#"has an actor named "tally" already"#), "{taken}");
    // A call of another job finds it by its name.
    let mut graph = GraphBuilder::new("caller");
    let by = drawloom_model::ActorRef::Name("tally".into());
    let call = graph.call_actor(by, "add", Attributes::new(), 1).add();
    graph.output("count", call.output(0));
    let caller = client.submit(graph.build()).await.expect("admitted");
    assert_eq!(caller.wait().await.expect("watched").state, JobState::Succeeded);
    assert_eq!(actor.call("get").await.expect("counted"), [number(6)]);
    client.stop_actor("tally").await.expect("told");
    assert_eq!(job.wait().await.expect("watched").state, JobState::Succeeded);
    assert!(client.submit(named()).await.is_ok(), "the name is free again");
    cluster.stop().await;
}

#[tokio::test]
async fn calls_of_an_actor_that_failed_fail() {
    let cluster = start().await;
    let mut graph = GraphBuilder::new("broken");
    let actor = graph.actor(ActorSpec::native("counter", attributes([("begin", 1)]))).add();
    graph.call_actor(actor, "get", Attributes::new(), 1).add();
    let job = cluster.client().submit(graph.build()).await.expect("admitted");
    let report = job.wait().await.expect("watched");
    assert_eq!((report.state, report.failed), (JobState::Failed, 2));
    let told = report.failures[0].1.to_string();
    assert!(told.ends_with("begin: unknown; known are start"), "{told}");
    cluster.stop().await;
}

#[tokio::test]
async fn an_actor_adds_tasks_and_lends_them_its_only_core() {
    let client = Arc::new(OnceLock::<Client>::new());
    let mut actors = ActorTypes::none();
    let (known, runtime) = (Arc::clone(&client), Handle::current());
    actors.register("planner", move |construction| {
        let missing = || Failure::new(FailureKind::Application, "the cluster is not there yet");
        Ok(Planner {
            client: known.get().cloned().ok_or_else(missing)?,
            runtime: runtime.clone(),
            job: construction.job.ok_or_else(missing)?,
            me: construction.incarnation,
        })
    });
    let executor = drawloom_executor::Config {
        cores: Some(1),
        actors,
        ..drawloom_executor::Config::default()
    };
    let cluster = Embedded::start(Config { executor, ..Config::default() }).await.expect("started");
    client.set(cluster.client()).ok();
    let (job, planner) =
        open(&cluster.client(), ActorSpec::native("planner", Attributes::new()), 0).await;
    for _ in 0..3 {
        let planned = planner.call("plan").timeout(Duration::from_secs(60)).await;
        assert_eq!(planned.expect("planned"), [Value::blob("succeeded")]);
    }
    let detail = cluster.client().describe(job.id()).await.expect("described");
    assert_eq!(detail.job.tasks.get(TaskState::Succeeded), 3);
    cluster.stop().await;
}

#[tokio::test]
async fn a_parameter_server_learns() {
    let cluster = start().await;
    let client = cluster.client();
    let tensor = |values: &[f32]| {
        let shape = Shape::new([values.len() as u64]);
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let object_type = ObjectType::Tensor { dtype: DType::F32, shape };
        Value { object_type, data: data.into() }
    };
    let mut graph = GraphBuilder::new("learning");
    graph.options().open = true;
    let weights = graph.literal("weights", tensor(&[1.0, 2.0]));
    let spec = ActorSpec::native("parameter_server", attributes([("lr", 0.5)]));
    let actor = graph.actor(spec).input(weights).add();
    let job = client.submit(graph.build()).await.expect("admitted");
    let server = client.actor((job.id(), actor.index())).await.expect("it lives");
    let version = server.call("apply").arg(tensor(&[2.0, -4.0])).await.expect("applied");
    assert_eq!(version, [number(1)]);
    assert_eq!(server.call("get").await.expect("got"), [tensor(&[0.0, 4.0])]);
    let wrong = server.call("apply").arg(tensor(&[1.0])).await.expect_err("another shape");
    assert!(wrong.to_string().contains("gradient 0:"), "{wrong}");
    assert_eq!(server.call("version").await.expect("got"), [number(1)]);
    cluster.stop().await;
}
