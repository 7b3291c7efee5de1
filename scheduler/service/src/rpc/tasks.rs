//! Tasks: list, describe, explain.

use std::fmt;

use drawloom_model::{JobKey, TaskKey};
use drawloom_proto::{FieldError, Rejection, v1};
use drawloom_scheduler_core::{Event, Refusal, Reply, Scheduler};

use super::job_id;
use super::paging::{page_size, page_token, states, token};
use crate::clock::Clock;
use crate::handle::Handle;
use crate::{rejection, wire};

/// The most tasks that one call looks at; a page may be short, its token leads on.
const LOOKED_AT: u32 = 20_000;

/// About the most edges in one reply: half a megabyte.
const EDGES: usize = 100_000;

/// A task as a client names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TaskName {
    Index(u32),
    Name(String),
}

impl TaskName {
    /// What `wire` says.
    pub fn of(wire: Option<v1::TaskRef>) -> Result<Self, FieldError> {
        use v1::task_ref::Task;
        match wire.and_then(|wire| wire.task) {
            Some(Task::Index(index)) => Ok(TaskName::Index(index)),
            Some(Task::Name(name)) => Ok(TaskName::Name(name)),
            None => Err(FieldError::new("task", "must be set")),
        }
    }

    /// The task's index, where the job has it.
    pub fn index(&self, scheduler: &Scheduler, job: JobKey) -> Option<u32> {
        match self {
            TaskName::Index(index) => {
                scheduler.template(TaskKey { job, index: *index }).map(|_| *index)
            }
            TaskName::Name(name) => scheduler.task_by_name(job, name),
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskName::Index(index) => write!(f, "{index}"),
            TaskName::Name(name) => write!(f, "{name:?}"),
        }
    }
}

/// Looks at one task of a job.
pub(super) async fn inspect<T: Send + 'static>(
    handle: &Handle,
    job_text: &str,
    task: Option<v1::TaskRef>,
    look: impl FnOnce(&mut Scheduler, TaskKey) -> Option<T> + Send + 'static,
) -> Result<T, Rejection> {
    let job = job_id(job_text)?;
    let name = TaskName::of(task)?;
    let text = name.to_string();
    let look = move |scheduler: &mut Scheduler, _| {
        let job = scheduler.job_key(job)?;
        let task = name.index(scheduler, job).map(|index| TaskKey { job, index });
        Some(task.and_then(|task| look(scheduler, task)))
    };
    let found = handle.query(look).await.map_err(rejection::stopped)?;
    let task = found.ok_or_else(|| rejection::refused(&Refusal::UnknownJob { job }))?;
    task.ok_or_else(|| rejection::no_such_task(job_text, &text))
}

/// Lists a job's tasks, in order of submission. A page's token is the next task's index.
pub(super) async fn list(
    handle: &Handle,
    request: v1::ListTasksRequest,
) -> Result<v1::ListTasksReply, Rejection> {
    let job = job_id(&request.job)?;
    let size = page_size(request.page_size);
    let states: Vec<v1::TaskState> = states(&request.states)?;
    let start = page_token(&request.page_token)?.unwrap_or(0);
    let start = u32::try_from(start).unwrap_or(u32::MAX);
    let clock = *handle.clock();
    let page = move |scheduler: &mut Scheduler, _| {
        let key = scheduler.job_key(job)?;
        Some(page(scheduler, &clock, key, start, size, &states))
    };
    let page = handle.query(page).await.map_err(rejection::stopped)?;
    page.ok_or_else(|| rejection::refused(&Refusal::UnknownJob { job }))
}

fn page(
    scheduler: &Scheduler,
    clock: &Clock,
    job: JobKey,
    start: u32,
    size: usize,
    states: &[v1::TaskState],
) -> v1::ListTasksReply {
    let mut reply = v1::ListTasksReply::default();
    let end = start.saturating_add(LOOKED_AT);
    for index in start..end {
        let Some(task) = scheduler.task(TaskKey { job, index }) else { return reply };
        if reply.tasks.len() == size {
            reply.next_page_token = token(index.into());
            return reply;
        }
        if states.is_empty() || states.contains(&wire::task_state(task.state)) {
            reply.tasks.push(wire::task(clock, task));
        }
    }
    reply.next_page_token = token(end.into());
    reply
}

/// Waits until tasks have ended.
pub(super) async fn wait(
    handle: &Handle,
    request: v1::WaitTasksRequest,
) -> Result<v1::WaitTasksReply, Rejection> {
    let job = job_id(&request.job)?;
    let waiter = request.waiter.map(|waiter| (waiter.task, waiter.attempt));
    let tasks = request.tasks;
    let event = |request| Event::WaitRequested { request, job, tasks, waiter };
    let states = match handle.ask(event).await.map_err(rejection::ask)? {
        Reply::TasksEnded { states } => states,
        _ => Vec::new(),
    };
    let states = states.into_iter().map(|state| wire::task_state(state).into()).collect();
    Ok(v1::WaitTasksReply { states })
}

/// Lists what a job's tasks need. One reply ends after so many edges, for the sake of its size.
pub(super) async fn needs(
    handle: &Handle,
    request: v1::ListNeedsRequest,
) -> Result<v1::ListNeedsReply, Rejection> {
    let job = job_id(&request.job)?;
    let first = request.first_task;
    let list = move |scheduler: &mut Scheduler, _| {
        let key = scheduler.job_key(job)?;
        Some(needs_from(scheduler, key, first))
    };
    let reply = handle.query(list).await.map_err(rejection::stopped)?;
    reply.ok_or_else(|| rejection::refused(&Refusal::UnknownJob { job }))
}

fn needs_from(scheduler: &Scheduler, job: JobKey, first: u32) -> v1::ListNeedsReply {
    let mut reply = v1::ListNeedsReply::default();
    let mut edges = 0;
    for task in first..first.saturating_add(LOOKED_AT) {
        let Some(needs) = scheduler.needs(TaskKey { job, index: task }) else {
            reply.next_task = None;
            return reply;
        };
        edges += needs.len();
        if !needs.is_empty() {
            reply.tasks.push(v1::TaskNeeds { task, needs });
        }
        reply.next_task = task.checked_add(1);
        if edges >= EDGES {
            break;
        }
    }
    reply
}

/// Describes one task.
pub(super) async fn describe(
    handle: &Handle,
    request: v1::DescribeTaskRequest,
) -> Result<v1::DescribeTaskReply, Rejection> {
    let clock = *handle.clock();
    let describe = move |scheduler: &mut Scheduler, key: TaskKey| {
        let template = scheduler.template(key)?;
        let output = |output| {
            let object = scheduler.object(scheduler.output_key(key, output)?)?;
            Some(wire::object(&object))
        };
        Some(v1::DescribeTaskReply {
            task: scheduler.task(key).map(|task| wire::task(&clock, task)),
            template: Some(template.as_ref().into()),
            outputs: (0..template.outputs).filter_map(output).collect(),
        })
    };
    inspect(handle, &request.job, request.task, describe).await
}

/// Tells why a task waits, or why it is where it is.
pub(super) async fn explain(
    handle: &Handle,
    request: v1::ExplainRequest,
) -> Result<v1::ExplainReply, Rejection> {
    let clock = *handle.clock();
    let explain = move |scheduler: &mut Scheduler, key: TaskKey| {
        let explanation = scheduler.explain(clock.now(), key)?;
        Some(v1::ExplainReply {
            task: key.index,
            state: wire::task_state(explanation.state).into(),
            reasons: explanation.reasons,
        })
    };
    inspect(handle, &request.job, request.task, explain).await
}
