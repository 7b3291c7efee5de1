//! What the core tells of itself, as it goes over the wire.

use drawloom_model::{Lifetime, Time};
use drawloom_proto::{nanos, v1};
use drawloom_scheduler_core::{
    ActorSummary, ExecutorSummary, JobEvent, JobState, JobSummary, ListedObject, ObjectState,
    ObjectSummary, Origin, TaskCounts, TaskState, TaskSummary,
};

use crate::clock::Clock;

pub(crate) fn job_event(event: JobEvent) -> v1::JobEvent {
    use v1::job_event::Event as Wire;
    let event = match event {
        JobEvent::TasksAdded { first_task, tasks } => {
            Wire::TasksAdded(v1::TasksAdded { first_task, tasks })
        }
        JobEvent::TaskStarted { task, attempt, executor } => {
            Wire::TaskStarted(v1::TaskStarted { task, attempt, executor: executor.0 })
        }
        JobEvent::TaskRetried { task, attempt, failure, delay, span } => {
            Wire::TaskRetried(v1::TaskRetried {
                task,
                attempt,
                failure: Some(failure.into()),
                delay_nanos: nanos(delay),
                executor: span.executor.map(|executor| executor.0),
                placed_nanos: nanos(span.placed),
                started_nanos: nanos(span.started),
                ended_nanos: nanos(span.ended),
            })
        }
        JobEvent::TaskEnded { task, attempt, executor, state, failure, run_time } => {
            Wire::TaskEnded(v1::TaskEnded {
                task,
                attempt,
                executor: executor.map(|executor| executor.0),
                state: task_state(state).into(),
                failure: failure.map(Into::into),
                run_nanos: nanos(run_time),
            })
        }
        JobEvent::JobEnded { state } => {
            Wire::JobEnded(v1::JobEnded { state: job_state(state).into() })
        }
    };
    v1::JobEvent { event: Some(event) }
}

pub(crate) fn event_batch(first_seq: u64, events: Vec<JobEvent>) -> v1::EventBatch {
    v1::EventBatch { first_seq, events: events.into_iter().map(job_event).collect() }
}

pub(crate) fn task_state(state: TaskState) -> v1::TaskState {
    match state {
        TaskState::Waiting => v1::TaskState::Waiting,
        TaskState::Ready => v1::TaskState::Ready,
        TaskState::Queued => v1::TaskState::Queued,
        TaskState::Running => v1::TaskState::Running,
        TaskState::Succeeded => v1::TaskState::Succeeded,
        TaskState::Failed => v1::TaskState::Failed,
        TaskState::Cancelled => v1::TaskState::Cancelled,
    }
}

pub(crate) fn job_state(state: JobState) -> v1::JobState {
    match state {
        JobState::Running => v1::JobState::Running,
        JobState::Succeeded => v1::JobState::Succeeded,
        JobState::Failed => v1::JobState::Failed,
        JobState::Cancelled => v1::JobState::Cancelled,
    }
}

pub(crate) fn task_counts(counts: TaskCounts) -> v1::TaskCounts {
    v1::TaskCounts {
        waiting: counts.get(TaskState::Waiting),
        ready: counts.get(TaskState::Ready),
        queued: counts.get(TaskState::Queued),
        running: counts.get(TaskState::Running),
        succeeded: counts.get(TaskState::Succeeded),
        failed: counts.get(TaskState::Failed),
        cancelled: counts.get(TaskState::Cancelled),
    }
}

pub(crate) fn job(clock: &Clock, job: JobSummary) -> v1::Job {
    v1::Job {
        job: job.job.to_string(),
        name: job.name,
        state: job_state(job.state).into(),
        open: job.open,
        tasks: Some(task_counts(job.tasks)),
        submitted_unix_nanos: clock.unix_nanos(job.submitted_at),
        ended_unix_nanos: job.ended_at.map(|time| clock.unix_nanos(time)),
        priority: job.priority,
    }
}

pub(crate) fn task(clock: &Clock, task: TaskSummary) -> v1::TaskView {
    let unix = |time: Option<Time>| time.map(|time| clock.unix_nanos(time));
    v1::TaskView {
        task: task.task.index,
        name: task.name.unwrap_or_default(),
        run: task.run,
        state: task_state(task.state).into(),
        attempt: task.attempt,
        executor: task.executor.map(|executor| executor.0),
        devices: task.devices.iter().map(|device| device.0.into()).collect(),
        variant: task.variant.map(Into::into),
        failure: task.failure.map(Into::into),
        placed_unix_nanos: unix(task.placed_at),
        started_unix_nanos: unix(task.started_at),
        ended_unix_nanos: unix(task.ended_at),
        run_nanos: task.run_time.map(nanos),
        cpu_milli: task.cpu_milli,
        is_actor: task.is_actor,
    }
}

pub(crate) fn actor(actor: ActorSummary) -> v1::ActorView {
    v1::ActorView {
        job: actor.job.to_string(),
        task: actor.task.index,
        task_name: actor.task_name.unwrap_or_default(),
        name: actor.name.unwrap_or_default(),
        kind: actor.kind,
        state: task_state(actor.state).into(),
        incarnation: actor.incarnation,
        executor: actor.executor.map(|executor| executor.0),
        detached: actor.lifetime == Lifetime::Detached,
        stopping: actor.stopping,
        calls_waiting: actor.calls_waiting,
        calls_sent: actor.calls_sent,
        restarts: actor.restarts,
        checkpoint_bytes: actor.checkpoint_bytes,
        failure: actor.failure.map(Into::into),
    }
}

pub(crate) fn object(object: &ObjectSummary) -> v1::ObjectView {
    let state = match object.state {
        ObjectState::Pending => v1::ObjectState::Pending,
        ObjectState::Available => v1::ObjectState::Available,
        ObjectState::Dropped => v1::ObjectState::Dropped,
        ObjectState::NeverMade => v1::ObjectState::NeverMade,
    };
    v1::ObjectView {
        state: state.into(),
        r#type: object.object_type.as_ref().map(Into::into),
        size_bytes: object.size_bytes,
        executors: object.holders.iter().map(|executor| executor.0).collect(),
        spilled: object.spilled.iter().map(|executor| executor.0).collect(),
    }
}

pub(crate) fn listed_object(listed: ListedObject) -> v1::ListedObject {
    use v1::object_ref::Object;
    let view = Some(object(&listed.summary));
    let references = listed.summary.references;
    let (name, output, released) = match listed.origin {
        Origin::Put { object, kept } => {
            (Some(Object::Put(object.to_string())), String::new(), !kept)
        }
        Origin::Job { job, task, name } => {
            let task = task.map(|(task, output)| {
                let task = Some(v1::TaskRef { task: Some(v1::task_ref::Task::Index(task)) });
                Object::Task(v1::TaskOutputRef { job: job.to_string(), task, output })
            });
            (task, name.unwrap_or_default(), false)
        }
    };
    let object = Some(v1::ObjectRef { object: name });
    v1::ListedObject { object, output, view, references, released }
}

pub(crate) fn executor(clock: &Clock, executor: &ExecutorSummary) -> v1::ExecutorView {
    v1::ExecutorView {
        executor: executor.id.0,
        info: Some(executor.info.as_ref().into()),
        free: Some((&executor.free).into()),
        running: executor.running,
        queued: executor.queued,
        objects: executor.objects,
        object_bytes: executor.object_bytes,
        draining: executor.draining,
        joined_unix_nanos: clock.unix_nanos(executor.joined_at),
        busy_core_seconds: executor.busy_core_seconds,
        tasks_ended: executor.tasks_ended,
        spilled_bytes: executor.spilled_bytes,
        devices_used: executor.devices_used.iter().copied().map(Into::into).collect(),
    }
}
