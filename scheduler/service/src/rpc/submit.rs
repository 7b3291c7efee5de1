//! Submissions and additions, which come in parts.

use std::pin::pin;
use std::sync::Arc;

use drawloom_model::{JobOptions, TaskGraph};
use drawloom_proto::{FieldError, Rejection, append_chunk, v1};
use prost::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::company::Company;
use super::{Clients, Sending, job_id, receive, watch};
use crate::handle::{Admitted, Handle};
use crate::rejection;
use crate::service::RequestLimits;
use v1::submit_reply::Reply;

/// How many replies may wait for a client that does not read; then its submissions wait too.
const REPLIES: usize = 16;

/// How many acceptances may wait for a client that does not read, and so how many jobs it can make
/// without reading.
const UNREAD: usize = 256;

pub(super) type Replies = mpsc::Sender<Result<v1::SubmitReply, Status>>;

/// Answers the submissions of one stream.
pub(super) fn submit(
    clients: &Clients,
    stream: Streaming<v1::SubmitRequest>,
) -> Sending<v1::SubmitReply> {
    let (replies, receiver) = mpsc::channel(REPLIES);
    let (handle, limits) = (clients.handle.clone(), clients.limits);
    let unread = Arc::new(Semaphore::new(UNREAD));
    let (current, company) = (None, Company::new());
    let session = Session { handle, limits, replies, current, company, unread };
    tokio::spawn(session.run(stream));
    ReceiverStream::new(receiver)
}

struct Session {
    handle: Handle,
    limits: RequestLimits,
    replies: Replies,
    current: Option<Submission>,
    company: Company,
    /// A place for each acceptance that is to be read.
    unread: Arc<Semaphore>,
}

/// A submission of which parts are still to come.
struct Submission {
    id: u64,
    token: Option<Box<str>>,
    watch: bool,
    /// Nothing more is kept of a submission that was found to be wrong.
    parts: Result<Parts, Rejection>,
}

impl Session {
    async fn run(mut self, mut stream: Streaming<v1::SubmitRequest>) {
        loop {
            let received = tokio::select! {
                received = receive(&mut stream) => received,
                () = self.company.keep_time() => continue,
                () = self.replies.closed() => return,
                () = self.handle.stopped() => Err(rejection::stopped(crate::Stopped)),
            };
            let going_on = match received {
                Ok(Some(part)) => self.take_in(part).await,
                Ok(None) => return,
                Err(rejection) => {
                    // A client that is gone does not hear why.
                    let _ = self.replies.send(Err(rejection.into())).await;
                    return;
                }
            };
            if going_on.is_none() {
                return;
            }
        }
    }

    /// Takes in one part; `None` when the client is gone.
    async fn take_in(&mut self, part: v1::SubmitRequest) -> Option<()> {
        let mut submission = match self.current.take() {
            Some(current) if current.id == part.submission => current,
            Some(unfinished) => {
                let rejection = FieldError::new(
                    "last",
                    format_args!("submission {} began before this one ended", part.submission),
                );
                self.reply(unfinished.id, Reply::Rejected(Rejection::from(rejection).into()))
                    .await?;
                Submission::begin(part.submission, part.header)
            }
            None => Submission::begin(part.submission, part.header),
        };
        submission.add(part.graph, &self.limits, self.handle.limits().tasks);
        if !part.last {
            self.current = Some(submission);
            return Some(());
        }
        self.finish(submission).await
    }

    async fn finish(&mut self, submission: Submission) -> Option<()> {
        let Submission { id, token, watch, parts } = submission;
        let place = self.place_for_acceptance().await?;
        let admitted = match parts {
            Ok(parts) => self.handle.submit(parts.graph, token).await.map_err(rejection::submit),
            Err(rejection) => Err(rejection),
        };
        match admitted {
            Err(rejection) => self.reply(id, Reply::Rejected(rejection.into())).await,
            Ok(Admitted { job, tasks, existing, log, .. }) => {
                let accepted = v1::SubmitAccepted { job: job.to_string(), tasks, existing };
                let accepted = Reply::Accepted(accepted);
                if watch {
                    let (alone, replies) = (self.company.given_up(), self.replies.clone());
                    tokio::spawn(watch::forward(log, id, (accepted, place), alone, replies));
                    return Some(());
                }
                self.reply(id, accepted).await
            }
        }
    }

    /// Waits until the client has read enough; `None` when it is gone.
    async fn place_for_acceptance(&mut self) -> Option<OwnedSemaphorePermit> {
        let mut place = pin!(Arc::clone(&self.unread).acquire_owned());
        loop {
            tokio::select! {
                biased;
                place = &mut place => return place.ok(),
                // The acceptances before this one still wait for their company.
                () = self.company.keep_time() => {}
                () = self.replies.closed() => return None,
            }
        }
    }

    async fn reply(&self, submission: u64, reply: Reply) -> Option<()> {
        self.replies.send(Ok(v1::SubmitReply { submission, reply: Some(reply) })).await.ok()
    }
}

impl Submission {
    fn begin(id: u64, header: Option<v1::SubmitHeader>) -> Self {
        let header = header.unwrap_or_default();
        let options = header.options.map_or_else(
            || Ok(JobOptions::default()),
            |options| {
                JobOptions::try_from(options).map_err(|error| error.within("header.options").into())
            },
        );
        let parts = options.map(|options| {
            Parts::new(TaskGraph { name: header.name, options, ..TaskGraph::default() })
        });
        let token = (!header.token.is_empty()).then(|| header.token.into_boxed_str());
        Submission { id, token, watch: header.watch, parts }
    }

    fn add(&mut self, chunk: Option<v1::GraphChunk>, limits: &RequestLimits, tasks: usize) {
        if let (Ok(parts), Some(chunk)) = (&mut self.parts, chunk)
            && let Err(rejection) = parts.add(chunk, limits, tasks)
        {
            self.parts = Err(rejection);
        }
    }
}

/// The parts of a graph so far.
struct Parts {
    graph: TaskGraph,
    bytes: usize,
}

impl Parts {
    fn new(graph: TaskGraph) -> Self {
        Parts { graph, bytes: 0 }
    }

    fn add(
        &mut self,
        chunk: v1::GraphChunk,
        limits: &RequestLimits,
        task_limit: usize,
    ) -> Result<(), Rejection> {
        let exhausted = |what: &str, limit: usize, field: &str| {
            let message = format!("{field}: the graph has more than the limit of {limit} {what}");
            Err(Rejection::new(Code::ResourceExhausted, message).with_field(field))
        };
        self.bytes += chunk.encoded_len();
        if self.bytes > limits.graph_bytes {
            return exhausted("bytes", limits.graph_bytes, "graph");
        }
        if self.graph.tasks.len() + chunk.tasks.len() > task_limit {
            return exhausted("tasks", task_limit, "graph.tasks");
        }
        Ok(append_chunk(&mut self.graph, chunk).map_err(|error| error.within("graph"))?)
    }
}

/// Adds tasks to a job.
pub(super) async fn add_tasks(
    clients: &Clients,
    mut stream: Streaming<v1::AddTasksRequest>,
) -> Result<v1::AddTasksReply, Rejection> {
    let mut parts = Parts::new(TaskGraph::default());
    let mut job = None;
    while let Some(part) = receive(&mut stream).await? {
        if job.is_none() {
            job = Some(job_id(&part.job)?);
            parts.graph.first_task = part.first_task;
        }
        if let Some(chunk) = part.graph {
            parts.add(chunk, &clients.limits, clients.handle.limits().tasks)?;
        }
    }
    let job = job.ok_or_else(|| FieldError::new("job", "must be set"))?;
    let log = watch::log(&clients.handle, job).await?;
    let added = clients.handle.add_tasks(&log, parts.graph).await.map_err(rejection::submit)?;
    Ok(v1::AddTasksReply { first_task: added.first_task, tasks: added.tasks })
}
