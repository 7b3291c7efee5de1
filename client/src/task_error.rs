//! Why a task did not succeed, and what led to it.

use std::collections::BTreeMap;
use std::fmt;

use drawloom_model::{ExecutorId, Failure, FailureKind, JobId};

use crate::shared::Unsuccessful;
use crate::{Job, TaskHandle, TaskRef, TaskState};

/// The most tasks of a chain that are told.
const LINKS: usize = 32;

/// A task did not succeed. [`source`](std::error::Error::source) leads to the task because of
/// which it was never run, where there is one, and so on to the one that failed by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskError {
    /// The job.
    pub job: JobId,
    /// The task's index in it.
    pub task: u32,
    /// The task's name, where it has one.
    pub name: Option<String>,
    /// [`TaskState::Failed`] or [`TaskState::Cancelled`].
    pub state: TaskState,
    /// The last attempt's number, 0 when there was none.
    pub attempt: u32,
    /// The executor of the last attempt: its name, or its id where it has left.
    pub executor: Option<String>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// The task that it needs and that did not succeed.
    pub cause: Option<Box<TaskError>>,
}

impl TaskError {
    /// The end of what a failed process wrote to its standard error.
    pub fn stderr_tail(&self) -> Option<&str> {
        self.failure.as_ref()?.stderr_tail()
    }

    /// The task that failed by itself, where the chain leads.
    pub fn root(&self) -> &TaskError {
        let mut error = self;
        while let Some(cause) = &error.cause {
            error = cause;
        }
        error
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.task)?;
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        write!(f, " {}", self.state)?;
        if self.attempt > 0 {
            write!(f, " in attempt {}", self.attempt)?;
        }
        if let Some(executor) = &self.executor {
            write!(f, " on {executor}")?;
        }
        match &self.failure {
            Some(failure) => write!(f, ": {failure}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl Job {
    /// Why a task did not succeed. What the scheduler can tell no longer is left out.
    pub(crate) async fn task_error(&self, task: TaskHandle) -> TaskError {
        let names = self.executor_names().await;
        let mut links = Vec::new();
        let mut next = Some(task.index());
        while let Some(task) = next {
            let ended = self.unsuccessful(task);
            let led_to_by_another = ended.as_ref().is_none_or(Unsuccessful::has_a_cause);
            links.push(self.link(task, ended, &names).await);
            let follow = led_to_by_another && links.len() < LINKS;
            next = if follow { self.unsuccessful_need(task).await } else { None };
        }
        let last = links.pop();
        let chained = links
            .into_iter()
            .rev()
            .fold(last, |cause, link| Some(TaskError { cause: cause.map(Box::new), ..link }));
        chained.expect("the chain begins with the task asked for")
    }

    async fn link(
        &self,
        task: u32,
        ended: Option<Unsuccessful>,
        names: &BTreeMap<ExecutorId, String>,
    ) -> TaskError {
        let view = self.client().describe_task(self.id(), TaskRef::Index(task)).await;
        let ended = ended.unwrap_or(Unsuccessful {
            attempt: 0,
            executor: None,
            state: TaskState::Failed,
            failure: None,
        });
        // Sent ahead to an executor, perhaps, but never run.
        let ran = ended.failure.as_ref().is_none_or(|why| why.kind != FailureKind::Upstream);
        let name = |id: ExecutorId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        TaskError {
            job: self.id(),
            task,
            name: view.ok().and_then(|view| view.name),
            state: ended.state,
            attempt: if ran { ended.attempt } else { 0 },
            executor: ended.executor.filter(|_| ran).map(name),
            failure: ended.failure,
            cause: None,
        }
    }

    /// A task that `task` needs and that did not succeed; one that failed rather than one that was
    /// cancelled.
    async fn unsuccessful_need(&self, task: u32) -> Option<u32> {
        let listed = self.client().needs(self.id(), task).await.ok()?;
        let (_, needs) = listed.tasks.into_iter().next().filter(|(index, _)| *index == task)?;
        let mut ended: Vec<(bool, u32)> = needs
            .into_iter()
            .filter_map(|need| Some((self.unsuccessful(need)?.state != TaskState::Failed, need)))
            .collect();
        ended.sort_unstable();
        ended.first().map(|(_, need)| *need)
    }

    async fn executor_names(&self) -> BTreeMap<ExecutorId, String> {
        let executors = self.client().cluster().await.map(|cluster| cluster.executors);
        let executors = executors.unwrap_or_default();
        executors.into_iter().map(|view| (view.executor, view.info.name)).collect()
    }
}

impl Unsuccessful {
    /// Whether another task may be the reason.
    fn has_a_cause(&self) -> bool {
        let upstream = |failure: &Failure| failure.kind == FailureKind::Upstream;
        self.state == TaskState::Cancelled || self.failure.as_ref().is_some_and(upstream)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_chain_reads_from_the_effect_to_the_cause() {
        let root = TaskError {
            job: JobId(1),
            task: 0,
            name: Some("load".into()),
            state: TaskState::Failed,
            attempt: 3,
            executor: Some("x1".into()),
            failure: Some(Failure::of_process(
                FailureKind::Application,
                "exit code 2",
                "no such file",
            )),
            cause: None,
        };
        let error = TaskError {
            task: 4,
            name: None,
            attempt: 0,
            executor: None,
            failure: Some(Failure::new(FailureKind::Upstream, "task \"load\" failed")),
            cause: Some(Box::new(root.clone())),
            ..root.clone()
        };
        assert_eq!(error.to_string(), "task 4 failed: upstream: task \"load\" failed");
        let source = error.source().expect("a cause").to_string();
        let whole =
            "task 0 (load) failed in attempt 3 on x1: application: exit code 2: no such file";
        assert_eq!(source, whole);
        assert_eq!(error.root().stderr_tail(), Some("no such file"));
        assert_eq!(error.stderr_tail(), None);
    }
}
