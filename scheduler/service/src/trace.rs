//! Spans for job, task and attempt. Costs one look at a flag where nobody listens.

use drawloom_model::JobKey;
use drawloom_scheduler_core::{Fact, JobEvent};

/// Tells of a change of durable state.
pub(crate) fn fact(fact: &Fact) {
    match fact {
        Fact::JobAdmitted { key, job, graph, .. } => {
            let tasks = graph.tasks.len();
            tracing::debug_span!("job", ?key, %job).in_scope(|| {
                tracing::debug!(name = graph.name, tasks, "job admitted");
            });
        }
        Fact::TaskPlaced { task, executor } if tracing::enabled!(tracing::Level::TRACE) => {
            let _job = tracing::debug_span!("job", key = ?task.job).entered();
            let _task = tracing::trace_span!("task", index = task.index).entered();
            tracing::trace!(%executor, "attempt placed");
        }
        Fact::GangPlaced { job, placements } if tracing::enabled!(tracing::Level::TRACE) => {
            let _job = tracing::debug_span!("job", key = ?job).entered();
            tracing::trace!(?placements, "gang placed");
        }
        _ => {}
    }
}

/// Tells of what watchers hear.
pub(crate) fn event(key: JobKey, event: &JobEvent) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let _job = tracing::debug_span!("job", ?key).entered();
    match event {
        JobEvent::TasksAdded { tasks, .. } => tracing::debug!(tasks, "tasks added"),
        JobEvent::TaskStarted { task, attempt, executor } => {
            let _task = tracing::trace_span!("task", index = task).entered();
            let _attempt = tracing::trace_span!("attempt", number = attempt).entered();
            tracing::trace!(%executor, "attempt started");
        }
        JobEvent::TaskRetried { task, attempt, failure, delay, .. } => {
            let _task = tracing::debug_span!("task", index = task).entered();
            let _attempt = tracing::debug_span!("attempt", number = attempt).entered();
            tracing::debug!(%failure, ?delay, "attempt failed, another follows");
        }
        JobEvent::TaskEnded { task, attempt, state, failure, run_time, .. } => {
            let _task = tracing::trace_span!("task", index = task).entered();
            let _attempt = tracing::trace_span!("attempt", number = attempt).entered();
            tracing::trace!(state = state.name(), ?failure, ?run_time, "task ended");
        }
        JobEvent::JobEnded { state } => tracing::debug!(state = state.name(), "job ended"),
    }
}
