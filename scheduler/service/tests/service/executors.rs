//! Executors come, fail and go.

use drawloom_model::ToExecutor;
use drawloom_proto::v1;
use tonic::Code;

use crate::cluster::{Player, Submissions, connect, end_state, graph, info, start, succeeded};

#[tokio::test]
async fn what_a_lost_executor_had_runs_elsewhere() {
    let cluster = start().await;
    let mut first = Player::join(&cluster, &info("a", 2, "")).await;
    let lost = first.id.0;
    let mut submissions = Submissions::open(&cluster.client).await;
    submissions.submit(&graph(1), "").await;
    let Some(ToExecutor::Run(run)) = first.order().await else { panic!("no order to run") };
    assert_eq!(run.attempt.number, 1);
    drop(first);
    let mut second = Player::join(&cluster, &info("b", 2, "")).await;
    let Some(ToExecutor::Run(run)) = second.order().await else { panic!("no order to run") };
    assert_eq!(run.attempt.number, 2);
    second.say(succeeded(&run)).await;
    let events = submissions.events().await;
    assert_eq!(end_state(&events), v1::JobState::Succeeded);
    let retried = events.iter().find_map(|event| match &event.event {
        Some(v1::job_event::Event::TaskRetried(retried)) => Some(retried),
        _ => None,
    });
    let retried = retried.unwrap_or_else(|| panic!("nothing was tried again in {events:?}"));
    assert_eq!((retried.attempt, retried.executor), (1, Some(lost)));
    // It never said that it had started the attempt.
    assert!(retried.placed_nanos <= retried.started_nanos);
    assert_eq!(retried.started_nanos, retried.ended_nanos);
    cluster.stop().await;
}

#[tokio::test]
async fn a_drained_executor_is_told_to_stop() {
    let cluster = start().await;
    let mut player = Player::join(&cluster, &info("a", 2, "")).await;
    let request = v1::DrainRequest { executor: player.id.0 };
    cluster.client.clone().drain(request).await.expect("it is there");
    assert_eq!(player.order().await, Some(ToExecutor::Stop));
    cluster.stop().await;
}

#[tokio::test]
async fn whoever_does_not_introduce_itself_may_not_join() {
    let cluster = start().await;
    let mut link = v1::executor_link_client::ExecutorLinkClient::new(connect(&cluster.address));
    let attach = link.attach(tokio_stream::iter([v1::FromExecutorBatch::default()]));
    let status = attach.await.expect_err("no introduction");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "join: must come first");
    cluster.stop().await;
}
