//! What is wrong is told with the right code, the field at fault and what to do.

use drawloom_model::{Gang, GangStrategy, Limits};
use drawloom_proto::{Rejection, v1};
use drawloom_scheduler::{Config, DriverConfig, RequestLimits};
use tonic::{Code, Status};

use crate::cluster::{Player, Submissions, graph, info, kernel, process, start, start_with};

fn check(rejected: &v1::SubmitRejected, code: Code, field: &str, part: &str) {
    assert_eq!(Code::from_i32(rejected.code), code, "{}", rejected.message);
    assert_eq!(rejected.field, field);
    assert!(rejected.message.contains(part), "{}", rejected.message);
}

#[tokio::test]
async fn bad_graphs_are_refused_and_the_stream_goes_on() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;

    let mut cycle = graph(2);
    cycle.tasks[0].after = vec![1];
    cycle.tasks[1].after = vec![0];
    let refusal = submissions.refusal(&cycle).await;
    check(&refusal, Code::InvalidArgument, "graph.tasks", r#""t0" -> task "t1" -> task "t0""#);

    let refusal = submissions.refusal(&kernel("nooop")).await;
    check(&refusal, Code::InvalidArgument, "graph.tasks", r#"there is no kernel "nooop""#);

    let mut template = process(1);
    template.variants.clear();
    let mut empty = graph(1);
    empty.templates = vec![template.into()];
    let refusal = submissions.refusal(&empty).await;
    check(&refusal, Code::InvalidArgument, "graph.templates[0].variants", "at least one");

    let mut large = graph(1);
    large.templates = vec![process(64).into()];
    let refusal = submissions.refusal(&large).await;
    check(&refusal, Code::FailedPrecondition, "graph.tasks[0]", "cpu: asks for 64 cores, has 2");

    let mut loners = graph(2);
    loners.gangs = vec![Gang::new("pair", vec![0, 7], GangStrategy::StrictSpread)];
    let refusal = submissions.refusal(&loners).await;
    check(&refusal, Code::InvalidArgument, "graph.gangs[0].members[1]", "there is no task 7");
    loners.gangs[0].members = vec![0, 1];
    let refusal = submissions.refusal(&loners).await;
    let missing =
        "gang \"pair\" needs 2 executors that fit its members (strict_spread), there are 1";
    check(&refusal, Code::FailedPrecondition, "graph.gangs[0]", missing);

    submissions.submit(&graph(1), "").await;
    cluster.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_its_limit() {
    let limits = Limits { tasks: 100, ..Limits::default() };
    let driver = DriverConfig { limits, ..DriverConfig::default() };
    let limits = RequestLimits { graph_bytes: 1000, ..RequestLimits::default() };
    let cluster = start_with(Config { driver, limits, ..Config::default() }).await;
    let mut submissions = Submissions::open(&cluster.client).await;
    let mut many = graph(101);
    many.tasks.iter_mut().for_each(|task| task.name = None);
    let refusal = submissions.refusal(&many).await;
    check(&refusal, Code::ResourceExhausted, "graph.tasks", "the limit of 100 tasks");
    let mut long = graph(1);
    long.tasks[0].name = Some("x".repeat(1000).into());
    let refusal = submissions.refusal(&long).await;
    check(&refusal, Code::ResourceExhausted, "graph", "the limit of 1000 bytes");
    cluster.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_stream_with_the_limit() {
    let cluster = start().await;
    let mut submissions = Submissions::open(&cluster.client).await;
    let task = v1::Task { name: "x".repeat(17 << 20), ..v1::Task::default() };
    let graph = Some(v1::GraphChunk { tasks: vec![task], ..v1::GraphChunk::default() });
    let request = v1::SubmitRequest { submission: 1, header: None, graph, last: true };
    submissions.requests.send(request).await.expect("the stream is open");
    let status = submissions.replies.message().await.expect_err("too large");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("16777216 bytes"), "{}", status.message());
    cluster.stop().await;
}

#[tokio::test]
async fn unknown_and_unreadable_names_are_told() {
    let cluster = start().await;
    let mut client = cluster.client.clone();
    let check = |status: Status, code: Code, field: &str| {
        let rejection = Rejection::from(&status);
        assert_eq!((rejection.code, rejection.field.as_str()), (code, field), "{status}");
    };
    let unknown = "job-00000000000000000000000000000001".to_owned();
    let describe = |job: &str| v1::DescribeJobRequest { job: job.to_owned() };
    let status = client.describe_job(describe("nonsense")).await.expect_err("no id");
    assert!(status.message().contains("expected `job-` and 32 hexadecimal digits"));
    check(status, Code::InvalidArgument, "job");
    let status = client.describe_job(describe(&unknown)).await.expect_err("unknown");
    check(status, Code::NotFound, "job");
    let request = v1::ListJobsRequest { page_token: "?".to_owned(), ..Default::default() };
    let status = client.list_jobs(request).await.expect_err("no token");
    check(status, Code::InvalidArgument, "page_token");
    let request = v1::ListJobsRequest { states: vec![99], ..Default::default() };
    let status = client.list_jobs(request).await.expect_err("no state");
    check(status, Code::InvalidArgument, "states[0]");
    let request = v1::ExplainRequest { job: unknown.clone(), task: None };
    let status = client.explain(request).await.expect_err("no task");
    check(status, Code::InvalidArgument, "task");
    let status = client.drain(v1::DrainRequest { executor: 9 }).await.expect_err("unknown");
    check(status, Code::NotFound, "executor");
    let request = v1::CancelRequest { job: unknown, tasks: None };
    let status = client.cancel(request).await.expect_err("unknown");
    check(status, Code::NotFound, "job");
    cluster.stop().await;
}
