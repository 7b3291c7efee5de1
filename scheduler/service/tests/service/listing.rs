//! Lists, descriptions and explanations.

use drawloom_model::{NamedOutput, Run};
use drawloom_proto::v1;
use tonic::Code;

use crate::cluster::{Player, Submissions, graph, info, process, start};

#[tokio::test]
async fn jobs_are_listed_page_by_page_the_latest_first() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    let mut submitted = Vec::new();
    for _ in 0..5 {
        submitted.push(submissions.submit(&graph(1), "").await.job);
        submissions.events().await;
    }
    submitted.reverse();
    let mut listed = Vec::new();
    let mut request = v1::ListJobsRequest { page_size: 2, ..Default::default() };
    loop {
        let page = cluster.client.clone().list_jobs(request.clone()).await.expect("a page");
        let page = page.into_inner();
        assert!(page.jobs.len() <= 2);
        listed.extend(page.jobs.into_iter().map(|job| job.job));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(listed, submitted);
    let states = vec![v1::JobState::Running.into()];
    let request = v1::ListJobsRequest { states, ..Default::default() };
    let page = cluster.client.clone().list_jobs(request).await.expect("a page");
    assert_eq!(page.into_inner().jobs, []);
    cluster.stop().await;
}

#[tokio::test]
async fn measured_costs_are_listed_page_by_page() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    for name in ["one", "two", "three"] {
        let mut graph = graph(2);
        for template in &mut graph.templates {
            let template = std::sync::Arc::make_mut(template);
            let Run::Process(process) = &mut template.variants[0].run else { continue };
            process.argv = vec![name.to_owned()];
        }
        submissions.submit(&graph, "").await;
        submissions.events().await;
    }
    let mut client = cluster.client.clone();
    let mut request = v1::ListCostsRequest { page_size: 1, ..Default::default() };
    let mut names = Vec::new();
    loop {
        let page = client.list_costs(request).await.expect("a page").into_inner();
        for cost in page.costs {
            let way = cost.way.expect("it has one");
            assert_eq!((way.kind(), &*cost.device_class), (v1::RunKind::Process, "cpu"));
            assert!(cost.samples > 0);
            names.push(way.name);
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request = v1::ListCostsRequest { page_size: 1, page_token: page.next_page_token };
    }
    names.dedup();
    assert_eq!(names, ["one", "two", "three"]);
    let request = v1::ListCostsRequest { page_token: "nonsense".to_owned(), ..Default::default() };
    let refused = client.list_costs(request).await.expect_err("no token");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let request = v1::ListCostsRequest { page_token: "ffff".to_owned(), ..Default::default() };
    assert_eq!(client.list_costs(request).await.expect("beyond").into_inner().costs, []);
    cluster.stop().await;
}

#[tokio::test]
async fn a_job_that_ends_between_two_pages_hides_no_other() {
    let cluster = start().await;
    let mut submissions = Submissions::open(&cluster.client).await;
    let mut submitted = Vec::new();
    for _ in 0..4 {
        let mut waiting = graph(1);
        waiting.options.wait_for_resources = true;
        submitted.push(submissions.submit(&waiting, "").await.job);
    }
    let mut client = cluster.client.clone();
    let states = vec![v1::JobState::Running.into()];
    let mut request = v1::ListJobsRequest { page_size: 2, states, ..Default::default() };
    let first = client.list_jobs(request.clone()).await.expect("a page").into_inner();
    let last = first.jobs[1].job.clone();
    assert_eq!(last, submitted[2]);
    client.cancel(v1::CancelRequest { job: last, tasks: None }).await.expect("it runs");
    request.page_token = first.next_page_token;
    let second = client.list_jobs(request).await.expect("a page").into_inner();
    let rest: Vec<String> = second.jobs.into_iter().map(|job| job.job).collect();
    assert_eq!(rest, [submitted[1].as_str(), submitted[0].as_str()]);
    cluster.stop().await;
}

#[tokio::test]
async fn tasks_are_listed_described_and_explained() {
    let cluster = start().await;
    let player = Player::join(&cluster, &info("a", 2, "")).await;
    let executor = player.id.0;
    player.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    let mut described = graph(5);
    let object = drawloom_model::Input::Task { task: 4, output: 0 };
    described.outputs = vec![NamedOutput { name: "last".to_owned(), object }];
    let job = submissions.submit(&described, "").await.job;
    let events = submissions.events().await;
    let mut client = cluster.client.clone();

    let mut request = v1::ListTasksRequest { job: job.clone(), page_size: 3, ..Default::default() };
    let first = client.list_tasks(request.clone()).await.expect("a page").into_inner();
    request.page_token = first.next_page_token;
    let second = client.list_tasks(request).await.expect("a page").into_inner();
    let names: Vec<_> =
        first.tasks.iter().chain(&second.tasks).map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["t0", "t1", "t2", "t3", "t4"]);
    assert_eq!(second.next_page_token, "");

    let request = v1::DescribeJobRequest { job: job.clone() };
    let reply = client.describe_job(request).await.expect("it is kept").into_inner();
    let counts = reply.job.expect("the job").tasks.expect("counts");
    assert_eq!((counts.succeeded, counts.running), (5, 0));
    assert_eq!(reply.next_seq, events.len() as u64);
    let output = reply.outputs[0].object.clone().expect("an object");
    assert_eq!((reply.outputs[0].name.as_str(), output.size_bytes), ("last", 1));

    let task = Some(v1::TaskRef { task: Some(v1::task_ref::Task::Name("t3".to_owned())) });
    let request = v1::DescribeTaskRequest { job: job.clone(), task: task.clone() };
    let reply = client.describe_task(request).await.expect("it is kept").into_inner();
    let view = reply.task.expect("the task");
    assert_eq!((view.task, view.run.as_str(), view.executor), (3, "true", Some(executor)));
    assert_eq!(view.state(), v1::TaskState::Succeeded);
    let request = v1::ExplainRequest { job, task };
    let reply = client.explain(request).await.expect("it is kept").into_inner();
    assert!(!reply.reasons.is_empty());
    cluster.stop().await;
}

#[tokio::test]
async fn what_tasks_need_is_listed_once_each() {
    let cluster = start().await;
    Player::join(&cluster, &info("a", 2, "")).await.oblige();
    let mut submissions = Submissions::open(&cluster.client).await;
    let mut diamond = graph(4);
    diamond.tasks[1].after = vec![0];
    diamond.tasks[2].after = vec![0];
    diamond.tasks[3].after = vec![2, 1, 2];
    let job = submissions.submit(&diamond, "").await.job;
    submissions.events().await;
    let list = |job: &str, first_task| {
        let request = v1::ListNeedsRequest { job: job.to_owned(), first_task };
        let mut client = cluster.client.clone();
        async move { client.list_needs(request).await }
    };
    let needs = |task, needs: &[u32]| v1::TaskNeeds { task, needs: needs.to_vec() };
    let all = list(&job, 0).await.expect("it is kept").into_inner();
    assert_eq!(all.tasks, [needs(1, &[0]), needs(2, &[0]), needs(3, &[1, 2])]);
    assert_eq!(all.next_task, None);
    let rest = list(&job, 3).await.expect("it is kept").into_inner();
    assert_eq!(rest.tasks, [needs(3, &[1, 2])]);
    assert_eq!(list(&job, 9).await.expect("it is kept").into_inner(), Default::default());
    let unknown = list("job-00000000000000000000000000000001", 0).await;
    assert_eq!(unknown.expect_err("no such job").code(), Code::NotFound);
    cluster.stop().await;
}

#[tokio::test]
async fn the_cluster_is_shown_with_what_waits() {
    let cluster = start().await;
    let _player = Player::join(&cluster, &info("a", 2, "")).await;
    let mut submissions = Submissions::open(&cluster.client).await;
    let mut large = graph(1);
    large.templates = vec![process(64).into()];
    large.options.wait_for_resources = true;
    let job = submissions.submit(&large, "").await.job;
    let mut client = cluster.client.clone();
    let view = client.cluster_view(v1::ClusterViewRequest {}).await.expect("a view").into_inner();
    assert_eq!(view.executors.len(), 1);
    assert_eq!(view.executors[0].info.as_ref().map(|info| info.name.as_str()), Some("a"));
    assert_eq!((view.running_jobs, view.tasks.expect("counts").ready), (1, 1));
    let index = |index| Some(v1::TaskRef { task: Some(v1::task_ref::Task::Index(index)) });
    let request = v1::ExplainRequest { job: job.clone(), task: index(0) };
    let reasons = client.explain(request).await.expect("it waits").into_inner().reasons;
    assert!(reasons.concat().contains("64 cores"), "{reasons:?}");
    let request = v1::ExplainRequest { job, task: index(7) };
    let status = client.explain(request).await.expect_err("no such task");
    assert_eq!(status.code(), Code::NotFound);
    cluster.stop().await;
}
