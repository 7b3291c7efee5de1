//! Messages between scheduler and executors.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    ActorPart, AfterStop, AssignedInput, Assignment, AttemptEnd, AttemptId, DeviceIndex,
    DeviceUsage, FromExecutor, InputSource, JobId, JobKey, ObjectKey, ObjectReport, Outcome,
    ParseIdError, ReplicaPlace, TaskKey, Template, TemplateKey, ToExecutor,
};
use smallvec::SmallVec;

use crate::convert::nanos;
use crate::field::{FieldError, each, narrow, nested, optional, required};
use crate::v1;
use crate::v1::from_executor::News;
use crate::v1::to_executor::Order;

/// The scheduler's end of a connection: sends every template once, before its first use.
#[derive(Debug, Default)]
pub struct TemplateSender {
    sent: HashSet<TemplateKey>,
}

impl TemplateSender {
    /// Adds `message` to what is to be sent.
    pub fn encode(&mut self, message: ToExecutor, orders: &mut Vec<v1::ToExecutor>) {
        let order = match message {
            ToExecutor::Run(assignment) => {
                self.define(&assignment, orders);
                Order::Run(encode_assignment(*assignment))
            }
            ToExecutor::Cancel { attempt } => Order::Cancel(attempt.into()),
            ToExecutor::Recall { attempt } => Order::Recall(attempt.into()),
            ToExecutor::Suspend { attempt } => Order::Suspend(attempt.into()),
            ToExecutor::Resume { attempt } => Order::Resume(attempt.into()),
            ToExecutor::Release { objects } => Order::Release(v1::ObjectKeys {
                keys: objects.into_iter().map(Into::into).collect(),
            }),
            ToExecutor::Replicate { object, sources } => Order::Replicate(v1::Replicate {
                object: Some(object.into()),
                addresses: addresses(&sources),
            }),
            ToExecutor::Keep { object, value } => Order::Keep(v1::KeptObject {
                object: Some(object.into()),
                value: Some(value.into()),
            }),
            ToExecutor::ForgetTemplates { templates } => {
                for key in &templates {
                    self.sent.remove(key);
                }
                let keys = templates.into_iter().map(Into::into).collect();
                Order::ForgetTemplates(v1::TemplateKeys { keys })
            }
            ToExecutor::Stop => Order::Stop(v1::Empty {}),
            ToExecutor::StopActor { attempt, then } => Order::StopActor(v1::StopActor {
                attempt: Some(attempt.into()),
                moved: then == AfterStop::Moved,
            }),
        };
        orders.push(v1::ToExecutor { order: Some(order) });
    }

    fn define(&mut self, assignment: &Assignment, orders: &mut Vec<v1::ToExecutor>) {
        let key = assignment.template_key;
        if self.sent.insert(key) {
            let template = Some(v1::Template::from(assignment.template.as_ref()));
            let definition = v1::TemplateDefinition { key: Some(key.into()), template };
            orders.push(v1::ToExecutor { order: Some(Order::Template(definition)) });
        }
    }
}

fn addresses(sources: &[Arc<str>]) -> Vec<String> {
    sources.iter().map(|address| address.to_string()).collect()
}

fn encode_assignment(assignment: Assignment) -> v1::Assignment {
    let home = assignment.attempt.task.job;
    let (restore, callee) = match assignment.actor.map(|part| *part) {
        Some(ActorPart::Restore(state)) => (Some(state.into()), None),
        Some(ActorPart::Callee(actor)) => (None, Some(actor.into())),
        None => (None, None),
    };
    v1::Assignment {
        attempt: Some(assignment.attempt.into()),
        template: assignment.template_key.index,
        variant: assignment.variant.into(),
        devices: assignment.devices.iter().map(|device| device.0.into()).collect(),
        inputs: assignment.inputs.into_iter().map(|input| encode_input(input, home)).collect(),
        waits_for: assignment.waits_for.iter().map(|task| task.index).collect(),
        first_output: assignment.first_output.index,
        priority: assignment.priority,
        set_aside: assignment.set_aside,
        restore,
        callee,
        job_id: assignment.job_id.map(|job| job.to_string()).unwrap_or_default(),
    }
}

fn encode_input(input: AssignedInput, home: JobKey) -> v1::AssignedInput {
    let AssignedInput { object, source } = input;
    let (inline, addresses) = match source {
        InputSource::Local => (None, Vec::new()),
        InputSource::Inline(value) => (Some(value.into()), Vec::new()),
        InputSource::Remote(sources) => (None, addresses(&sources)),
    };
    let job = (object.job != home).then(|| object.job.to_bits());
    v1::AssignedInput { job, index: object.index, inline, addresses }
}

/// The executor's end of a connection: remembers templates.
#[derive(Debug, Default)]
pub struct TemplateReceiver {
    templates: HashMap<TemplateKey, Arc<Template>>,
}

impl TemplateReceiver {
    /// What `wire` means; nothing when it only defines a template.
    ///
    /// # Errors
    /// The first field that means nothing.
    pub fn decode(&mut self, wire: v1::ToExecutor) -> Result<Option<ToExecutor>, FieldError> {
        let message = match required(wire.order, "order")? {
            Order::Template(definition) => {
                let key = required(definition.key, "template.key")?.into();
                let template: Template = nested(definition.template, "template.template")?;
                self.templates.insert(key, Arc::new(template));
                return Ok(None);
            }
            Order::Run(assignment) => ToExecutor::Run(Box::new(
                self.decode_assignment(assignment).map_err(|error| error.within("run"))?,
            )),
            Order::Cancel(attempt) => ToExecutor::Cancel { attempt: attempt.into() },
            Order::Recall(attempt) => ToExecutor::Recall { attempt: attempt.into() },
            Order::Suspend(attempt) => ToExecutor::Suspend { attempt: attempt.into() },
            Order::Resume(attempt) => ToExecutor::Resume { attempt: attempt.into() },
            Order::Release(objects) => {
                ToExecutor::Release { objects: objects.keys.into_iter().map(Into::into).collect() }
            }
            Order::Replicate(wire) => ToExecutor::Replicate {
                object: required(wire.object, "replicate.object")?.into(),
                sources: wire.addresses.into_iter().map(Into::into).collect(),
            },
            Order::Keep(wire) => ToExecutor::Keep {
                object: required(wire.object, "keep.object")?.into(),
                value: nested(wire.value, "keep.value")?,
            },
            Order::ForgetTemplates(wire) => {
                let templates: Vec<TemplateKey> = wire.keys.into_iter().map(Into::into).collect();
                for key in &templates {
                    self.templates.remove(key);
                }
                ToExecutor::ForgetTemplates { templates }
            }
            Order::Stop(_) => ToExecutor::Stop,
            Order::StopActor(wire) => ToExecutor::StopActor {
                attempt: required(wire.attempt, "stop_actor.attempt")?.into(),
                then: if wire.moved { AfterStop::Moved } else { AfterStop::Ended },
            },
        };
        Ok(Some(message))
    }

    fn decode_assignment(&self, wire: v1::Assignment) -> Result<Assignment, FieldError> {
        let attempt = AttemptId::from(required(wire.attempt, "attempt")?);
        let job = attempt.task.job;
        let template_key = TemplateKey { job, index: wire.template };
        let template = self
            .templates
            .get(&template_key)
            .ok_or_else(|| FieldError::new("template", "was not defined before"))?;
        let variant = narrow(wire.variant, "variant")?;
        if usize::from(variant) >= template.variants.len() {
            return Err(FieldError::new("variant", "the template has no such variant"));
        }
        let task = |index| TaskKey { job, index };
        Ok(Assignment {
            attempt,
            template_key,
            template: Arc::clone(template),
            variant,
            devices: each(wire.devices, "devices", 0, |device| {
                narrow(device, "").map(DeviceIndex)
            })?,
            inputs: each(wire.inputs, "inputs", 0, |input| decode_input(input, job))?,
            waits_for: wire.waits_for.into_iter().map(task).collect(),
            first_output: ObjectKey { job, index: wire.first_output },
            priority: wire.priority,
            set_aside: wire.set_aside,
            actor: match (wire.callee, optional(wire.restore, "restore")?) {
                (Some(actor), _) => Some(Box::new(ActorPart::Callee(actor.into()))),
                (None, Some(state)) => Some(Box::new(ActorPart::Restore(state))),
                (None, None) => None,
            },
            job_id: job_id(&wire.job_id)?,
        })
    }
}

fn job_id(text: &str) -> Result<Option<JobId>, FieldError> {
    if text.is_empty() {
        return Ok(None);
    }
    let job =
        text.parse().map_err(|error: ParseIdError| FieldError::new("job_id", error.to_string()));
    job.map(Some)
}

fn decode_input(wire: v1::AssignedInput, home: JobKey) -> Result<AssignedInput, FieldError> {
    let job = wire.job.map_or(home, JobKey::from_bits);
    let source = match optional(wire.inline, "inline")? {
        Some(value) => InputSource::Inline(value),
        None if wire.addresses.is_empty() => InputSource::Local,
        None => InputSource::Remote(wire.addresses.into_iter().map(Into::into).collect()),
    };
    Ok(AssignedInput { object: ObjectKey { job, index: wire.index }, source })
}

impl From<FromExecutor> for v1::FromExecutor {
    fn from(message: FromExecutor) -> Self {
        let news = match message {
            FromExecutor::Heartbeat => News::Heartbeat(v1::Empty {}),
            FromExecutor::DevicesUsed(devices) => News::DevicesUsed(v1::DevicesUsed {
                devices: devices.into_iter().map(Into::into).collect(),
            }),
            FromExecutor::Started { attempt } => News::Started(attempt.into()),
            FromExecutor::Ended(end) => News::Ended((*end).into()),
            FromExecutor::Recalled { attempt } => News::Recalled(attempt.into()),
            FromExecutor::ReplicaAdded { object, size_bytes, took } => {
                let object = Some(object.into());
                News::ReplicaAdded(v1::ReplicaAdded { object, size_bytes, took_nanos: nanos(took) })
            }
            FromExecutor::ReplicaLost { object } => News::ReplicaLost(object.into()),
            FromExecutor::ReplicaMoved { object, place } => {
                let (object, spilled) = (Some(object.into()), place == ReplicaPlace::Disk);
                let device = match place {
                    ReplicaPlace::Device(device) => Some(u32::from(device.0)),
                    ReplicaPlace::Memory | ReplicaPlace::Disk => None,
                };
                News::ReplicaMoved(v1::ReplicaMoved { object, spilled, device })
            }
            FromExecutor::DrainRequested => News::DrainRequested(v1::Empty {}),
            FromExecutor::Checkpointed { attempt, state } => {
                let (attempt, state) = (Some(attempt.into()), Some(state.into()));
                News::Checkpointed(v1::Checkpointed { attempt, state })
            }
            FromExecutor::Resumed { attempt } => News::Resumed(attempt.into()),
            FromExecutor::DeviceChanged { device, capacity } => {
                let (device, capacity) = (device.0.into(), Some((&capacity).into()));
                News::DeviceChanged(v1::DeviceChanged { device, capacity })
            }
        };
        v1::FromExecutor { news: Some(news) }
    }
}

impl TryFrom<v1::FromExecutor> for FromExecutor {
    type Error = FieldError;

    fn try_from(wire: v1::FromExecutor) -> Result<Self, FieldError> {
        Ok(match required(wire.news, "news")? {
            News::Heartbeat(_) => FromExecutor::Heartbeat,
            News::DevicesUsed(used) => {
                FromExecutor::DevicesUsed(used.devices.into_iter().map(Into::into).collect())
            }
            News::Started(attempt) => FromExecutor::Started { attempt: attempt.into() },
            News::Ended(end) => FromExecutor::Ended(Box::new(
                AttemptEnd::try_from(end).map_err(|error| error.within("ended"))?,
            )),
            News::Recalled(attempt) => FromExecutor::Recalled { attempt: attempt.into() },
            News::ReplicaAdded(wire) => FromExecutor::ReplicaAdded {
                object: required(wire.object, "replica_added.object")?.into(),
                size_bytes: wire.size_bytes,
                took: Duration::from_nanos(wire.took_nanos),
            },
            News::ReplicaLost(object) => FromExecutor::ReplicaLost { object: object.into() },
            News::ReplicaMoved(wire) => FromExecutor::ReplicaMoved {
                object: required(wire.object, "replica_moved.object")?.into(),
                place: match device(wire.device, "replica_moved.device")? {
                    Some(device) => ReplicaPlace::Device(device),
                    None if wire.spilled => ReplicaPlace::Disk,
                    None => ReplicaPlace::Memory,
                },
            },
            News::DrainRequested(_) => FromExecutor::DrainRequested,
            News::Checkpointed(wire) => FromExecutor::Checkpointed {
                attempt: required(wire.attempt, "checkpointed.attempt")?.into(),
                state: nested(wire.state, "checkpointed.state")?,
            },
            News::Resumed(attempt) => FromExecutor::Resumed { attempt: attempt.into() },
            News::DeviceChanged(wire) => FromExecutor::DeviceChanged {
                device: DeviceIndex(narrow(wire.device, "device_changed.device")?),
                capacity: nested(wire.capacity, "device_changed.capacity")?,
            },
        })
    }
}

impl From<DeviceUsage> for v1::DeviceUsage {
    fn from(usage: DeviceUsage) -> Self {
        v1::DeviceUsage {
            objects_bytes: usage.objects_bytes,
            inputs_found: usage.inputs_found,
            inputs_uploaded: usage.inputs_uploaded,
            inputs_received: usage.inputs_received,
            copied_bytes: usage.copied_bytes,
            evicted_bytes: usage.evicted_bytes,
            launches: usage.launches,
            launch_cpu_nanos: usage.launch_cpu_nanos,
        }
    }
}

impl From<v1::DeviceUsage> for DeviceUsage {
    fn from(wire: v1::DeviceUsage) -> Self {
        DeviceUsage {
            objects_bytes: wire.objects_bytes,
            inputs_found: wire.inputs_found,
            inputs_uploaded: wire.inputs_uploaded,
            inputs_received: wire.inputs_received,
            copied_bytes: wire.copied_bytes,
            evicted_bytes: wire.evicted_bytes,
            launches: wire.launches,
            launch_cpu_nanos: wire.launch_cpu_nanos,
        }
    }
}

impl From<AttemptEnd> for v1::AttemptEnd {
    fn from(end: AttemptEnd) -> Self {
        let (failure, cancelled, outputs) = match end.outcome {
            Outcome::Succeeded(reports) => (None, false, reports),
            Outcome::Failed(failure) => (Some(failure.into()), false, SmallVec::new()),
            Outcome::Cancelled => (None, true, SmallVec::new()),
        };
        v1::AttemptEnd {
            attempt: Some(end.attempt.into()),
            failure,
            cancelled,
            outputs: outputs.into_iter().map(Into::into).collect(),
            run_nanos: nanos(end.run_time),
            queue_nanos: nanos(end.queue_time),
            outputs_on: end.outputs_on.map(|device| u32::from(device.0)),
        }
    }
}

/// A device's index, where one is told.
fn device(wire: Option<u32>, field: &'static str) -> Result<Option<DeviceIndex>, FieldError> {
    let index = wire.map(u16::try_from).transpose();
    let index = index.map_err(|_| FieldError::new(field, "there are at most 65,536 devices"))?;
    Ok(index.map(DeviceIndex))
}

impl TryFrom<v1::AttemptEnd> for AttemptEnd {
    type Error = FieldError;

    fn try_from(wire: v1::AttemptEnd) -> Result<Self, FieldError> {
        let outcome = match optional(wire.failure, "failure")? {
            Some(failure) => Outcome::Failed(failure),
            None if wire.cancelled => Outcome::Cancelled,
            None => Outcome::Succeeded(each(wire.outputs, "outputs", 0, ObjectReport::try_from)?),
        };
        Ok(AttemptEnd {
            attempt: required(wire.attempt, "attempt")?.into(),
            outcome,
            run_time: Duration::from_nanos(wire.run_nanos),
            queue_time: Duration::from_nanos(wire.queue_nanos),
            outputs_on: device(wire.outputs_on, "outputs_on")?,
        })
    }
}
