//! A transport whose answers are written down before, for tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use drawloom_model::{ExecutorId, JobId, MeasuredCost, ObjectId, TaskGraph, Value};
use tokio::sync::mpsc;

use crate::{ActorName, ActorPlace, ActorView, Calls, Living};
use crate::{
    Addition, Admission, Answer, Client, ClusterView, Error, EventBatch, EventReceiver,
    Explanation, JobDetail, JobState, JobView, ListedObject, ObjectRef, Page, PageRequest,
    Submission, TaskNeeds, TaskRef, TaskState, TaskView, Transport,
};

/// What to answer. Whatever nothing is written down for cannot be reached.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    watches: VecDeque<Result<Vec<Result<EventBatch, Error>>, Error>>,
    watched: Vec<u64>,
    submits: VecDeque<Result<JobId, Error>>,
    tokens: Vec<Option<String>>,
}

impl Error {
    /// Nobody is there.
    pub(crate) fn unreachable(reason: &str) -> Self {
        Error::Unreachable { endpoint: "script".into(), reason: reason.into() }
    }
}

impl Script {
    pub fn client(&self) -> Client {
        Client::with_transport(Arc::new(self.clone()))
    }

    /// The next watch hears these batches and then breaks.
    pub fn watch_answers(&self, answer: Result<Vec<EventBatch>, Error>) {
        let answer = answer.map(|batches| batches.into_iter().map(Ok).collect());
        self.lock().watches.push_back(answer);
    }

    /// The next watch hears this and then breaks.
    pub fn watch_ends(&self, last: Result<EventBatch, Error>) {
        self.lock().watches.push_back(Ok(vec![last]));
    }

    /// From where each watch was asked for.
    pub fn watched(&self) -> Vec<u64> {
        self.lock().watched.clone()
    }

    pub fn submit_answers(&self, answer: Result<JobId, Error>) {
        self.lock().submits.push_back(answer);
    }

    /// The tokens under which was submitted.
    pub fn tokens(&self) -> Vec<Option<String>> {
        self.lock().tokens.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

fn nobody<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(async { Err(Error::unreachable("nobody is there")) })
}

fn receiver(batches: Vec<Result<EventBatch, Error>>) -> EventReceiver {
    let (sender, receiver) = mpsc::channel(batches.len().max(1));
    for batch in batches {
        sender.try_send(batch).expect("there is room");
    }
    receiver
}

impl Transport for Script {
    fn can_break(&self) -> bool {
        true
    }

    fn submit(&self, submission: Submission) -> Answer<'_, Admission> {
        let mut lines = self.lock();
        lines.tokens.push(submission.token);
        let answer = lines.submits.pop_front();
        Box::pin(async move {
            let job = answer.unwrap_or_else(|| Err(Error::unreachable("nobody is there")))?;
            let (tasks, existing) = (submission.graph.tasks.len() as u32, false);
            Ok(Admission { job, tasks, existing, events: receiver(Vec::new()) })
        })
    }

    fn watch(&self, _: JobId, from_seq: u64) -> Answer<'_, EventReceiver> {
        let mut lines = self.lock();
        lines.watched.push(from_seq);
        let answer = lines.watches.pop_front();
        Box::pin(async move {
            answer.unwrap_or_else(|| Err(Error::unreachable("nobody is there"))).map(receiver)
        })
    }

    fn add_tasks(&self, _: JobId, _: TaskGraph) -> Answer<'_, Addition> {
        nobody()
    }

    fn wait_tasks(
        &self,
        _: JobId,
        _: Vec<u32>,
        _: Option<(u32, u32)>,
    ) -> Answer<'_, Vec<TaskState>> {
        nobody()
    }
    fn close(&self, _: JobId) -> Answer<'_, ()> {
        nobody()
    }

    fn cancel(&self, _: JobId, _: Option<Vec<TaskRef>>) -> Answer<'_, u32> {
        nobody()
    }

    fn jobs(&self, _: PageRequest, _: Vec<JobState>) -> Answer<'_, Page<JobView>> {
        nobody()
    }

    fn tasks(&self, _: JobId, _: PageRequest, _: Vec<TaskState>) -> Answer<'_, Page<TaskView>> {
        nobody()
    }

    fn needs(&self, _: JobId, _: u32) -> Answer<'_, TaskNeeds> {
        nobody()
    }

    fn describe(&self, _: JobId) -> Answer<'_, JobDetail> {
        nobody()
    }

    fn describe_task(&self, _: JobId, _: TaskRef) -> Answer<'_, TaskView> {
        nobody()
    }

    fn explain(&self, _: JobId, _: TaskRef) -> Answer<'_, Explanation> {
        nobody()
    }

    fn cluster(&self) -> Answer<'_, ClusterView> {
        nobody()
    }

    fn drain(&self, _: ExecutorId) -> Answer<'_, ()> {
        nobody()
    }

    fn put(&self, _: Value) -> Answer<'_, ObjectId> {
        nobody()
    }

    fn get(&self, _: ObjectRef) -> Answer<'_, Value> {
        nobody()
    }

    fn objects(&self, _: Option<JobId>, _: PageRequest) -> Answer<'_, Page<ListedObject>> {
        nobody()
    }

    fn locate_actor(&self, _: ActorName) -> Answer<'_, ActorPlace> {
        nobody()
    }

    fn open_calls(&self, _: Living) -> Answer<'_, Arc<dyn Calls>> {
        nobody()
    }

    fn stop_actor(&self, _: ActorName) -> Answer<'_, ()> {
        nobody()
    }

    fn actors(&self, _: Option<JobId>) -> Answer<'_, Vec<ActorView>> {
        nobody()
    }

    fn costs(&self, _: PageRequest) -> Answer<'_, Page<MeasuredCost>> {
        nobody()
    }

    fn release(&self, _: ObjectId) -> Answer<'_, ()> {
        nobody()
    }
}
