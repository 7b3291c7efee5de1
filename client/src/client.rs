//! The client.

use std::sync::Arc;

use drawloom_model::{
    ExecutorId, INLINE_LIMIT_BYTES, Input, JobId, Literal, MeasuredCost, ObjectId, TaskGraph, Value,
};

use crate::grpc::Grpc;
use crate::{
    ActorHandle, ActorName, ActorPlace, ActorView, Addition, Admission, CallError, ClusterView,
    Error, Explanation, JobDetail, JobHandle, JobState, JobView, ListedObject, ObjectRef, Page,
    PageRequest, Reconnect, Submission, TaskNeeds, TaskRef, TaskState, TaskView, Transport,
};

/// A connection to a scheduler. Clones share it.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    reconnect: Reconnect,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Connects to `http://HOST:PORT` or `unix:/PATH`.
    ///
    /// # Errors
    /// The endpoint cannot be understood, or nothing answers there.
    pub async fn connect(endpoint: &str) -> Result<Client, Error> {
        Ok(Client::with_transport(Arc::new(Grpc::connect(endpoint).await?)))
    }

    /// A client that goes another way.
    pub fn with_transport(transport: Arc<dyn Transport>) -> Client {
        Client { transport, reconnect: Reconnect::default() }
    }

    /// The same client, but for how it goes on when the connection breaks. Unless told otherwise
    /// it does so for half a minute: jobs are followed again from where their events ended, and
    /// submissions whose answer was lost are repeated.
    pub fn with_reconnect(mut self, reconnect: Reconnect) -> Client {
        self.reconnect = reconnect;
        self
    }

    /// Submits a graph. Literals too large to travel with it are put first. Where the connection
    /// can break, the submission has a random token: however often it must be repeated, it makes
    /// one job.
    ///
    /// ```
    /// # use drawloom_client::{GraphBuilder, attributes};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cluster = drawloom_cluster::Embedded::start(Default::default()).await?;
    /// # let client = cluster.client();
    /// let mut graph = GraphBuilder::new("example");
    /// let task = graph.task("busy", attributes([("iterations", 1000)])).add();
    /// graph.output("checksum", task.output(0));
    /// let report = client.submit(graph.build()).await?.wait().await?;
    /// assert_eq!(report.succeeded, 1);
    /// # cluster.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The graph is refused; the message names the task and the field at fault.
    pub async fn submit(&self, graph: TaskGraph) -> Result<JobHandle, Error> {
        self.submit_once(graph, None).await
    }

    /// Submits a graph under a token: submissions with the same token make one job, so a
    /// submission whose answer was lost can be repeated.
    ///
    /// # Errors
    /// The graph is refused, or the token belongs to a job with another graph.
    pub async fn submit_with_token(
        &self,
        graph: TaskGraph,
        token: impl Into<String>,
    ) -> Result<JobHandle, Error> {
        self.submit_once(graph, Some(token.into())).await
    }

    async fn submit_once(
        &self,
        mut graph: TaskGraph,
        token: Option<String>,
    ) -> Result<JobHandle, Error> {
        let mut put = Vec::new();
        let token = token.or_else(|| self.transport.can_break().then(random_token));
        let admission = match self.put_large_literals(&mut graph, &mut put).await {
            Ok(()) => self.submit_patiently(Submission { graph: Arc::new(graph), token }).await,
            Err(error) => Err(error),
        };
        self.release_all(put).await;
        Ok(JobHandle::new(self.clone(), admission?))
    }

    async fn submit_patiently(&self, submission: Submission) -> Result<Admission, Error> {
        if submission.token.is_none() {
            return self.transport.submit(submission).await;
        }
        self.patiently(|| self.transport.submit(submission.clone())).await
    }

    /// Repeats a call that may be repeated while the scheduler cannot be reached.
    pub(crate) async fn patiently<T, A>(&self, call: impl Fn() -> A) -> Result<T, Error>
    where
        A: Future<Output = Result<T, Error>>,
    {
        let mut waits = self.reconnect.waits();
        loop {
            match call().await {
                Err(error @ Error::Unreachable { .. }) => {
                    tracing::debug!(%error, "trying again");
                    if !waits.wait().await {
                        return Err(error);
                    }
                }
                answer => return answer,
            }
        }
    }

    /// A handle on a job that was submitted before, with its events from `from_seq` on.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn attach(&self, job: JobId, from_seq: u64) -> Result<JobHandle, Error> {
        let detail = self.transport.describe(job).await?;
        let events = self.transport.watch(job, from_seq).await?;
        Ok(JobHandle::attached(self.clone(), &detail.job, events, from_seq))
    }

    /// Adds tasks to a job; the addition's `first_task` must be the job's number of tasks.
    ///
    /// # Errors
    /// The job has ended, or the addition is refused.
    pub async fn add_tasks(&self, job: JobId, mut graph: TaskGraph) -> Result<Addition, Error> {
        let mut put = Vec::new();
        let addition = match self.put_large_literals(&mut graph, &mut put).await {
            Ok(()) => self.transport.add_tasks(job, graph).await,
            Err(error) => Err(error),
        };
        self.release_all(put).await;
        addition
    }

    /// Waits until tasks of a job have ended; their states, in the order of `tasks`.
    ///
    /// `waiter` is the running attempt of the same job, its task and its number, that does nothing
    /// until then: others have its cores. See [`TaskContext`](crate::TaskContext) for programs that tasks run.
    ///
    /// # Errors
    /// There is no such job or task, the attempt does not run, or it would wait for itself.
    pub async fn wait_tasks(
        &self,
        job: JobId,
        tasks: Vec<u32>,
        waiter: Option<(u32, u32)>,
    ) -> Result<Vec<TaskState>, Error> {
        self.transport.wait_tasks(job, tasks, waiter).await
    }

    /// Says that nothing more will be added to an open job.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn close(&self, job: JobId) -> Result<(), Error> {
        self.transport.close(job).await
    }

    /// Cancels a whole job; answers how many tasks were cancelled.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn cancel(&self, job: JobId) -> Result<u32, Error> {
        self.transport.cancel(job, None).await
    }

    /// Cancels tasks and those that need them; answers how many were cancelled.
    ///
    /// # Errors
    /// There is no such job or task.
    pub async fn cancel_tasks(&self, job: JobId, tasks: Vec<TaskRef>) -> Result<u32, Error> {
        self.transport.cancel(job, Some(tasks)).await
    }

    /// Jobs in these states (all where none are given), the latest first.
    ///
    /// # Errors
    /// The scheduler cannot be reached.
    pub async fn jobs(
        &self,
        page: PageRequest,
        states: Vec<JobState>,
    ) -> Result<Page<JobView>, Error> {
        self.transport.jobs(page, states).await
    }

    /// A job's tasks in these states (all where none are given), in order of submission.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn tasks(
        &self,
        job: JobId,
        page: PageRequest,
        states: Vec<TaskState>,
    ) -> Result<Page<TaskView>, Error> {
        self.transport.tasks(job, page, states).await
    }

    /// Which tasks a job's tasks need, from `first_task` on; [`TaskNeeds::next`] leads on.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn needs(&self, job: JobId, first_task: u32) -> Result<TaskNeeds, Error> {
        self.transport.needs(job, first_task).await
    }

    /// A job and its outputs.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn describe(&self, job: JobId) -> Result<JobDetail, Error> {
        self.transport.describe(job).await
    }

    /// A task.
    ///
    /// # Errors
    /// There is no such job or task.
    pub async fn describe_task(&self, job: JobId, task: TaskRef) -> Result<TaskView, Error> {
        self.transport.describe_task(job, task).await
    }

    /// Why a task waits, or why it is where it is.
    ///
    /// # Errors
    /// There is no such job or task.
    pub async fn explain(&self, job: JobId, task: TaskRef) -> Result<Explanation, Error> {
        self.transport.explain(job, task).await
    }

    /// The executors and what they do.
    ///
    /// # Errors
    /// The scheduler cannot be reached.
    pub async fn cluster(&self) -> Result<ClusterView, Error> {
        self.transport.cluster().await
    }

    /// Empties an executor: it gets nothing more, and its objects move away.
    ///
    /// # Errors
    /// There is no such executor.
    pub async fn drain(&self, executor: ExecutorId) -> Result<(), Error> {
        self.transport.drain(executor).await
    }

    /// Puts an object, for graphs to take as an external.
    ///
    /// # Errors
    /// It is too large for every executor.
    pub async fn put(&self, value: Value) -> Result<ObjectId, Error> {
        self.transport.put(value).await
    }

    /// Gets an object.
    ///
    /// # Errors
    /// It is not there yet, or no longer.
    pub async fn get(&self, object: ObjectRef) -> Result<Value, Error> {
        self.transport.get(object).await
    }

    /// Says that a put object is needed no longer; tasks that take it still may.
    ///
    /// # Errors
    /// There is no such object.
    pub async fn release(&self, object: ObjectId) -> Result<(), Error> {
        self.transport.release(object).await
    }

    /// Objects that were put and those that executors hold, of one job alone where one is named.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn objects(
        &self,
        job: Option<JobId>,
        page: PageRequest,
    ) -> Result<Page<ListedObject>, Error> {
        self.transport.objects(job, page).await
    }

    pub(crate) fn reconnect(&self) -> Reconnect {
        self.reconnect
    }

    /// A handle on an actor, once it is alive: it may wait for its turn, or for resources, for as
    /// long as it takes.
    ///
    /// # Errors
    /// There is no such actor, or it has ended.
    pub async fn actor(&self, actor: impl Into<ActorName>) -> Result<ActorHandle, CallError> {
        ActorHandle::open(self.clone(), actor.into()).await
    }

    /// Where an actor lives, and how it stands.
    ///
    /// # Errors
    /// There is no such actor.
    pub async fn locate_actor(&self, actor: impl Into<ActorName>) -> Result<ActorPlace, Error> {
        self.transport.locate_actor(actor.into()).await
    }

    /// Lets an actor serve the calls that it has, and end.
    ///
    /// # Errors
    /// There is no such actor.
    pub async fn stop_actor(&self, actor: impl Into<ActorName>) -> Result<(), Error> {
        self.transport.stop_actor(actor.into()).await
    }

    /// The actors of a job, or every actor that has not ended.
    ///
    /// # Errors
    /// There is no such job.
    pub async fn actors(&self, job: Option<JobId>) -> Result<Vec<ActorView>, Error> {
        self.transport.actors(job).await
    }

    /// What every way to run something was measured to take, by class of device and by size.
    ///
    /// # Errors
    /// The scheduler cannot be reached.
    pub async fn costs(&self, page: PageRequest) -> Result<Page<MeasuredCost>, Error> {
        self.transport.costs(page).await
    }

    pub(crate) fn transport(&self) -> &dyn Transport {
        self.transport.as_ref()
    }

    /// Lets go of objects that a graph needed: the job, if there is one, holds what it takes.
    async fn release_all(&self, objects: Vec<ObjectId>) {
        for object in objects {
            if let Err(error) = self.transport.release(object).await {
                tracing::warn!(%object, %error, "a literal that was put could not be released");
            }
        }
    }

    /// Puts the literals that are too large to travel with the graph and makes them externals.
    /// Those in `put` are to be released, also when it fails half-way.
    async fn put_large_literals(
        &self,
        graph: &mut TaskGraph,
        put: &mut Vec<ObjectId>,
    ) -> Result<(), Error> {
        let is_large = |literal: &Literal| literal.value.data.len() > INLINE_LIMIT_BYTES;
        if !graph.literals.iter().any(is_large) {
            return Ok(());
        }
        let mut places = Vec::with_capacity(graph.literals.len());
        let mut small = Vec::new();
        for literal in std::mem::take(&mut graph.literals) {
            if is_large(&literal) {
                let object = self.transport.put(literal.value).await?;
                places.push(Input::External(graph.externals.len() as u32));
                graph.externals.push(object);
                put.push(object);
            } else {
                places.push(Input::Literal(small.len() as u32));
                small.push(literal);
            }
        }
        graph.literals = small;
        replace_literals(graph, &places);
        Ok(())
    }
}

fn random_token() -> String {
    format!("auto-{:032x}", fastrand::u128(..))
}

/// Lets whatever takes literal `i` take `places[i]` instead.
fn replace_literals(graph: &mut TaskGraph, places: &[Input]) {
    let inputs = graph.tasks.iter_mut().flat_map(|task| &mut task.inputs);
    let outputs = graph.outputs.iter_mut().map(|output| &mut output.object);
    for input in inputs.chain(outputs) {
        // A literal that does not exist is left for the scheduler's check to name.
        if let Input::Literal(index) = *input
            && let Some(place) = places.get(index as usize)
        {
            *input = *place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::testing::Script;

    #[tokio::test(start_paused = true)]
    async fn a_submission_whose_answer_is_lost_is_repeated_under_one_token() {
        let script = Script::default();
        script.submit_answers(Err(Error::unreachable("cut off")));
        script.submit_answers(Err(Error::unreachable("nobody there")));
        script.submit_answers(Ok(JobId(7)));
        let graph = || GraphBuilder::new("again").build();
        let job = script.client().submit(graph()).await.expect("admitted at last");
        assert_eq!(job.id(), JobId(7));
        let tokens = script.tokens();
        let token = tokens[0].as_deref().expect("made up");
        assert!(token.starts_with("auto-") && tokens.iter().all(|other| *other == tokens[0]));
        script.submit_answers(Ok(JobId(8)));
        script.client().submit(graph()).await.expect("admitted");
        assert_ne!(script.tokens()[3], tokens[0]);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_told_at_once_and_patience_ends() {
        let script = Script::default();
        script.submit_answers(Err(Error::refused(crate::Code::InvalidArgument, "no")));
        let graph = || GraphBuilder::new("refused").build();
        let error = script.client().submit(graph()).await.expect_err("refused");
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert_eq!(script.tokens().len(), 1);
        let hasty = script.client().with_reconnect(Reconnect::NEVER);
        let error = hasty.submit(graph()).await.expect_err("nobody is there");
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert_eq!(script.tokens().len(), 2);
    }

    #[test]
    fn literals_that_were_put_become_externals() {
        let mut graph = GraphBuilder::new("literals");
        let inputs = ["a", "b", "c"].map(|name| graph.literal(name, Value::scalar_f32(1.0)));
        graph.task("noop", Default::default()).inputs(inputs).add();
        graph.output("b", inputs[1]);
        let mut graph = graph.build();
        let places = [Input::Literal(0), Input::External(0), Input::Literal(1)];
        replace_literals(&mut graph, &places);
        assert_eq!(graph.tasks[0].inputs, places);
        assert_eq!(graph.outputs[0].object, Input::External(0));
    }
}
