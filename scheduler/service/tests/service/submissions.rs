//! Submitting and watching.

use std::time::Duration;

use drawloom_scheduler::{Config, DriverConfig, Retention};
use tonic::Code;

use crate::cluster::{
    Client, Player, Submissions, end_state, graph, info, parts, start, start_with, watch,
};
use drawloom_proto::v1;
use v1::submit_reply::Reply;

#[tokio::test]
async fn a_watched_submission_ends_and_can_be_watched_again_from_anywhere() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    let accepted = submissions.submit(&graph(20), "").await;
    assert_eq!((accepted.tasks, accepted.existing), (20, false));
    let events = submissions.events().await;
    assert_eq!(end_state(&events), v1::JobState::Succeeded);
    assert_eq!(watch(&cluster.client, &accepted.job, 0).await, events);
    assert_eq!(watch(&cluster.client, &accepted.job, 7).await, events[7..]);
    let beyond = events.len() as u64;
    let last = watch(&cluster.client, &accepted.job, beyond - 1).await;
    let mut told_again = cluster.client.clone();
    let request = |from_seq| v1::WatchRequest { job: accepted.job.clone(), from_seq };
    let mut again = told_again.watch(request(beyond)).await.expect("a stream").into_inner();
    let batch = again.message().await.expect("no error").expect("the last event");
    assert_eq!((batch.first_seq, batch.events), (beyond - 1, last));
    assert_eq!(again.message().await.expect("no error"), None);
    let refused = told_again.watch(request(beyond + 1)).await.expect_err("beyond");
    assert_eq!(refused.code(), tonic::Code::OutOfRange, "{refused}");
    cluster.stop().await;
}

#[tokio::test]
async fn one_stream_carries_many_submissions_in_parts() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    for id in 0..3 {
        let messages = parts(id, &graph(30), "", 100);
        assert!(messages.len() > 3);
        for message in messages {
            submissions.requests.send(message).await.expect("the stream is open");
        }
        assert!(
            matches!(submissions.reply().await, (answered, Reply::Accepted(_)) if answered == id)
        );
        assert_eq!(end_state(&submissions.events().await), v1::JobState::Succeeded);
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_submission_that_another_cuts_off_is_refused_alone() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    let mut cut = parts(1, &graph(1), "", 1 << 20).remove(0);
    cut.last = false;
    submissions.requests.send(cut).await.expect("the stream is open");
    submissions.send(2, &graph(1), "").await;
    match submissions.reply().await {
        (1, Reply::Rejected(rejected)) => {
            assert_eq!(rejected.field, "last");
            assert_eq!(rejected.message, "last: submission 2 began before this one ended");
        }
        other => panic!("not rejected: {other:?}"),
    }
    assert!(matches!(submissions.reply().await, (2, Reply::Accepted(_))));
    cluster.stop().await;
}

#[tokio::test]
async fn a_token_makes_one_job() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    let first = submissions.submit(&graph(2), "t").await;
    let events = submissions.events().await;
    let again = submissions.submit(&graph(2), "t").await;
    assert_eq!((&again.job, again.existing), (&first.job, true));
    assert_eq!(submissions.events().await, events);
    submissions.send(2, &graph(3), "t").await;
    match submissions.reply().await {
        (2, Reply::Rejected(rejected)) => {
            assert_eq!(Code::from_i32(rejected.code), Code::AlreadyExists);
            assert_eq!(rejected.field, "header.token");
            assert!(rejected.message.contains(&first.job));
        }
        other => panic!("not rejected: {other:?}"),
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_watcher_that_does_not_read_holds_nobody_up() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut slow = Submissions::open(&cluster.client).await;
    let accepted = slow.submit(&graph(5_000), "").await;
    let events = watch(&cluster.client, &accepted.job, 0).await;
    let mut other = Submissions::open(&cluster.client).await;
    other.submit(&graph(1), "").await;
    assert_eq!(end_state(&other.events().await), v1::JobState::Succeeded);
    assert_eq!(slow.events().await, events);
    cluster.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_no_answers_is_heard_no_further() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    // A window of a few small messages, so that replies stay with the scheduler.
    let endpoint = tonic::transport::Endpoint::from_shared(cluster.address.clone());
    let endpoint = endpoint.expect("an address").initial_stream_window_size(1024);
    let mut submissions = Submissions::open(&Client::new(endpoint.connect_lazy())).await;
    let requests = submissions.requests.clone();
    let sending = tokio::spawn(async move {
        let part = parts(1, &graph(1), "", 1 << 20).remove(0);
        while requests.send(part.clone()).await.is_ok() {}
    });
    let mut jobs = 0;
    // The executor answers at once: a scheduler that listened on would get ever further.
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let request = v1::ListJobsRequest { page_size: 1000, ..Default::default() };
        let listed = cluster.client.clone().list_jobs(request).await.expect("a page");
        let listed = listed.into_inner().jobs.len();
        if listed == jobs {
            break;
        }
        jobs = listed;
    }
    assert!(jobs < 1000, "{jobs} jobs are kept for a client that does not read");
    // It is heard again as it reads on.
    for _ in 0..1000 {
        submissions.reply().await;
    }
    sending.abort();
    cluster.stop().await;
}

#[tokio::test]
async fn ended_jobs_are_forgotten_in_time() {
    let retention = Retention { jobs: 2, ..Retention::default() };
    let driver = DriverConfig { retention, ..DriverConfig::default() };
    let cluster = start_with(Config { driver, ..Config::default() }).await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    let first = submissions.submit(&graph(1), "").await;
    submissions.events().await;
    for _ in 0..3 {
        submissions.submit(&graph(1), "").await;
        submissions.events().await;
    }
    let request = v1::WatchRequest { job: first.job, from_seq: 0 };
    let status = cluster.client.clone().watch(request).await.expect_err("forgotten");
    assert_eq!(status.code(), Code::NotFound);
    cluster.stop().await;
}
