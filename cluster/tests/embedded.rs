//! An embedded cluster runs graphs from end to end.

use bytes::Bytes;
use drawloom_client::{
    Error, GraphBuilder, JobEvent, JobState, ObjectRef, PageRequest, TaskRef, TaskState, attributes,
};
use drawloom_cluster::{Config, Embedded};
use drawloom_model::{
    Attributes, OnFailure, ProcessInput, ProcessOutput, ProcessSpec, ResourceRequest, Run,
    Template, Value, Variant,
};

async fn start() -> Embedded {
    start_with(None).await
}

/// A cluster whose objects may take up so much of the disk.
async fn start_with(spill_limit_bytes: Option<u64>) -> Embedded {
    let executor = drawloom_executor::Config {
        cores: Some(2),
        memory_bytes: Some(1 << 30),
        arena_bytes: Some(64 << 20),
        spill_limit_bytes,
        ..drawloom_executor::Config::default()
    };
    Embedded::start(Config { executor, ..Config::default() }).await.expect("the cluster starts")
}

fn process(argv: &[&str], outputs: Vec<ProcessOutput>) -> Template {
    let made = outputs.len() as u16;
    let argv = argv.iter().map(ToString::to_string).collect();
    let run = Run::Process(ProcessSpec { argv, outputs, ..ProcessSpec::default() });
    let request = ResourceRequest::cores(1);
    Template::new(Variant { run, request, cost_hint: None }, made)
}

#[tokio::test]
async fn a_graph_runs_to_its_outputs() {
    let cluster = start().await;
    let client = cluster.client();
    let mut graph = GraphBuilder::new("sum");
    let made = graph.task("busy", attributes([("iterations", 1000)])).name("made").add();
    let after = graph.task("noop", Attributes::new()).after(made).add();
    graph.output("checksum", made.output(0));
    let job = client.submit(graph.build()).await.expect("admitted");
    let id = job.id();
    let report = job.wait().await.expect("watched to the end");
    assert_eq!((report.state, report.succeeded), (JobState::Succeeded, 2));
    let output = ObjectRef::Output { job: id, name: "checksum".into() };
    assert_eq!(client.get(output).await.expect("kept").data.len(), 8);
    let tasks = client.tasks(id, PageRequest::default(), vec![]).await.expect("listed").items;
    assert_eq!(tasks[0].name.as_deref(), Some("made"));
    assert!(tasks.iter().all(|task| task.state == TaskState::Succeeded));
    let task = TaskRef::Index(after.index());
    assert!(!client.explain(id, task).await.expect("explained").reasons.is_empty());
    cluster.stop().await;
}

#[tokio::test]
async fn many_tasks_run_and_events_are_numbered_without_gaps() {
    let cluster = start().await;
    let mut graph = GraphBuilder::new("many");
    let template = graph.template(Template::new(Variant::kernel("noop", Attributes::new()), 0));
    for _ in 0..5000 {
        graph.add(template, [], []);
    }
    let mut job = cluster.client().submit(graph.build()).await.expect("admitted");
    let (mut next, mut succeeded) = (0, 0);
    while let Some((seq, event)) = job.next_event().await.expect("watched") {
        assert_eq!(seq, next);
        next += 1;
        succeeded +=
            u32::from(matches!(event, JobEvent::TaskEnded { state: TaskState::Succeeded, .. }));
    }
    assert_eq!(succeeded, 5000);
    let mut again = cluster.client().attach(job.id(), next - 1).await.expect("still known");
    assert!(matches!(again.next_event().await, Ok(Some((_, JobEvent::JobEnded { .. })))));
    cluster.stop().await;
}

#[tokio::test]
async fn large_literals_are_put_and_large_outputs_come_back() {
    let cluster = start().await;
    let bytes = Bytes::from(vec![7; 1 << 20]);
    let mut graph = GraphBuilder::new("large");
    let literal = graph.literal("data", Value::blob(bytes.clone()));
    let mut cat = process(&["cat"], vec![ProcessOutput::Stdout]);
    if let Run::Process(process) = &mut cat.variants[0].run {
        process.inputs = vec![ProcessInput::Stdin];
    }
    let copy = graph.task_from(cat).input(literal).add();
    graph.output("copy", copy.output(0));
    let job = cluster.client().submit(graph.build()).await.expect("admitted");
    let id = job.id();
    assert_eq!(job.wait().await.expect("ended").state, JobState::Succeeded);
    let output = ObjectRef::Output { job: id, name: "copy".into() };
    assert_eq!(cluster.client().get(output).await.expect("kept").data, bytes);
    cluster.stop().await;
}

#[tokio::test]
async fn literals_are_let_go_when_one_cannot_be_put() {
    let cluster = start_with(Some(0)).await;
    let client = cluster.client();
    let mut graph = GraphBuilder::new("too large");
    for name in ["first", "second"] {
        let literal = graph.literal(name, Value::blob(vec![7; 40 << 20]));
        graph.task("noop", Attributes::new()).input(literal).add();
    }
    let error = client.submit(graph.build()).await.expect_err("no room for both");
    assert!(error.to_string().contains("the object store is full"), "{error}");
    // The executor hears of it a moment later.
    let mut puts = 0;
    while client.put(Value::blob(vec![7; 60 << 20])).await.is_err() {
        puts += 1;
        assert!(puts < 1000, "the first literal still takes up room");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    cluster.stop().await;
}

#[tokio::test]
async fn open_jobs_grow() {
    let cluster = start().await;
    let mut graph = GraphBuilder::new("open");
    graph.options().open = true;
    let first = graph.task("noop", Attributes::new()).add();
    let mut job = cluster.client().submit(graph.build()).await.expect("admitted");
    let mut more = GraphBuilder::addition(job.tasks());
    more.task("noop", Attributes::new()).after(first).add();
    let added = job.add_tasks(more.build()).await.expect("added");
    assert_eq!((added.first_task, added.tasks), (1, 2));
    job.close().await.expect("closed");
    assert_eq!(job.wait().await.expect("ended").succeeded, 2);
    cluster.stop().await;
}

#[tokio::test]
async fn a_job_that_ends_between_two_pages_hides_no_other() {
    let cluster = start().await;
    let client = cluster.client();
    let mut submitted = Vec::new();
    for _ in 0..4 {
        let mut graph = GraphBuilder::new("open");
        graph.options().open = true;
        submitted.push(client.submit(graph.build()).await.expect("admitted").id());
    }
    let page = |token| client.jobs(PageRequest { size: 2, token }, vec![JobState::Running]);
    let first = page(None).await.expect("a page");
    assert_eq!(first.items[1].job, submitted[2]);
    client.cancel(submitted[2]).await.expect("it runs");
    let second = page(first.next).await.expect("a page").items;
    let rest: Vec<_> = second.into_iter().map(|job| job.job).collect();
    assert_eq!(rest, [submitted[1], submitted[0]]);
    cluster.stop().await;
}

#[tokio::test]
async fn cancelled_processes_end() {
    let cluster = start().await;
    let mut graph = GraphBuilder::new("slow");
    graph.options().on_failure = OnFailure::CancelJob;
    let slow = graph.task_from(process(&["sleep", "600"], vec![])).add();
    graph.task("noop", Attributes::new()).after(slow).add();
    let mut job = cluster.client().submit(graph.build()).await.expect("admitted");
    while let Some((_, event)) = job.next_event().await.expect("watched") {
        if matches!(event, JobEvent::TaskStarted { .. }) {
            assert_eq!(job.cancel().await.expect("cancelled"), 2);
        }
        if let JobEvent::JobEnded { state } = event {
            assert_eq!(state, JobState::Cancelled);
        }
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_missing_executable_fails_its_task_with_its_name() {
    let cluster = start().await;
    let mut graph = GraphBuilder::new("missing");
    graph.task_from(process(&["no-such-program-here"], vec![])).add();
    let job = cluster.client().submit(graph.build()).await.expect("admitted");
    let report = job.wait().await.expect("ended");
    assert_eq!(report.state, JobState::Failed);
    assert!(report.failures[0].1.message.contains("no-such-program-here"));
    cluster.stop().await;
}

#[tokio::test]
async fn requests_that_fit_nowhere_are_refused_with_the_resource() {
    let cluster = start().await;
    let mut graph = GraphBuilder::new("greedy");
    let greedy = |t: &mut Template| t.variants[0].request = ResourceRequest::cores(1000);
    graph.task("noop", Attributes::new()).with(greedy).add();
    let error = cluster.client().submit(graph.build()).await.expect_err("too much");
    let Error::Refused { code, message, .. } = &error else { panic!("{error}") };
    assert_eq!(*code, drawloom_client::Code::FailedPrecondition);
    assert!(message.contains("asks for 1000 cores, has 2 cores"), "{message}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_scheduler_that_ends_ends_the_cluster() {
    let mut cluster = start().await;
    cluster.scheduler().stop().await;
    cluster.ended().await;
    cluster.stop().await;
}
