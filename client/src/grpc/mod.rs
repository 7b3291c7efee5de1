//! The way to a scheduler over gRPC.

mod calls;
mod channel;
mod convert;
mod exchange;
mod local;
mod object;
mod route;
mod session;

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use drawloom_model::{ExecutorId, JobId, MeasuredCost, ObjectId, TaskGraph, Value};
use drawloom_proto::v1::scheduler_client::SchedulerClient;
use drawloom_proto::{MAX_MESSAGE_BYTES, Rejection, split_graph, v1};
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::{
    ActorName, ActorPlace, ActorView, Addition, Admission, Answer, Calls, ClusterView,
    EVENT_BATCHES, Error, EventReceiver, Explanation, JobDetail, JobState, JobView, ListedObject,
    Living, ObjectRef, Page, PageRequest, Submission, TaskNeeds, TaskRef, TaskState, TaskView,
    Transport,
};
pub use calls::connect_calls;
use convert::{page, page_token, task_ref};
use exchange::Exchange;
use local::Locals;
use object::{Put, Stores};
use session::Session;

/// About how large one part of a graph may be on the wire.
const GRAPH_PART_BYTES: usize = 1024 * 1024;

/// A connection over gRPC.
pub(crate) struct Grpc {
    endpoint: Arc<str>,
    scheduler: SchedulerClient<Channel>,
    session: Session,
    exchange: Exchange,
    stores: Stores,
    locals: Locals,
    put: Put,
    /// Whether executors turned out to be on other machines.
    elsewhere: AtomicBool,
}

impl Grpc {
    /// Connects to `http://HOST:PORT` or `unix:/PATH`.
    pub(crate) async fn connect(endpoint: &str) -> Result<Self, Error> {
        let channel = channel::connect(endpoint).await?;
        let scheduler = SchedulerClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let endpoint: Arc<str> = endpoint.into();
        let session = Session::new(scheduler.clone(), Arc::clone(&endpoint));
        let exchange = Exchange::new(scheduler.clone(), Arc::clone(&endpoint));
        Ok(Grpc {
            endpoint,
            scheduler,
            session,
            exchange,
            stores: Stores::default(),
            locals: Locals::default(),
            put: Put::default(),
            elsewhere: AtomicBool::new(false),
        })
    }

    fn client(&self) -> SchedulerClient<Channel> {
        self.scheduler.clone()
    }

    fn error(&self, status: &Status) -> Error {
        error(&self.endpoint, status)
    }
}

/// A status as an error; broken connections are told apart from refusals.
fn error(endpoint: &str, status: &Status) -> Error {
    let rejection = Rejection::from(status);
    let broken = match rejection.code {
        // Unknown is what a connection that ends in the middle of a call looks like,
        Code::Unavailable | Code::Unknown => true,
        // and this one that ends before the call has left. Schedulers' own have no source.
        Code::Cancelled => status.source().is_some(),
        _ => false,
    };
    match broken {
        true => Error::Unreachable { endpoint: endpoint.to_owned(), reason: rejection.message },
        false => rejection.into(),
    }
}

/// Calls a unary method and converts its answer.
macro_rules! call {
    ($self:ident . $method:ident ( $request:expr ) => $convert:expr) => {
        Box::pin(async move {
            let reply = $self.client().$method($request).await;
            let reply = reply.map_err(|status| $self.error(&status))?.into_inner();
            let answer: Result<_, Error> = $convert(reply);
            answer
        })
    };
}

impl Transport for Grpc {
    fn can_break(&self) -> bool {
        true
    }

    fn submit(&self, submission: Submission) -> Answer<'_, Admission> {
        Box::pin(self.session.submit(submission))
    }

    fn add_tasks(&self, job: JobId, graph: TaskGraph) -> Answer<'_, Addition> {
        let mut parts = split_graph(&graph, GRAPH_PART_BYTES)
            .into_iter()
            .map(|part| v1::AddTasksRequest { graph: Some(part), ..Default::default() })
            .collect::<Vec<_>>();
        if let Some(first) = parts.first_mut() {
            first.job = job.to_string();
            first.first_task = graph.first_task;
        }
        call!(self.add_tasks(tokio_stream::iter(parts)) => |reply: v1::AddTasksReply| {
            Ok(Addition { first_task: reply.first_task, tasks: reply.tasks })
        })
    }

    fn close(&self, job: JobId) -> Answer<'_, ()> {
        call!(self.close_job(v1::CloseJobRequest { job: job.to_string() }) => |_| Ok(()))
    }

    fn cancel(&self, job: JobId, tasks: Option<Vec<TaskRef>>) -> Answer<'_, u32> {
        let tasks =
            tasks.map(|tasks| v1::TaskRefs { tasks: tasks.into_iter().map(task_ref).collect() });
        let request = v1::CancelRequest { job: job.to_string(), tasks };
        call!(self.cancel(request) => |reply: v1::CancelReply| Ok(reply.tasks))
    }

    fn wait_tasks(
        &self,
        job: JobId,
        tasks: Vec<u32>,
        waiter: Option<(u32, u32)>,
    ) -> Answer<'_, Vec<TaskState>> {
        let waiter = waiter.map(|(task, attempt)| v1::WaitingAttempt { task, attempt });
        let request = v1::WaitTasksRequest { job: job.to_string(), tasks, waiter };
        call!(self.wait_tasks(request) => |reply: v1::WaitTasksReply| {
            reply.states.into_iter().map(convert::task_state).collect()
        })
    }

    fn watch(&self, job: JobId, from_seq: u64) -> Answer<'_, EventReceiver> {
        Box::pin(async move {
            let request = v1::WatchRequest { job: job.to_string(), from_seq };
            let mut stream = match self.client().watch(request).await {
                Ok(reply) => reply.into_inner(),
                Err(status) => return Err(self.error(&status)),
            };
            let (sender, receiver) = mpsc::channel(EVENT_BATCHES);
            let endpoint = Arc::clone(&self.endpoint);
            tokio::spawn(async move {
                // The call's own flow control holds the scheduler back while the reader is slow.
                while let Some(batch) = stream.message().await.transpose() {
                    let batch = batch.map_err(|status| error(&endpoint, &status));
                    let batch = batch.and_then(convert::event_batch);
                    let is_last = batch.is_err();
                    if sender.send(batch).await.is_err() || is_last {
                        return;
                    }
                }
            });
            Ok(receiver)
        })
    }

    fn jobs(&self, wanted: PageRequest, states: Vec<JobState>) -> Answer<'_, Page<JobView>> {
        let request = v1::ListJobsRequest {
            page_size: wanted.size,
            page_token: page_token(wanted),
            states: states.into_iter().map(|state| convert::wire_job_state(state).into()).collect(),
        };
        call!(self.list_jobs(request) => |reply: v1::ListJobsReply| {
            page(reply.jobs, convert::job_view, reply.next_page_token)
        })
    }

    fn tasks(
        &self,
        job: JobId,
        wanted: PageRequest,
        states: Vec<TaskState>,
    ) -> Answer<'_, Page<TaskView>> {
        let states = states.into_iter().map(|state| convert::wire_task_state(state).into());
        let request = v1::ListTasksRequest {
            job: job.to_string(),
            page_size: wanted.size,
            page_token: page_token(wanted),
            states: states.collect(),
        };
        call!(self.list_tasks(request) => |reply: v1::ListTasksReply| {
            page(reply.tasks, convert::task_view, reply.next_page_token)
        })
    }

    fn needs(&self, job: JobId, first_task: u32) -> Answer<'_, TaskNeeds> {
        let request = v1::ListNeedsRequest { job: job.to_string(), first_task };
        call!(self.list_needs(request) => |reply: v1::ListNeedsReply| {
            let tasks = reply.tasks.into_iter().map(|task| (task.task, task.needs)).collect();
            Ok(TaskNeeds { tasks, next: reply.next_task })
        })
    }

    fn describe(&self, job: JobId) -> Answer<'_, JobDetail> {
        let request = v1::DescribeJobRequest { job: job.to_string() };
        call!(self.describe_job(request) => convert::job_detail)
    }

    fn describe_task(&self, job: JobId, task: TaskRef) -> Answer<'_, TaskView> {
        let request = v1::DescribeTaskRequest { job: job.to_string(), task: Some(task_ref(task)) };
        call!(self.describe_task(request) => |reply: v1::DescribeTaskReply| {
            let view = reply.task.ok_or_else(|| convert::missing("task"))?;
            convert::task_view(view)
        })
    }

    fn explain(&self, job: JobId, task: TaskRef) -> Answer<'_, Explanation> {
        let request = v1::ExplainRequest { job: job.to_string(), task: Some(task_ref(task)) };
        call!(self.explain(request) => convert::explanation)
    }

    fn cluster(&self) -> Answer<'_, ClusterView> {
        call!(self.cluster_view(v1::ClusterViewRequest {}) => convert::cluster_view)
    }

    fn drain(&self, executor: ExecutorId) -> Answer<'_, ()> {
        call!(self.drain(v1::DrainRequest { executor: executor.0 }) => |_| Ok(()))
    }

    fn put(&self, value: Value) -> Answer<'_, ObjectId> {
        Box::pin(object::put(self, value))
    }

    fn get(&self, object: ObjectRef) -> Answer<'_, Value> {
        Box::pin(object::get(self, object))
    }

    fn release(&self, object: ObjectId) -> Answer<'_, ()> {
        Box::pin(object::release(self, object))
    }

    fn objects(&self, job: Option<JobId>, wanted: PageRequest) -> Answer<'_, Page<ListedObject>> {
        let request = v1::ListObjectsRequest {
            job: job.map(|job| job.to_string()).unwrap_or_default(),
            page_size: wanted.size,
            page_token: page_token(wanted),
        };
        call!(self.list_objects(request) => |reply: v1::ListObjectsReply| {
            page(reply.objects, convert::listed_object, reply.next_page_token)
        })
    }

    fn locate_actor(&self, actor: ActorName) -> Answer<'_, ActorPlace> {
        let request = v1::LocateActorRequest { actor: Some(convert::actor_name(actor)) };
        call!(self.locate_actor(request) => convert::actor_place)
    }

    fn open_calls(&self, living: Living) -> Answer<'_, Arc<dyn Calls>> {
        Box::pin(connect_calls(living))
    }

    fn stop_actor(&self, actor: ActorName) -> Answer<'_, ()> {
        let request = v1::StopActorRequest { actor: Some(convert::actor_name(actor)) };
        call!(self.stop_actor(request) => |_| Ok(()))
    }

    fn costs(&self, wanted: PageRequest) -> Answer<'_, Page<MeasuredCost>> {
        let request =
            v1::ListCostsRequest { page_size: wanted.size, page_token: page_token(wanted) };
        call!(self.list_costs(request) => |reply: v1::ListCostsReply| {
            page(reply.costs, convert::measured_cost, reply.next_page_token)
        })
    }

    fn actors(&self, job: Option<JobId>) -> Answer<'_, Vec<ActorView>> {
        let job = job.map(|job| job.to_string()).unwrap_or_default();
        call!(self.list_actors(v1::ListActorsRequest { job }) => |reply: v1::ListActorsReply| {
            reply.actors.into_iter().map(convert::actor_view).collect()
        })
    }
}
