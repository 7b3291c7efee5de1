//! From a graph to an admitted job: the checks that need no core, then the core.

use std::sync::Arc;

use drawloom_model::{GraphError, JobId, Limits, TaskGraph, validate};
use drawloom_scheduler_core::{Event, Refusal, Reply};
use drawloom_signature::{CheckError, GraphTypes, ValueType, check_graph};
use tokio::sync::oneshot;

use crate::handle::{Admitted, Answer, AskError, Handle, Stopped};
use crate::log::{JobLog, OutputTypes};

/// Why a graph did not become a job, or part of one.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// Its structure is wrong.
    #[error(transparent)]
    Structure(#[from] GraphError),
    /// A kernel call is wrong.
    #[error(transparent)]
    Types(#[from] CheckError),
    /// The core refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The scheduler stops.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<AskError> for SubmitError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(refusal) => SubmitError::Refused(refusal),
            AskError::Stopped(stopped) => SubmitError::Stopped(stopped),
        }
    }
}

/// Tasks that have become part of a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Added {
    /// The first one's index.
    pub first_task: u32,
    /// How many tasks the job has now.
    pub tasks: u32,
}

impl Handle {
    /// Submits a graph. Submissions with the same token make one job, however often they are sent.
    ///
    /// # Errors
    /// When the graph is wrong, the core refuses it, or the scheduler stops.
    pub async fn submit(
        &self,
        graph: TaskGraph,
        token: Option<Box<str>>,
    ) -> Result<Admitted, SubmitError> {
        let graph = Arc::new(TaskGraph { first_task: 0, ..graph });
        let externals = self.external_types(&graph).await?;
        let (checked, limits) = (Arc::clone(&graph), *self.limits());
        let check = move || {
            validate(&checked, &limits, |_| None)?;
            let types = check_graph(&checked, &|_, _| ValueType::Unknown, &known(&externals))?;
            Ok::<_, SubmitError>(types.tasks().to_vec())
        };
        let types = beside_if_large(graph.tasks.len(), check).await?;
        let job = JobId(fastrand::u128(..));
        let (sender, answer) = oneshot::channel();
        let answer_to = Answer::Job { types, sender };
        let event = |request| Event::JobSubmitted { request, job, token, graph };
        self.send_request(event, answer_to).await?;
        Ok(answer.await.map_err(|_| Stopped)??)
    }

    /// Adds tasks to a job. Additions to one job take turns.
    ///
    /// # Errors
    /// When the graph is wrong, the core refuses it, or the scheduler stops.
    pub async fn add_tasks(&self, log: &JobLog, graph: TaskGraph) -> Result<Added, SubmitError> {
        let held = log.types.clone().lock_owned().await;
        let expected = held.len() as u32;
        if graph.first_task != expected {
            let (job, first_task) = (log.job(), graph.first_task);
            return Err(Refusal::WrongFirstTask { job, expected, first_task }.into());
        }
        let externals = self.external_types(&graph).await?;
        let (job, tasks, limits) = (log.job(), graph.tasks.len(), *self.limits());
        let check = move || {
            let types = check_addition(&graph, &limits, &held, &externals)?;
            Ok::<_, SubmitError>((types, graph, held))
        };
        let (types, graph, mut held) = beside_if_large(tasks, check).await?;
        let graph = Arc::new(graph);
        let handle = self.clone();
        // Goes on when whoever asked is gone: what the core takes in must be known here, too.
        let added = tokio::spawn(async move {
            let reply = handle.ask(|request| Event::TasksAdded { request, job, graph }).await?;
            held.extend_from_slice(types.tasks());
            Ok::<_, AskError>(match reply {
                Reply::TasksAdded { tasks, .. } => tasks,
                _ => held.len() as u32,
            })
        });
        let tasks = added.await.map_err(|_| Stopped)??;
        Ok(Added { first_task: expected, tasks })
    }

    /// What is known of the put objects that a graph takes.
    async fn external_types(&self, graph: &TaskGraph) -> Result<Vec<ValueType>, Stopped> {
        if graph.externals.is_empty() {
            return Ok(Vec::new());
        }
        let objects = graph.externals.clone();
        self.query(move |scheduler, _| {
            let object_type = |object| scheduler.put_object_type(object);
            objects
                .into_iter()
                .map(|object| object_type(object).as_ref().map(ValueType::from).unwrap_or_default())
                .collect()
        })
        .await
    }
}

fn check_addition(
    graph: &TaskGraph,
    limits: &Limits,
    held: &OutputTypes,
    externals: &[ValueType],
) -> Result<GraphTypes, SubmitError> {
    let outputs = |task: u32| held.get(task as usize).map(|types| types.len() as u16);
    validate(graph, limits, outputs)?;
    let prior = |task: u32, output: u16| {
        let types = held.get(task as usize).map_or(&[][..], |types| types);
        types.get(usize::from(output)).cloned().unwrap_or_default()
    };
    Ok(check_graph(graph, &prior, &known(externals))?)
}

/// The most tasks that are checked on the spot: some tens of milliseconds.
const SMALL_GRAPH: usize = 50_000;

/// Checks a graph, a large one beside everything else: heartbeats go on meanwhile.
async fn beside_if_large<T: Send + 'static>(
    tasks: usize,
    check: impl FnOnce() -> Result<T, SubmitError> + Send + 'static,
) -> Result<T, SubmitError> {
    if tasks <= SMALL_GRAPH {
        return check();
    }
    match tokio::task::spawn_blocking(check).await {
        Ok(checked) => checked,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Stopped.into()),
    }
}

fn known(types: &[ValueType]) -> impl Fn(u32) -> ValueType + '_ {
    |index| types.get(index as usize).cloned().unwrap_or_default()
}
