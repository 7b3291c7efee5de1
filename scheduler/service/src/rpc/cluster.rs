//! The cluster as a whole, and emptying executors.

use drawloom_model::{ExecutorId, Time};
use drawloom_proto::{Rejection, v1};
use drawloom_scheduler_core::{Event, JobState, Scheduler, TaskCounts};

use crate::handle::Handle;
use crate::{rejection, wire};

/// Shows the executors and what they do.
pub(super) async fn view(handle: &Handle) -> Result<v1::ClusterViewReply, Rejection> {
    let clock = *handle.clock();
    let view = move |scheduler: &mut Scheduler, _: Time| {
        let mut counts = TaskCounts::default();
        let mut running_jobs = 0;
        for job in scheduler.jobs().filter(|job| job.state == JobState::Running) {
            running_jobs += 1;
            for (sum, count) in counts.0.iter_mut().zip(job.tasks.0) {
                *sum += count;
            }
        }
        let executor = |executor| wire::executor(&clock, &executor);
        v1::ClusterViewReply {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            executors: scheduler.executors().map(executor).collect(),
            running_jobs,
            tasks: Some(wire::task_counts(counts)),
            policy: scheduler.policy_name().to_owned(),
        }
    };
    handle.query(view).await.map_err(rejection::stopped)
}

/// Empties an executor.
pub(super) async fn drain(
    handle: &Handle,
    request: v1::DrainRequest,
) -> Result<v1::DrainReply, Rejection> {
    let executor = ExecutorId(request.executor);
    let event = |request| Event::DrainRequested { request, executor };
    handle.ask(event).await.map_err(rejection::ask)?;
    Ok(v1::DrainReply {})
}
