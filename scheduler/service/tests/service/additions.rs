//! Jobs that grow, and jobs that are cancelled.

use drawloom_model::{Input, TaskGraph};
use drawloom_proto::{Rejection, split_graph, v1};
use tonic::Code;

use crate::cluster::{Client, Player, Submissions, end_state, graph, info, start};

async fn add(
    client: &Client,
    job: &str,
    addition: &TaskGraph,
) -> Result<v1::AddTasksReply, Rejection> {
    let part = |chunk| v1::AddTasksRequest {
        job: job.to_owned(),
        first_task: addition.first_task,
        graph: Some(chunk),
    };
    let parts: Vec<_> = split_graph(addition, 200).into_iter().map(part).collect();
    let reply = client.clone().add_tasks(tokio_stream::iter(parts)).await;
    reply.map(tonic::Response::into_inner).map_err(|status| Rejection::from(&status))
}

#[tokio::test]
async fn an_open_job_grows_until_it_is_closed() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut open = graph(2);
    open.options.open = true;
    let mut submissions = Submissions::open(&cluster.client).await;
    let job = submissions.submit(&open, "").await.job;

    let mut addition = graph(30);
    addition.tasks.iter_mut().for_each(|task| task.name = None);
    addition.first_task = 5;
    let wrong = add(&cluster.client, &job, &addition).await.expect_err("the job has two tasks");
    assert_eq!((wrong.code, wrong.field.as_str()), (Code::FailedPrecondition, "first_task"));
    addition.first_task = 2;
    addition.tasks[0].after = vec![0, 31];
    let added = add(&cluster.client, &job, &addition).await.expect("it follows on");
    assert_eq!((added.first_task, added.tasks), (2, 32));
    addition.first_task = 32;
    addition.tasks[0].after = Vec::new();
    addition.tasks[0].inputs = vec![Input::Task { task: 1, output: 9 }];
    let unknown = add(&cluster.client, &job, &addition).await.expect_err("no such output");
    assert_eq!(unknown.code, Code::InvalidArgument);
    assert!(unknown.message.contains("there is no output 9"), "{}", unknown.message);

    let close = v1::CloseJobRequest { job: job.clone() };
    cluster.client.clone().close_job(close).await.expect("it is open");
    assert_eq!(end_state(&submissions.events().await), v1::JobState::Succeeded);
    let late = add(&cluster.client, &job, &graph(1)).await.expect_err("it has ended");
    assert_eq!(late.code, Code::FailedPrecondition);
    cluster.stop().await;
}

#[tokio::test]
async fn cancelled_jobs_end() {
    let cluster = start().await;
    let _idle = Player::join(&cluster, &info("a", 1, "")).await;
    let mut chain = graph(4);
    chain.options.wait_for_resources = true;
    chain.templates = vec![crate::cluster::process(64).into()];
    chain.tasks[2].after = vec![1];
    let mut submissions = Submissions::open(&cluster.client).await;
    let job = submissions.submit(&chain, "").await.job;
    let named = |name: &str| {
        let task = Some(v1::task_ref::Task::Name(name.to_owned()));
        Some(v1::TaskRefs { tasks: vec![v1::TaskRef { task }] })
    };
    let request = v1::CancelRequest { job: job.clone(), tasks: named("nobody") };
    let status = cluster.client.clone().cancel(request).await.expect_err("no such task");
    assert_eq!(status.code(), Code::NotFound);
    let request = v1::CancelRequest { job: job.clone(), tasks: named("t1") };
    let reply = cluster.client.clone().cancel(request).await.expect("it waits");
    assert_eq!(reply.into_inner().tasks, 2);
    let request = v1::CancelRequest { job, tasks: None };
    let reply = cluster.client.clone().cancel(request).await.expect("two are left");
    assert_eq!(reply.into_inner().tasks, 2);
    assert_eq!(end_state(&submissions.events().await), v1::JobState::Cancelled);
    cluster.stop().await;
}
