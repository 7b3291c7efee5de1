//! From a graph to an admitted job: the checks that need no core, then the core.

use std::sync::Arc;

use drawloom_model::{GraphError, JobId, TaskGraph, validate};
use drawloom_scheduler_core::{Event, Refusal, Reply};
use drawloom_signature::{CheckError, GraphTypes, ValueType, check_graph};
use tokio::sync::oneshot;

use crate::handle::{Admitted, Answer, AskError, Handle, Stopped};
use crate::log::JobLog;

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
        validate(&graph, self.limits(), |_| None)?;
        let externals = self.external_types(&graph).await?;
        let types = check_graph(&graph, &|_, _| ValueType::Unknown, &known(&externals))?;
        let job = JobId(fastrand::u128(..));
        let (sender, answer) = oneshot::channel();
        let answer_to = Answer::Job { types: types.tasks().to_vec(), sender };
        let event = |request| Event::JobSubmitted { request, job, token, graph };
        self.send_request(event, answer_to).await?;
        Ok(answer.await.map_err(|_| Stopped)??)
    }

    /// Adds tasks to a job. Additions to one job take turns.
    ///
    /// # Errors
    /// When the graph is wrong, the core refuses it, or the scheduler stops.
    pub async fn add_tasks(&self, log: &JobLog, graph: TaskGraph) -> Result<Added, SubmitError> {
        let mut held = log.types.clone().lock_owned().await;
        let expected = held.len() as u32;
        if graph.first_task != expected {
            let (job, first_task) = (log.job(), graph.first_task);
            return Err(Refusal::WrongFirstTask { job, expected, first_task }.into());
        }
        let outputs = |task: u32| held.get(task as usize).map(|types| types.len() as u16);
        validate(&graph, self.limits(), outputs)?;
        let externals = self.external_types(&graph).await?;
        let prior = |task: u32, output: u16| {
            let types = held.get(task as usize).map_or(&[][..], |types| types);
            types.get(usize::from(output)).cloned().unwrap_or_default()
        };
        let types: GraphTypes = check_graph(&graph, &prior, &known(&externals))?;
        let (job, graph) = (log.job(), Arc::new(graph));
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

fn known(types: &[ValueType]) -> impl Fn(u32) -> ValueType + '_ {
    |index| types.get(index as usize).cloned().unwrap_or_default()
}
