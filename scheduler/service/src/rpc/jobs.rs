//! Jobs: list, describe, close, cancel.

use drawloom_proto::{FieldError, Rejection, v1};
use drawloom_scheduler_core::{Event, Refusal, Reply, Scheduler};

use super::job_id;
use super::paging::{page_size, page_token, states, token};
use super::tasks::TaskName;
use crate::handle::{Handle, Shell};
use crate::{rejection, wire};

/// Lists jobs, the latest first. A page's token is its last job's place in the order of submission,
/// whatever has become of that job since.
pub(super) async fn list(
    handle: &Handle,
    request: v1::ListJobsRequest,
) -> Result<v1::ListJobsReply, Rejection> {
    let size = page_size(request.page_size);
    let states: Vec<v1::JobState> = states(&request.states)?;
    let before = page_token(&request.page_token)?.unwrap_or(u64::MAX);
    let page = move |scheduler: &mut Scheduler, _| {
        let jobs = scheduler
            .jobs_before(before)
            .rev()
            .filter(|job| states.is_empty() || states.contains(&wire::job_state(job.state)));
        let mut page: Vec<_> = jobs.take(size + 1).collect();
        let more = page.len() > size;
        page.truncate(size);
        (page, more)
    };
    let (page, more) = handle.query(page).await.map_err(rejection::stopped)?;
    let next = page.last().filter(|_| more).map(|job| token(job.order));
    let jobs = page.into_iter().map(|job| wire::job(handle.clock(), job)).collect();
    Ok(v1::ListJobsReply { jobs, next_page_token: next.unwrap_or_default() })
}

/// Describes one job.
pub(super) async fn describe(
    handle: &Handle,
    request: v1::DescribeJobRequest,
) -> Result<v1::DescribeJobReply, Rejection> {
    let job = job_id(&request.job)?;
    let clock = *handle.clock();
    let describe = move |shell: &mut Shell, _| {
        let scheduler = &shell.scheduler;
        let key = scheduler.job_key(job)?;
        let summary = scheduler.job(key)?;
        let output = |(name, key)| {
            let object = scheduler.object(key).as_ref().map(wire::object);
            v1::JobOutput { name, object }
        };
        Some(v1::DescribeJobReply {
            job: Some(wire::job(&clock, summary)),
            outputs: scheduler.outputs(key).into_iter().map(output).collect(),
            next_seq: shell.logs.get(key).map_or(0, |log| log.next_seq()),
        })
    };
    let described = handle.inspect(describe).await.map_err(rejection::stopped)?;
    described.ok_or_else(|| rejection::refused(&Refusal::UnknownJob { job }))
}

/// Says that nothing more will be added to a job.
pub(super) async fn close(
    handle: &Handle,
    request: v1::CloseJobRequest,
) -> Result<v1::CloseJobReply, Rejection> {
    let job = job_id(&request.job)?;
    handle.ask(|request| Event::JobClosed { request, job }).await.map_err(rejection::ask)?;
    Ok(v1::CloseJobReply {})
}

/// Cancels a job, or tasks of it.
pub(super) async fn cancel(
    handle: &Handle,
    request: v1::CancelRequest,
) -> Result<v1::CancelReply, Rejection> {
    let job = job_id(&request.job)?;
    let tasks = match request.tasks {
        None => None,
        Some(refs) => Some(resolve(handle, &request.job, refs).await?),
    };
    let event = |request| Event::CancelRequested { request, job, tasks };
    match handle.ask(event).await.map_err(rejection::ask)? {
        Reply::Cancelled { tasks } => Ok(v1::CancelReply { tasks }),
        _ => Ok(v1::CancelReply { tasks: 0 }),
    }
}

/// The indexes of tasks that a client named.
async fn resolve(
    handle: &Handle,
    job_text: &str,
    refs: v1::TaskRefs,
) -> Result<Vec<u32>, Rejection> {
    let job = job_id(job_text)?;
    let names = refs.tasks.into_iter().enumerate().map(|(position, task)| {
        TaskName::of(Some(task))
            .map_err(|error| error.within(format_args!("tasks.tasks[{position}]")))
    });
    let names: Vec<TaskName> = names.collect::<Result<_, FieldError>>()?;
    let look = move |scheduler: &mut Scheduler, _| {
        let key = scheduler.job_key(job).ok_or(None)?;
        let index = |name: TaskName| name.index(scheduler, key).ok_or(Some(name));
        names.into_iter().map(index).collect::<Result<Vec<u32>, Option<TaskName>>>()
    };
    let found = handle.query(look).await.map_err(rejection::stopped)?;
    found.map_err(|missing| match missing {
        None => rejection::refused(&Refusal::UnknownJob { job }),
        Some(name) => rejection::no_such_task(job_text, &name.to_string()),
    })
}
