//! Jobs followed from many places, in an embedded cluster.

use std::error::Error as _;
use std::time::Duration;

use drawloom_client::{
    Attributes, Client, Error, GraphBuilder, Job, JobEvent, JobState, TaskHandle, TaskState,
    attributes,
};
use drawloom_cluster::{Config, Embedded};
use drawloom_model::{ProcessOutput, ProcessSpec, ResourceRequest, Run, Template, Variant};
use tokio_stream::StreamExt as _;

async fn start() -> (Embedded, Client) {
    let executor = drawloom_executor_config();
    let config = Config { executor, ..Config::default() };
    let cluster = Embedded::start(config).await.expect("the cluster starts");
    let client = cluster.client();
    (cluster, client)
}

fn drawloom_executor_config() -> drawloom_cluster::ExecutorConfig {
    drawloom_cluster::ExecutorConfig {
        cores: Some(2),
        memory_bytes: Some(1 << 30),
        arena_bytes: Some(16 << 20),
        ..Default::default()
    }
}

fn process(argv: &[&str], outputs: Vec<ProcessOutput>) -> Template {
    let made = outputs.len() as u16;
    let argv = argv.iter().map(ToString::to_string).collect();
    let run = Run::Process(ProcessSpec { argv, outputs, ..ProcessSpec::default() });
    Template::new(Variant { run, request: ResourceRequest::cores(1), cost_hint: None }, made)
}

async fn submit(client: &Client, graph: GraphBuilder) -> Job {
    client.submit(graph.build_checked().expect("sound")).await.expect("admitted").share()
}

#[tokio::test]
async fn results_come_before_the_job_ends() {
    let (cluster, client) = start().await;
    let mut graph = GraphBuilder::new("early");
    let text = graph.task_from(process(&["echo", "-n", "warp"], vec![ProcessOutput::Stdout])).add();
    let text = graph.output_of::<String>(text, 0);
    graph.keep("text", text);
    let slow = graph.task_from(process(&["sleep", "600"], vec![])).add();
    let job = submit(&client, graph).await;
    assert_eq!(job.result(text).await.expect("made"), "warp");
    assert_eq!(client.describe(job.id()).await.expect("known").job.state, JobState::Running);
    let waited = job.wait_any([text.into(), slow], None).await.expect("followed");
    assert_eq!((waited.done, waited.pending), (vec![text.task()], vec![slow]));
    let short = Some(Duration::from_millis(20));
    let waited = job.wait_all([text.into(), slow], short).await.expect("followed");
    assert_eq!((waited.done, waited.pending), (vec![text.task()], vec![slow]));
    let waited = job.wait_any([slow], short).await.expect("followed");
    assert_eq!(waited.pending, [slow]);
    job.cancel().await.expect("cancelled");
    assert_eq!(job.ended(slow).await.expect("followed"), TaskState::Cancelled);
    assert!(job.wait_all([text.into(), slow], None).await.expect("followed").pending.is_empty());
    assert_eq!(job.wait().await.expect("followed").state, JobState::Cancelled);
    cluster.stop().await;
}

#[tokio::test]
async fn a_failure_is_told_with_what_led_to_it() {
    let (cluster, client) = start().await;
    let mut graph = GraphBuilder::new("chain");
    let shell = process(&["sh", "-c", "echo no such loom >&2; exit 7"], vec![]);
    let root = graph.task_from(shell).name("load").add();
    let middle = graph.task("noop", Attributes::new()).after(root).add();
    let last = graph.task("busy", attributes([("iterations", 1)])).name("last").after(middle).add();
    let last = graph.output_of::<i64>(last, 0);
    let job = submit(&client, graph).await;
    let error = job.result(last).await.expect_err("it was never run");
    let Error::Task(error) = error else { panic!("{error}") };
    assert_eq!(
        (error.task, error.name.as_deref(), error.state),
        (2, Some("last"), TaskState::Failed)
    );
    assert_eq!(error.stderr_tail(), None);
    let middle = error.source().expect("a cause").to_string();
    assert!(middle.starts_with("task 1 failed: upstream"), "{middle}");
    let root = error.root();
    assert_eq!((root.task, root.attempt, root.stderr_tail()), (0, 1, Some("no such loom")));
    let name = client.cluster().await.expect("there").executors[0].info.name.clone();
    assert_eq!(root.executor.as_deref(), Some(name.as_str()));
    let text = root.to_string();
    assert!(text.starts_with("task 0 (load) failed in attempt 1 on "), "{text}");
    assert!(text.ends_with(": application: exit code 7: no such loom"), "{text}");
    // The chain is that of any error.
    let whole = Error::Task(error);
    let (mut causes, mut cause) = (0, whole.source());
    while let Some(error) = cause {
        (causes, cause) = (causes + 1, error.source());
    }
    assert_eq!(causes, 2);
    cluster.stop().await;
}

#[tokio::test]
async fn what_cannot_be_had_is_told() {
    let (cluster, client) = start().await;
    let mut graph = GraphBuilder::new("not kept");
    let made = graph.call::<Vec<f32>>("uniform", attributes([("shape", vec![4i64])]), ());
    let total = graph.call::<f32>("sum", Attributes::new(), made);
    graph.keep("total", total);
    let list = graph.output_of::<Vec<f32>>(total.task(), 0);
    let job = submit(&client, graph).await;
    job.wait().await.expect("ended");
    assert_eq!(job.result(list).await.expect("one element").len(), 1);
    let dropped = job.result(made).await.expect_err("dropped").to_string();
    assert!(dropped.contains("dropped after its last use"), "{dropped}");
    let text = client.submit(GraphBuilder::new("empty").build()).await.expect("admitted").share();
    let nothing = TaskHandle::from_index(3);
    let unknown = text.ended(nothing).await.expect_err("no such task").to_string();
    assert!(unknown.ends_with("has no task 3"), "{unknown}");
    assert_eq!(text.wait_all([nothing; 0], None).await.expect("nothing to do"), Default::default());
    cluster.stop().await;
}

#[tokio::test]
async fn many_consumers_follow_one_job() {
    let (cluster, client) = start().await;
    let mut graph = GraphBuilder::new("many");
    let template = graph.template(Template::new(Variant::kernel("noop", Attributes::new()), 0));
    for _ in 0..2000 {
        graph.add(template, [], []);
    }
    let mut handle = client.submit(graph.build()).await.expect("admitted");
    // Sharing later does not lose what was read before.
    handle.next_event().await.expect("followed").expect("an event");
    let job = handle.share();
    let count = |job: Job, from: u64| async move {
        let mut events = job.events(from).await.expect("followed");
        let (mut next, mut last) = (from, None);
        while let Some(event) = events.next().await {
            let (seq, event) = event.expect("followed");
            assert_eq!(seq, next);
            (next, last) = (next + 1, Some(event));
        }
        assert_eq!(last, Some(JobEvent::JobEnded { state: JobState::Succeeded }));
        next
    };
    let readers: Vec<_> = [0, 0, 500].map(|from| tokio::spawn(count(job.clone(), from))).into();
    let waits: Vec<_> = (0..50)
        .map(|task| {
            let job = job.clone();
            tokio::spawn(async move { job.ended(TaskHandle::from_index(task * 40)).await })
        })
        .collect();
    for wait in waits {
        assert_eq!(wait.await.expect("no panic").expect("followed"), TaskState::Succeeded);
    }
    let mut counts = Vec::new();
    for reader in readers {
        counts.push(reader.await.expect("no panic"));
    }
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    assert_eq!(job.wait().await.expect("ended").succeeded, 2000);
    cluster.stop().await;
}

#[tokio::test]
async fn a_cluster_that_stops_is_told_to_who_waits() {
    let (cluster, client) = start().await;
    let mut graph = GraphBuilder::new("stopped");
    let slow = graph.task_from(process(&["sleep", "600"], vec![])).add();
    let job = submit(&client, graph).await;
    let waiting = {
        let job = job.clone();
        tokio::spawn(async move { job.ended(slow).await })
    };
    tokio::task::yield_now().await;
    cluster.stop().await;
    let error = waiting.await.expect("no panic").expect_err("nobody is there");
    assert!(matches!(error, Error::Stopped), "{error}");
}
