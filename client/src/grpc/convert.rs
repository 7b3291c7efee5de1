//! From the wire's views to the client's.

use std::time::{Duration, SystemTime};

use drawloom_model::{
    AttemptSpan, Capacity, DeviceIndex, ExecutorId, ExecutorInfo, Failure, MeasuredCost,
    ObjectType, ParseIdError,
};
use drawloom_proto::v1::job_event::Event;
use drawloom_proto::{FieldError, v1};

use crate::{
    ActorName, ActorPlace, ActorView, ClusterView, Error, EventBatch, ExecutorView, Explanation,
    JobDetail, JobEvent, JobState, JobView, ListedObject, Living, ObjectRef, ObjectState,
    ObjectView, Page, PageRequest, TaskCounts, TaskRef, TaskState, TaskView,
};

pub(super) fn missing(field: &str) -> Error {
    Error::BadReply(format!("{field} is missing"))
}

pub(super) fn bad_id(error: ParseIdError) -> Error {
    Error::BadReply(error.to_string())
}

pub(super) fn page_token(wanted: PageRequest) -> String {
    wanted.token.unwrap_or_default()
}

pub(super) fn page<W, T>(
    items: Vec<W>,
    convert: impl Fn(W) -> Result<T, Error>,
    next: String,
) -> Result<Page<T>, Error> {
    let items = items.into_iter().map(convert).collect::<Result<_, _>>()?;
    Ok(Page { items, next: (!next.is_empty()).then_some(next) })
}

pub(super) fn measured_cost(wire: v1::MeasuredCost) -> Result<MeasuredCost, Error> {
    wire.try_into().map_err(|error: FieldError| Error::BadReply(error.to_string()))
}

pub(super) fn task_ref(task: TaskRef) -> v1::TaskRef {
    use v1::task_ref::Task;
    let task = match task {
        TaskRef::Index(index) => Task::Index(index),
        TaskRef::Name(name) => Task::Name(name),
    };
    v1::TaskRef { task: Some(task) }
}

pub(super) fn object_ref(object: ObjectRef) -> v1::ObjectRef {
    use v1::object_ref::Object;
    let object = match object {
        ObjectRef::Put(id) => Object::Put(id.to_string()),
        ObjectRef::Output { job, name } => {
            Object::Output(v1::JobOutputRef { job: job.to_string(), name })
        }
        ObjectRef::Task { job, task, output } => Object::Task(v1::TaskOutputRef {
            job: job.to_string(),
            task: Some(task_ref(task)),
            output: output.into(),
        }),
    };
    v1::ObjectRef { object: Some(object) }
}

pub(super) fn wire_task_state(state: TaskState) -> v1::TaskState {
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

pub(super) fn task_state(wire: i32) -> Result<TaskState, Error> {
    let known = TaskState::ALL.into_iter().find(|state| wire_task_state(*state) as i32 == wire);
    known.ok_or_else(|| missing("a task's state"))
}

pub(super) fn wire_job_state(state: JobState) -> v1::JobState {
    match state {
        JobState::Running => v1::JobState::Running,
        JobState::Succeeded => v1::JobState::Succeeded,
        JobState::Failed => v1::JobState::Failed,
        JobState::Cancelled => v1::JobState::Cancelled,
    }
}

fn job_state(wire: i32) -> Result<JobState, Error> {
    let known = JobState::ALL.into_iter().find(|state| wire_job_state(*state) as i32 == wire);
    known.ok_or_else(|| missing("a job's state"))
}

pub(super) fn event_batch(wire: v1::EventBatch) -> Result<EventBatch, Error> {
    let events = wire.events.into_iter().map(event).collect::<Result<_, _>>()?;
    Ok(EventBatch { first_seq: wire.first_seq, events })
}

fn event(wire: v1::JobEvent) -> Result<JobEvent, Error> {
    Ok(match wire.event.ok_or_else(|| missing("an event's kind"))? {
        Event::TaskEnded(wire) => JobEvent::TaskEnded {
            task: wire.task,
            attempt: wire.attempt,
            executor: wire.executor.map(ExecutorId),
            state: task_state(wire.state)?,
            failure: wire.failure.map(Failure::try_from).transpose()?,
            run_time: Duration::from_nanos(wire.run_nanos),
        },
        Event::TaskStarted(wire) => JobEvent::TaskStarted {
            task: wire.task,
            attempt: wire.attempt,
            executor: ExecutorId(wire.executor),
        },
        Event::TaskRetried(wire) => JobEvent::TaskRetried {
            task: wire.task,
            attempt: wire.attempt,
            failure: wire.failure.ok_or_else(|| missing("a retry's failure"))?.try_into()?,
            delay: Duration::from_nanos(wire.delay_nanos),
            span: Box::new(AttemptSpan {
                executor: wire.executor.map(ExecutorId),
                placed: Duration::from_nanos(wire.placed_nanos),
                started: Duration::from_nanos(wire.started_nanos),
                ended: Duration::from_nanos(wire.ended_nanos),
            }),
        },
        Event::TasksAdded(wire) => {
            JobEvent::TasksAdded { first_task: wire.first_task, tasks: wire.tasks }
        }
        Event::JobEnded(wire) => JobEvent::JobEnded { state: job_state(wire.state)? },
    })
}

fn moment(unix_nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_nanos)
}

fn counts(wire: Option<v1::TaskCounts>) -> TaskCounts {
    let wire = wire.unwrap_or_default();
    TaskCounts::new([
        wire.waiting,
        wire.ready,
        wire.queued,
        wire.running,
        wire.succeeded,
        wire.failed,
        wire.cancelled,
    ])
}

pub(super) fn job_view(wire: v1::Job) -> Result<JobView, Error> {
    Ok(JobView {
        job: wire.job.parse().map_err(bad_id)?,
        name: wire.name,
        state: job_state(wire.state)?,
        open: wire.open,
        tasks: counts(wire.tasks),
        submitted_at: moment(wire.submitted_unix_nanos),
        ended_at: wire.ended_unix_nanos.map(moment),
        priority: wire.priority,
    })
}

pub(super) fn job_detail(wire: v1::DescribeJobReply) -> Result<JobDetail, Error> {
    let output = |output: v1::JobOutput| {
        let object = output.object.ok_or_else(|| missing("an output's object"))?;
        Ok((output.name, object_view(object)?))
    };
    Ok(JobDetail {
        job: job_view(wire.job.ok_or_else(|| missing("job"))?)?,
        outputs: wire.outputs.into_iter().map(output).collect::<Result<_, Error>>()?,
        next_seq: wire.next_seq,
    })
}

fn object_view(wire: v1::ObjectView) -> Result<ObjectView, Error> {
    let state = match v1::ObjectState::try_from(wire.state) {
        Ok(v1::ObjectState::Pending) => ObjectState::Pending,
        Ok(v1::ObjectState::Available) => ObjectState::Available,
        Ok(v1::ObjectState::Dropped) => ObjectState::Dropped,
        Ok(v1::ObjectState::NeverMade) => ObjectState::NeverMade,
        Ok(v1::ObjectState::Unspecified) | Err(_) => return Err(missing("an object's state")),
    };
    Ok(ObjectView {
        state,
        object_type: wire.r#type.map(ObjectType::try_from).transpose()?,
        size_bytes: wire.size_bytes,
        executors: wire.executors.into_iter().map(ExecutorId).collect(),
        spilled: wire.spilled.into_iter().map(ExecutorId).collect(),
    })
}

pub(super) fn listed_object(wire: v1::ListedObject) -> Result<ListedObject, Error> {
    Ok(ListedObject {
        object: wire.object.and_then(|wire| wire.object).map(read_object_ref).transpose()?,
        output: (!wire.output.is_empty()).then_some(wire.output),
        view: object_view(wire.view.ok_or_else(|| missing("an object's view"))?)?,
        references: wire.references,
        released: wire.released,
    })
}

fn read_object_ref(wire: v1::object_ref::Object) -> Result<ObjectRef, Error> {
    use v1::object_ref::Object;
    Ok(match wire {
        Object::Put(text) => ObjectRef::Put(text.parse().map_err(bad_id)?),
        Object::Output(output) => {
            let job = output.job.parse().map_err(bad_id)?;
            ObjectRef::Output { job, name: output.name }
        }
        Object::Task(output) => ObjectRef::Task {
            job: output.job.parse().map_err(bad_id)?,
            task: match output.task.and_then(|task| task.task) {
                Some(v1::task_ref::Task::Index(index)) => TaskRef::Index(index),
                Some(v1::task_ref::Task::Name(name)) => TaskRef::Name(name),
                None => return Err(missing("an object's task")),
            },
            output: u16::try_from(output.output)
                .map_err(|_| Error::BadReply("an output's index is out of range".to_owned()))?,
        },
    })
}

pub(super) fn task_view(wire: v1::TaskView) -> Result<TaskView, Error> {
    let narrow = |field| move |_| Error::BadReply(format!("{field} is out of range"));
    let device =
        |device| u16::try_from(device).map(DeviceIndex).map_err(narrow("a device's index"));
    let variant = wire.variant.map(u8::try_from).transpose();
    Ok(TaskView {
        task: wire.task,
        name: (!wire.name.is_empty()).then_some(wire.name),
        run: wire.run,
        state: task_state(wire.state)?,
        attempt: wire.attempt,
        executor: wire.executor.map(ExecutorId),
        devices: wire.devices.into_iter().map(device).collect::<Result<_, _>>()?,
        variant: variant.map_err(narrow("a variant's index"))?,
        failure: wire.failure.map(Failure::try_from).transpose()?,
        placed_at: wire.placed_unix_nanos.map(moment),
        started_at: wire.started_unix_nanos.map(moment),
        ended_at: wire.ended_unix_nanos.map(moment),
        run_time: wire.run_nanos.map(Duration::from_nanos),
        cpu_milli: wire.cpu_milli,
        is_actor: wire.is_actor,
    })
}

pub(super) fn explanation(wire: v1::ExplainReply) -> Result<Explanation, Error> {
    Ok(Explanation { task: wire.task, state: task_state(wire.state)?, reasons: wire.reasons })
}

pub(super) fn cluster_view(wire: v1::ClusterViewReply) -> Result<ClusterView, Error> {
    Ok(ClusterView {
        version: wire.version,
        executors: wire.executors.into_iter().map(executor_view).collect::<Result<_, _>>()?,
        running_jobs: wire.running_jobs,
        tasks: counts(wire.tasks),
    })
}

fn executor_view(wire: v1::ExecutorView) -> Result<ExecutorView, Error> {
    let info: Result<_, FieldError> = wire.info.map(ExecutorInfo::try_from).transpose();
    let free: Result<_, FieldError> = wire.free.map(Capacity::try_from).transpose();
    Ok(ExecutorView {
        executor: ExecutorId(wire.executor),
        info: info?.ok_or_else(|| missing("an executor's info"))?,
        free: free?.unwrap_or_default(),
        running: wire.running,
        queued: wire.queued,
        objects: wire.objects,
        object_bytes: wire.object_bytes,
        spilled_bytes: wire.spilled_bytes,
        draining: wire.draining,
        busy_core_seconds: wire.busy_core_seconds,
        tasks_ended: wire.tasks_ended,
        devices_used: wire.devices_used.into_iter().map(Into::into).collect(),
    })
}

pub(super) fn actor_name(actor: ActorName) -> v1::ActorName {
    use v1::actor_name::Actor;
    let actor = match actor {
        ActorName::Name(name) => Actor::Name(name),
        ActorName::Task { job, task } => {
            Actor::Task(v1::ActorTask { job: job.to_string(), task: Some(task_ref(task)) })
        }
    };
    v1::ActorName { actor: Some(actor) }
}

pub(super) fn actor_place(wire: v1::LocateActorReply) -> Result<ActorPlace, Error> {
    let actor = actor_view(wire.actor.ok_or_else(|| missing("actor"))?)?;
    let living = match (wire.incarnation, actor.executor) {
        (Some(incarnation), Some(executor)) => {
            Some(Living { incarnation: incarnation.into(), executor, address: wire.address })
        }
        _ => None,
    };
    Ok(ActorPlace { actor, living })
}

pub(super) fn actor_view(wire: v1::ActorView) -> Result<ActorView, Error> {
    Ok(ActorView {
        job: wire.job.parse().map_err(bad_id)?,
        task: wire.task,
        task_name: (!wire.task_name.is_empty()).then_some(wire.task_name),
        name: (!wire.name.is_empty()).then_some(wire.name),
        kind: wire.kind,
        state: task_state(wire.state)?,
        incarnation: wire.incarnation,
        executor: wire.executor.map(ExecutorId),
        detached: wire.detached,
        stopping: wire.stopping,
        calls_waiting: wire.calls_waiting,
        calls_sent: wire.calls_sent,
        restarts: wire.restarts,
        checkpoint_bytes: wire.checkpoint_bytes,
        failure: wire.failure.map(Failure::try_from).transpose()?,
    })
}
