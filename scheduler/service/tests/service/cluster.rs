//! A service of its own for each test, clients, and executors played by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drawloom_model::{AttemptEnd, ExecutorId};
use drawloom_model::{
    Attributes, Capacity, ExecutorInfo, FromExecutor, ObjectKey, ObjectReport, Outcome,
    ProcessOutput, ProcessSpec, ResourceRequest, Run, Task, TaskGraph, Template, ToExecutor, Value,
    Variant,
};
use drawloom_proto::{
    Assembly, Listen, MAX_MESSAGE_BYTES, TemplateReceiver, split_graph, split_object, v1,
};
use drawloom_scheduler::{Config, Service, ServiceError};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};
use v1::submit_reply::Reply;

pub type Client = v1::scheduler_client::SchedulerClient<Channel>;

pub struct Cluster {
    pub address: String,
    pub client: Client,
    shutdown: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServiceError>>,
}

pub async fn start() -> Cluster {
    start_with(Config::default()).await
}

pub async fn start_with(config: Config) -> Cluster {
    let listen = match config.listen.is_empty() {
        true => vec!["127.0.0.1:0".parse::<Listen>().expect("an address")],
        false => config.listen.clone(),
    };
    let service = Service::bind(Config { listen, ..config }).await.expect("a free port");
    let address = service.addresses()[0].to_string();
    let (shutdown, stopped) = oneshot::channel();
    let server = tokio::spawn(service.run(async move { drop(stopped.await) }));
    let client = Client::new(connect(&address)).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Cluster { address, client, shutdown, server }
}

impl Cluster {
    pub async fn stop(self) {
        self.shutdown.send(()).expect("the service waits for it");
        self.server.await.expect("no panic").expect("a clean end");
    }
}

pub fn connect(address: &str) -> Channel {
    let endpoint = Endpoint::from_shared(address.to_owned()).expect("an address");
    endpoint.tcp_nodelay(true).connect_lazy()
}

/// A template of a process without inputs and with one output.
pub fn process(cores: u64) -> Template {
    let spec = ProcessSpec {
        argv: vec!["true".to_owned()],
        outputs: vec![ProcessOutput::Stdout],
        ..ProcessSpec::default()
    };
    let request = ResourceRequest::cores(cores);
    Template::new(Variant { run: Run::Process(spec), request, cost_hint: None }, 1)
}

/// So many tasks that depend on nothing, named `t0`, `t1` and so on.
pub fn graph(tasks: u32) -> TaskGraph {
    let task = |index| Task { name: Some(format!("t{index}").into()), ..Task::default() };
    TaskGraph {
        name: "test".to_owned(),
        templates: vec![Arc::new(process(1))],
        tasks: (0..tasks).map(task).collect(),
        ..TaskGraph::default()
    }
}

/// A graph of one call of a kernel.
pub fn kernel(name: &str) -> TaskGraph {
    let template = Template::new(Variant::kernel(name, Attributes::new()), 1);
    TaskGraph { templates: vec![Arc::new(template)], tasks: vec![Task::default()], ..graph(0) }
}

/// The messages of a submission, in parts of about so many bytes.
pub fn parts(id: u64, graph: &TaskGraph, token: &str, part_bytes: usize) -> Vec<v1::SubmitRequest> {
    let header = v1::SubmitHeader {
        token: token.to_owned(),
        name: graph.name.clone(),
        options: Some((&graph.options).into()),
        watch: true,
    };
    let mut header = Some(header);
    let mut chunks = split_graph(graph, part_bytes).into_iter().peekable();
    let mut messages = Vec::new();
    while let Some(chunk) = chunks.next() {
        let (graph, last) = (Some(chunk), chunks.peek().is_none());
        messages.push(v1::SubmitRequest { submission: id, header: header.take(), graph, last });
    }
    messages
}

/// A stream of submissions and their replies.
pub struct Submissions {
    pub requests: mpsc::Sender<v1::SubmitRequest>,
    pub replies: Streaming<v1::SubmitReply>,
}

impl Submissions {
    pub async fn open(client: &Client) -> Self {
        let (requests, receiver) = mpsc::channel(8);
        let replies = client.clone().submit(ReceiverStream::new(receiver)).await;
        Submissions { requests, replies: replies.expect("a stream").into_inner() }
    }

    pub async fn send(&self, id: u64, graph: &TaskGraph, token: &str) {
        for part in parts(id, graph, token, 1 << 20) {
            self.requests.send(part).await.expect("the stream is open");
        }
    }

    pub async fn reply(&mut self) -> (u64, Reply) {
        let reply = self.replies.message().await.expect("no error").expect("a reply");
        (reply.submission, reply.reply.expect("a known reply"))
    }

    pub async fn submit(&mut self, graph: &TaskGraph, token: &str) -> v1::SubmitAccepted {
        self.send(1, graph, token).await;
        match self.reply().await {
            (1, Reply::Accepted(accepted)) => accepted,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub async fn refusal(&mut self, graph: &TaskGraph) -> v1::SubmitRejected {
        self.send(1, graph, "").await;
        match self.reply().await {
            (1, Reply::Rejected(rejected)) => rejected,
            other => panic!("not rejected: {other:?}"),
        }
    }

    /// Every event up to the job's end.
    pub async fn events(&mut self) -> Vec<v1::JobEvent> {
        let mut events = Vec::new();
        while !has_ended(&events) {
            match self.reply().await {
                (_, Reply::Events(batch)) => {
                    assert_eq!(batch.first_seq, events.len() as u64);
                    events.extend(batch.events);
                }
                other => panic!("no events: {other:?}"),
            }
        }
        events
    }
}

fn has_ended(events: &[v1::JobEvent]) -> bool {
    matches!(end(events), Some(v1::job_event::Event::JobEnded(_)))
}

fn end(events: &[v1::JobEvent]) -> Option<&v1::job_event::Event> {
    events.last().and_then(|event| event.event.as_ref())
}

/// The state in which a job ended.
pub fn end_state(events: &[v1::JobEvent]) -> v1::JobState {
    match end(events) {
        Some(v1::job_event::Event::JobEnded(ended)) => ended.state(),
        other => panic!("the job has not ended: {other:?}"),
    }
}

/// All events of a job from a number on.
pub async fn watch(client: &Client, job: &str, from_seq: u64) -> Vec<v1::JobEvent> {
    let request = v1::WatchRequest { job: job.to_owned(), from_seq };
    let mut batches = client.clone().watch(request).await.expect("a stream").into_inner();
    let mut events = Vec::new();
    while let Some(batch) = batches.message().await.expect("no error") {
        assert_eq!(batch.first_seq, from_seq + events.len() as u64);
        events.extend(batch.events);
    }
    events
}

pub fn info(name: &str, cores: u64, address: &str) -> ExecutorInfo {
    ExecutorInfo {
        name: name.to_owned(),
        address: address.to_owned(),
        capacity: Capacity {
            cpu_milli: cores * 1000,
            memory_bytes: 1 << 30,
            ..Capacity::default()
        },
        kernels: vec!["noop".to_owned()],
        runs_processes: true,
        ..ExecutorInfo::default()
    }
}

/// An executor played by hand.
pub struct Player {
    pub id: ExecutorId,
    news: mpsc::Sender<v1::FromExecutorBatch>,
    orders: Streaming<v1::ToExecutorBatch>,
    templates: TemplateReceiver,
    received: std::collections::VecDeque<ToExecutor>,
}

impl Player {
    pub async fn join(cluster: &Cluster, info: &ExecutorInfo) -> Player {
        let channel = connect(&cluster.address);
        let mut link = v1::executor_link_client::ExecutorLinkClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (news, receiver) = mpsc::channel(8);
        let join = v1::FromExecutorBatch { join: Some(info.into()), messages: Vec::new() };
        news.send(join).await.expect("just opened");
        let orders = link.attach(ReceiverStream::new(receiver)).await.expect("a welcome");
        let mut orders = orders.into_inner();
        let first = orders.message().await.expect("no error").expect("a message");
        let id = ExecutorId(first.welcome.expect("a welcome").executor);
        let (templates, received) = Default::default();
        Player { id, news, orders, templates, received }
    }

    /// The next order; `None` when the scheduler ends the stream.
    pub async fn order(&mut self) -> Option<ToExecutor> {
        while self.received.is_empty() {
            let batch = self.orders.message().await.ok()??;
            for order in batch.messages {
                self.received.extend(self.templates.decode(order).expect("a known order"));
            }
        }
        self.received.pop_front()
    }

    pub async fn say(&self, message: FromExecutor) {
        let batch = v1::FromExecutorBatch { join: None, messages: vec![message.into()] };
        // The scheduler may be stopping.
        let _ = self.news.send(batch).await;
    }

    /// Does what it is told, at once and well, until the scheduler ends the stream.
    pub fn oblige(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            while let Some(order) = self.order().await {
                if let ToExecutor::Run(assignment) = order {
                    self.say(succeeded(&assignment)).await;
                }
            }
        })
    }
}

/// An attempt's success, with its task's index as every output.
pub fn succeeded(assignment: &drawloom_model::Assignment) -> FromExecutor {
    let text = assignment.attempt.task.index.to_string();
    let report = ObjectReport::Inline(Value::blob(text));
    let reports = (0..assignment.template.outputs).map(|_| report.clone());
    FromExecutor::Ended(Box::new(AttemptEnd {
        attempt: assignment.attempt,
        outcome: Outcome::Succeeded(reports.collect()),
        run_time: Duration::from_micros(3),
        queue_time: Duration::from_micros(1),
        outputs_on: None,
    }))
}

/// An executor's store, in memory.
#[derive(Clone, Default)]
pub struct MemoryStore {
    objects: Arc<Mutex<HashMap<ObjectKey, Value>>>,
    /// Told of each object that was stored; the answer waits for the other.
    pub kept: Option<(mpsc::UnboundedSender<ObjectKey>, Arc<Notify>)>,
}

impl MemoryStore {
    /// Serves it; tells its address.
    pub async fn serve(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let store = v1::object_store_server::ObjectStoreServer::new(self);
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(Server::builder().add_service(store).serve_with_incoming(incoming));
        address
    }

    pub fn len(&self) -> usize {
        self.objects.lock().expect("no panic").len()
    }
}

#[tonic::async_trait]
impl v1::object_store_server::ObjectStore for MemoryStore {
    type FetchStream = tokio_stream::Iter<std::vec::IntoIter<Result<v1::ObjectChunk, Status>>>;

    async fn fetch(
        &self,
        request: Request<v1::FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let key = request.into_inner().object.expect("a key").into();
        let value = self.objects.lock().expect("no panic").get(&key).cloned();
        let value = value.ok_or_else(|| Status::not_found("no such object"))?;
        let chunks: Vec<_> = split_object(None, value).map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(chunks)))
    }

    async fn store(
        &self,
        request: Request<Streaming<v1::ObjectChunk>>,
    ) -> Result<Response<v1::StoreReply>, Status> {
        let mut chunks = request.into_inner();
        let first = chunks.message().await?.expect("a first piece");
        let mut assembly = Assembly::begin(first, u64::MAX).expect("a description");
        while let Some(chunk) = chunks.message().await? {
            assembly.add(&chunk).expect("a piece");
        }
        let key = assembly.description().key.expect("a key");
        let value = assembly.finish().map_err(|error| Status::data_loss(error.to_string()))?;
        let size_bytes = value.data.len() as u64;
        self.objects.lock().expect("no panic").insert(key, value);
        if let Some((kept, resume)) = &self.kept {
            kept.send(key).expect("the test listens");
            resume.notified().await;
        }
        Ok(Response::new(v1::StoreReply { size_bytes }))
    }
}
