//! The SDK across connections that break: a client, a small proxy of ours, real processes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drawloom_client::{
    Attributes, Client, Error, GraphBuilder, JobEvent, JobState, PageRequest, Reconnect,
};
use drawloom_model::{ProcessOutput, ProcessSpec, ResourceRequest, Run, Template, Variant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_stream::StreamExt as _;

use crate::harness::{Cluster, PATIENCE};

/// Passes connections on to a scheduler, until they are cut.
struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Where connections go; nowhere while there is an outage.
    target: Option<String>,
    connections: Vec<AbortHandle>,
    accepted: usize,
}

impl Proxy {
    async fn start(endpoint: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let target = Some(host(endpoint));
        let state = State { target, connections: Vec::new(), accepted: 0 };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut state = shared.lock().expect("no test panics while it holds this");
                // In an outage it is dropped at once.
                let Some(target) = state.target.clone() else { continue };
                let connection = tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(target).await else { return };
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
                state.accepted += 1;
                state.connections.push(connection.abort_handle());
            }
        });
        Proxy { address, state }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection; new ones go to `target`, or nowhere.
    fn cut(&self, target: Option<&str>) {
        let mut state = self.state.lock().expect("no test panics while it holds this");
        state.target = target.map(host);
        state.connections.drain(..).for_each(|connection| connection.abort());
    }

    fn accepted(&self) -> usize {
        self.state.lock().expect("no test panics while it holds this").accepted
    }
}

fn host(endpoint: &str) -> String {
    endpoint.trim_start_matches("http://").to_owned()
}

fn process(argv: &[&str], outputs: Vec<ProcessOutput>) -> Template {
    let made = outputs.len() as u16;
    let argv = argv.iter().map(ToString::to_string).collect();
    let run = Run::Process(ProcessSpec { argv, outputs, ..ProcessSpec::default() });
    Template::new(Variant { run, request: ResourceRequest::cores(1), cost_hint: None }, made)
}

async fn connect(proxy: &Proxy) -> Client {
    Client::connect(&proxy.endpoint()).await.expect("the scheduler is there")
}

#[tokio::test]
async fn jobs_are_followed_across_broken_connections() {
    let cluster = Cluster::start(1);
    let scheduler = cluster.scheduler.endpoint();
    let proxy = Proxy::start(scheduler).await;
    let client = connect(&proxy).await;
    let mut graph = GraphBuilder::new("interrupted");
    let mut last = None;
    for index in 0..12 {
        let text = index.to_string();
        let echo = process(
            &["sh", "-c", &format!("sleep 0.05; echo {text}")],
            vec![ProcessOutput::Stdout],
        );
        let mut task = graph.task_from(echo);
        if let Some(before) = last {
            task = task.after(before);
        }
        last = Some(task.add());
    }
    let last = last.expect("twelve tasks");
    let last = graph.output_of::<String>(last, 0);
    graph.keep("last", last);
    let job = client.submit(graph.build()).await.expect("admitted").share();
    let mut events = job.events(0).await.expect("followed");
    let (mut next, mut ended) = (0, 0);
    while let Some(event) = events.next().await {
        let (seq, event) = event.expect("it comes back");
        assert_eq!(seq, next, "without gaps");
        next += 1;
        if let JobEvent::TaskEnded { .. } = event {
            ended += 1;
            match ended {
                2 => proxy.cut(Some(scheduler)),
                5 => {
                    proxy.cut(None);
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    proxy.cut(Some(scheduler));
                }
                _ => {}
            }
        }
    }
    assert_eq!(ended, 12);
    assert_eq!(job.result(last).await.expect("made"), "11\n");
    assert_eq!(job.wait().await.expect("followed").state, JobState::Succeeded);
    assert!(proxy.accepted() >= 3, "{} connections", proxy.accepted());
}

#[tokio::test]
async fn submissions_outlast_an_outage_and_make_one_job_each() {
    let cluster = Cluster::start(1);
    let scheduler = cluster.scheduler.endpoint();
    let proxy = Proxy::start(scheduler).await;
    let client = connect(&proxy).await;
    proxy.cut(None);
    let submitting: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut graph = GraphBuilder::new("patient");
                graph.task("noop", Attributes::new()).add();
                client.submit(graph.build()).await?.wait().await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    proxy.cut(Some(scheduler));
    // Answers are lost on the way, too.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        proxy.cut(Some(scheduler));
    }
    for submission in submitting {
        let report = tokio::time::timeout(PATIENCE, submission).await.expect("in time");
        assert_eq!(report.expect("no panic").expect("admitted").succeeded, 1);
    }
    let jobs = client.jobs(PageRequest::default(), vec![]).await.expect("there").items;
    assert_eq!(jobs.len(), 8);
}

#[tokio::test]
async fn a_scheduler_that_came_back_without_the_job_is_told_apart_from_one_that_is_away() {
    let mut first = Cluster::start(1);
    let second = Cluster::start(0);
    let proxy = Proxy::start(first.scheduler.endpoint()).await;
    let client = connect(&proxy).await;
    let submit = || {
        let mut graph = GraphBuilder::new("lost");
        let slow = graph.task_from(process(&["sleep", "600"], vec![])).add();
        (graph.build(), slow)
    };
    let (graph, slow) = submit();
    let job = client.submit(graph).await.expect("admitted").share();
    let hasty = Reconnect { patience: Duration::from_millis(300), ..Reconnect::default() };
    let (graph, other) = submit();
    let away = client.clone().with_reconnect(hasty).submit(graph).await.expect("admitted").share();
    first.scheduler.kill();
    proxy.cut(None);
    let error = away.ended(other).await.expect_err("nobody is there");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    proxy.cut(Some(second.scheduler.endpoint()));
    let error = tokio::time::timeout(PATIENCE, job.ended(slow)).await.expect("in time");
    let error = error.expect_err("nobody knows it");
    let Error::JobLost { job: lost } = &error else { panic!("{error}") };
    assert_eq!(*lost, job.id());
    assert!(error.to_string().contains("no longer knows it"), "{error}");
}
