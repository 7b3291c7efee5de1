//! From the core's summaries to the client's views.

use std::time::{Duration, SystemTime};

use drawloom_client::{
    ExecutorView, Explanation, JobEvent, JobState, JobView, ListedObject, ObjectRef, ObjectState,
    ObjectView, TaskCounts, TaskRef, TaskState, TaskView,
};
use drawloom_model::Time;
use drawloom_scheduler::Clock;
use drawloom_scheduler_core as core;

pub(super) fn job_state(state: core::JobState) -> JobState {
    match state {
        core::JobState::Running => JobState::Running,
        core::JobState::Succeeded => JobState::Succeeded,
        core::JobState::Failed => JobState::Failed,
        core::JobState::Cancelled => JobState::Cancelled,
    }
}

pub(super) fn task_state(state: core::TaskState) -> TaskState {
    match state {
        core::TaskState::Waiting => TaskState::Waiting,
        core::TaskState::Ready => TaskState::Ready,
        core::TaskState::Queued => TaskState::Queued,
        core::TaskState::Running => TaskState::Running,
        core::TaskState::Succeeded => TaskState::Succeeded,
        core::TaskState::Failed => TaskState::Failed,
        core::TaskState::Cancelled => TaskState::Cancelled,
    }
}

pub(super) fn event(event: core::JobEvent) -> JobEvent {
    match event {
        core::JobEvent::TasksAdded { first_task, tasks } => {
            JobEvent::TasksAdded { first_task, tasks }
        }
        core::JobEvent::TaskStarted { task, attempt, executor } => {
            JobEvent::TaskStarted { task, attempt, executor }
        }
        core::JobEvent::TaskRetried { task, attempt, failure, delay, span } => {
            JobEvent::TaskRetried { task, attempt, failure, delay, span }
        }
        core::JobEvent::TaskEnded { task, attempt, executor, state, failure, run_time } => {
            let state = task_state(state);
            JobEvent::TaskEnded { task, attempt, executor, state, failure, run_time }
        }
        core::JobEvent::JobEnded { state } => JobEvent::JobEnded { state: job_state(state) },
    }
}

fn moment(clock: &Clock, time: Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(clock.unix_nanos(time))
}

pub(super) fn job(clock: &Clock, job: core::JobSummary) -> JobView {
    JobView {
        job: job.job,
        name: job.name,
        state: job_state(job.state),
        open: job.open,
        tasks: TaskCounts::new(job.tasks.0),
        submitted_at: moment(clock, job.submitted_at),
        ended_at: job.ended_at.map(|time| moment(clock, time)),
        priority: job.priority,
    }
}

pub(super) fn task(clock: &Clock, task: core::TaskSummary) -> TaskView {
    let moment = |time: Option<Time>| time.map(|time| moment(clock, time));
    TaskView {
        task: task.task.index,
        name: task.name,
        run: task.run,
        state: task_state(task.state),
        attempt: task.attempt,
        executor: task.executor,
        devices: task.devices,
        variant: task.variant,
        failure: task.failure,
        placed_at: moment(task.placed_at),
        started_at: moment(task.started_at),
        ended_at: moment(task.ended_at),
        run_time: task.run_time,
        cpu_milli: task.cpu_milli,
        is_actor: task.is_actor,
    }
}

pub(super) fn object(object: &core::ObjectSummary) -> ObjectView {
    let state = match object.state {
        core::ObjectState::Pending => ObjectState::Pending,
        core::ObjectState::Available => ObjectState::Available,
        core::ObjectState::Dropped => ObjectState::Dropped,
        core::ObjectState::NeverMade => ObjectState::NeverMade,
    };
    ObjectView {
        state,
        object_type: object.object_type.clone(),
        size_bytes: object.size_bytes,
        executors: object.holders.clone(),
        spilled: object.spilled.clone(),
    }
}

pub(super) fn listed_object(listed: core::ListedObject) -> ListedObject {
    let view = object(&listed.summary);
    let references = listed.summary.references;
    let (name, output, released) = match listed.origin {
        core::Origin::Put { object, kept } => (Some(ObjectRef::Put(object)), None, !kept),
        core::Origin::Job { job, task, name } => {
            let object = task.and_then(|(task, output)| {
                let (task, output) = (TaskRef::Index(task), u16::try_from(output).ok()?);
                Some(ObjectRef::Task { job, task, output })
            });
            (object, name, false)
        }
    };
    ListedObject { object: name, output, view, references, released }
}

pub(super) fn executor(executor: core::ExecutorSummary) -> ExecutorView {
    ExecutorView {
        executor: executor.id,
        info: executor.info.as_ref().clone(),
        free: executor.free,
        running: executor.running,
        queued: executor.queued,
        objects: executor.objects,
        object_bytes: executor.object_bytes,
        spilled_bytes: executor.spilled_bytes,
        draining: executor.draining,
        busy_core_seconds: executor.busy_core_seconds,
        tasks_ended: executor.tasks_ended,
        devices_used: executor.devices_used,
    }
}

pub(super) fn explanation(explanation: core::Explanation) -> Explanation {
    let core::Explanation { task, state, reasons } = explanation;
    Explanation { task: task.index, state: task_state(state), reasons }
}
