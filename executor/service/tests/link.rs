//! An executor that attaches to a scheduler over gRPC.

mod common;

use std::path::Path;
use std::pin::Pin;

use common::{attempt, config, kernel, process, script};
use drawloom_executor::run_remote;
use drawloom_model::{Assignment, FromExecutor, ToExecutor};
use drawloom_proto::v1::executor_link_server::{ExecutorLink, ExecutorLinkServer};
use drawloom_proto::{TemplateSender, v1};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{UnboundedReceiverStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

/// A scheduler's end of the link: tells what it was told to, and passes on what it hears.
struct Desk {
    orders: std::sync::Mutex<Option<mpsc::UnboundedReceiver<v1::ToExecutorBatch>>>,
    heard: mpsc::UnboundedSender<v1::FromExecutorBatch>,
}

#[tonic::async_trait]
impl ExecutorLink for Desk {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<v1::ToExecutorBatch, Status>> + Send>>;

    async fn attach(
        &self,
        request: Request<Streaming<v1::FromExecutorBatch>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let heard = self.heard.clone();
        let mut incoming = request.into_inner();
        tokio::spawn(async move {
            while let Some(Ok(batch)) = incoming.next().await {
                let _ = heard.send(batch);
            }
        });
        let orders = self.orders.lock().expect("no panic").take().expect("one executor");
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(orders).map(Ok))))
    }
}

struct Scheduler {
    orders: mpsc::UnboundedSender<v1::ToExecutorBatch>,
    heard: mpsc::UnboundedReceiver<v1::FromExecutorBatch>,
    templates: TemplateSender,
}

impl Scheduler {
    fn start(socket: &Path) -> Self {
        let (orders, receiver) = mpsc::unbounded_channel();
        let (sender, heard) = mpsc::unbounded_channel();
        let desk = Desk { orders: std::sync::Mutex::new(Some(receiver)), heard: sender };
        let incoming = UnixListenerStream::new(UnixListener::bind(socket).expect("a socket"));
        let server = tonic::transport::Server::builder().add_service(ExecutorLinkServer::new(desk));
        tokio::spawn(server.serve_with_incoming(incoming));
        let welcome = Some(v1::Welcome { executor: 1, heartbeat_timeout_nanos: 0 });
        let batch = v1::ToExecutorBatch { welcome, messages: Vec::new() };
        orders.send(batch).expect("a channel");
        Scheduler { orders, heard, templates: TemplateSender::default() }
    }

    fn tell(&mut self, message: ToExecutor) {
        let mut messages = Vec::new();
        self.templates.encode(message, &mut messages);
        let batch = v1::ToExecutorBatch { welcome: None, messages };
        self.orders.send(batch).expect("a channel");
    }

    fn run(&mut self, assignment: Assignment) {
        self.tell(ToExecutor::Run(Box::new(assignment)));
    }

    /// Waits for something to be said.
    async fn hear(&mut self, wanted: impl Fn(&FromExecutor) -> bool) {
        loop {
            let batch = self.heard.recv().await.expect("the executor is there");
            let messages = batch.messages.into_iter().map(FromExecutor::try_from);
            if messages.map(|message| message.expect("it makes sense")).any(|m| wanted(&m)) {
                return;
            }
        }
    }
}

fn has_ended(message: &FromExecutor) -> bool {
    matches!(message, FromExecutor::Ended(_))
}

#[tokio::test]
async fn an_executor_joins_works_drains_and_leaves() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("scheduler.sock");
    let endpoint = format!("unix:{}", socket.display());
    let (shut_down, shutdown) = oneshot::channel::<()>();
    let executor = tokio::spawn(async move {
        let shutdown = async { drop(shutdown.await) };
        run_remote(config(), &endpoint, shutdown, std::future::pending()).await
    });
    // The executor was first, and waits for its scheduler.
    tokio::task::yield_now().await;
    let mut scheduler = Scheduler::start(&socket);
    let join = scheduler.heard.recv().await.expect("a batch").join.expect("an introduction");
    assert_eq!(join.capacity.expect("a capacity").cpu_milli, 4000);
    scheduler.hear(|message| *message == FromExecutor::Heartbeat).await;
    scheduler.run(kernel(0, "noop", Default::default(), 0));
    scheduler.hear(has_ended).await;
    shut_down.send(()).expect("it runs");
    scheduler.hear(|message| *message == FromExecutor::DrainRequested).await;
    scheduler.tell(ToExecutor::Stop);
    executor.await.expect("no panic").expect("a good end");
}

#[tokio::test]
async fn without_its_scheduler_an_executor_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("scheduler.sock");
    let endpoint = format!("unix:{}", socket.display());
    let mut scheduler = Scheduler::start(&socket);
    let executor = tokio::spawn(async move {
        run_remote(config(), &endpoint, std::future::pending(), std::future::pending()).await
    });
    scheduler.run(process(0, script("sleep 9119.06 & wait", Vec::new())));
    let started = FromExecutor::Started { attempt: attempt(0) };
    scheduler.hear(|message| *message == started).await;
    drop(scheduler);
    let error = executor.await.expect("no panic").expect_err("it is gone");
    assert!(error.to_string().contains("is gone: it hung up"), "{error}");
}

#[tokio::test]
async fn addresses_that_mean_nothing_are_refused() {
    let error =
        run_remote(config(), "not an address", std::future::pending(), std::future::pending())
            .await;
    let message = error.expect_err("no address").to_string();
    assert!(message.contains("is no scheduler's address"), "{message}");
}
