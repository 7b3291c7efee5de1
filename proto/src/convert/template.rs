//! Templates: how to run a task.

use std::collections::BTreeMap;
use std::time::Duration;

use drawloom_model::{
    ActorSpec, Attribute, Attributes, Backoff, CallSpec, Constraints, CudaSpec, GpuRequest,
    KernelCall, LabelOperator, LabelRequirement, ProcessInput, ProcessOutput, ProcessSpec,
    ResourceRequest, RetryPolicy, Run, Template, Toleration, Variant,
};

use super::nanos;
use super::object::failure_kind;
use crate::field::{FieldError, each, narrow, optional, required};
use crate::v1;
use crate::v1::attribute::Value as WireAttribute;
use crate::v1::process_input::Kind as WireInput;
use crate::v1::process_output::Kind as WireOutput;
use crate::v1::variant::Run as WireRun;

impl From<&Template> for v1::Template {
    fn from(template: &Template) -> Self {
        v1::Template {
            variants: template.variants.iter().map(Into::into).collect(),
            outputs: template.outputs.into(),
            constraints: Some((&template.constraints).into()),
            priority: template.priority,
            retry: Some(template.retry.into()),
            timeout_nanos: template.timeout.map(nanos),
            deadline_nanos: template.deadline.map(nanos),
        }
    }
}

impl TryFrom<v1::Template> for Template {
    type Error = FieldError;

    fn try_from(wire: v1::Template) -> Result<Self, FieldError> {
        Ok(Template {
            variants: each(wire.variants, "variants", 0, Variant::try_from)?,
            outputs: narrow(wire.outputs, "outputs")?,
            constraints: optional(wire.constraints, "constraints")?.unwrap_or_default(),
            priority: wire.priority,
            retry: optional(wire.retry, "retry")?.unwrap_or_default(),
            timeout: wire.timeout_nanos.map(Duration::from_nanos),
            deadline: wire.deadline_nanos.map(Duration::from_nanos),
        })
    }
}

impl From<&Variant> for v1::Variant {
    fn from(variant: &Variant) -> Self {
        let run = match &variant.run {
            Run::Kernel(call) => WireRun::Kernel(call.into()),
            Run::Process(process) => WireRun::Process(process.into()),
            Run::Cuda(cuda) => WireRun::Cuda(cuda.as_ref().into()),
            Run::Actor(actor) => WireRun::Actor(actor.as_ref().into()),
            Run::Call(call) => WireRun::Call(call.into()),
        };
        v1::Variant {
            run: Some(run),
            request: Some((&variant.request).into()),
            cost_hint_nanos: variant.cost_hint.map(nanos),
        }
    }
}

impl TryFrom<v1::Variant> for Variant {
    type Error = FieldError;

    fn try_from(wire: v1::Variant) -> Result<Self, FieldError> {
        let run = match required(wire.run, "run")? {
            WireRun::Kernel(call) => {
                Run::Kernel(KernelCall::try_from(call).map_err(|error| error.within("kernel"))?)
            }
            WireRun::Process(process) => Run::Process(
                ProcessSpec::try_from(process).map_err(|error| error.within("process"))?,
            ),
            WireRun::Cuda(cuda) => {
                Run::Cuda(Box::new(CudaSpec::try_from(cuda).map_err(|error| error.within("cuda"))?))
            }
            WireRun::Actor(actor) => Run::Actor(Box::new(
                ActorSpec::try_from(actor).map_err(|error| error.within("actor"))?,
            )),
            WireRun::Call(call) => {
                Run::Call(CallSpec::try_from(call).map_err(|error| error.within("call"))?)
            }
        };
        Ok(Variant {
            run,
            request: optional(wire.request, "request")?.unwrap_or_default(),
            cost_hint: wire.cost_hint_nanos.map(Duration::from_nanos),
        })
    }
}

impl From<&KernelCall> for v1::KernelCall {
    fn from(call: &KernelCall) -> Self {
        v1::KernelCall { name: call.name.clone(), attributes: wire_attributes(&call.attributes) }
    }
}

impl TryFrom<v1::KernelCall> for KernelCall {
    type Error = FieldError;

    fn try_from(wire: v1::KernelCall) -> Result<Self, FieldError> {
        Ok(KernelCall { name: wire.name, attributes: attributes(wire.attributes)? })
    }
}

/// Constants by name, for the wire.
pub(crate) fn wire_attributes(attributes: &Attributes) -> BTreeMap<String, v1::Attribute> {
    attributes.iter().map(|(name, value)| (name.clone(), value.into())).collect()
}

/// Constants by name.
pub(crate) fn attributes(wire: BTreeMap<String, v1::Attribute>) -> Result<Attributes, FieldError> {
    let named = |(name, value): (String, v1::Attribute)| {
        let value = Attribute::try_from(value)
            .map_err(|error| error.within(format_args!("attributes[{name:?}]")))?;
        Ok((name, value))
    };
    wire.into_iter().map(named).collect()
}

impl From<&Attribute> for v1::Attribute {
    fn from(attribute: &Attribute) -> Self {
        let value = match attribute {
            Attribute::Bool(value) => WireAttribute::Bool(*value),
            Attribute::Int(value) => WireAttribute::Int(*value),
            Attribute::Float(value) => WireAttribute::Float(*value),
            Attribute::Text(value) => WireAttribute::Text(value.clone()),
            Attribute::Ints(values) => WireAttribute::Ints(v1::Ints { values: values.clone() }),
            Attribute::Floats(values) => {
                WireAttribute::Floats(v1::Floats { values: values.clone() })
            }
        };
        v1::Attribute { value: Some(value) }
    }
}

impl TryFrom<v1::Attribute> for Attribute {
    type Error = FieldError;

    fn try_from(wire: v1::Attribute) -> Result<Self, FieldError> {
        Ok(match required(wire.value, "value")? {
            WireAttribute::Bool(value) => Attribute::Bool(value),
            WireAttribute::Int(value) => Attribute::Int(value),
            WireAttribute::Float(value) => Attribute::Float(value),
            WireAttribute::Text(value) => Attribute::Text(value),
            WireAttribute::Ints(list) => Attribute::Ints(list.values),
            WireAttribute::Floats(list) => Attribute::Floats(list.values),
        })
    }
}

impl From<&ProcessSpec> for v1::ProcessSpec {
    fn from(process: &ProcessSpec) -> Self {
        v1::ProcessSpec {
            argv: process.argv.clone(),
            env: process.env.clone(),
            working_directory: process.working_directory.clone(),
            inputs: process.inputs.iter().map(Into::into).collect(),
            outputs: process.outputs.iter().map(Into::into).collect(),
            spawns: process.spawns,
        }
    }
}

impl TryFrom<v1::ProcessSpec> for ProcessSpec {
    type Error = FieldError;

    fn try_from(wire: v1::ProcessSpec) -> Result<Self, FieldError> {
        Ok(ProcessSpec {
            argv: wire.argv,
            env: wire.env,
            working_directory: wire.working_directory,
            inputs: each(wire.inputs, "inputs", 0, ProcessInput::try_from)?,
            outputs: each(wire.outputs, "outputs", 0, ProcessOutput::try_from)?,
            spawns: wire.spawns,
        })
    }
}

impl From<&ProcessInput> for v1::ProcessInput {
    fn from(input: &ProcessInput) -> Self {
        let kind = match input {
            ProcessInput::Stdin => WireInput::Stdin(v1::Empty {}),
            ProcessInput::File(path) => WireInput::File(path.clone()),
            ProcessInput::Map(name) => WireInput::Map(name.clone()),
        };
        v1::ProcessInput { kind: Some(kind) }
    }
}

impl TryFrom<v1::ProcessInput> for ProcessInput {
    type Error = FieldError;

    fn try_from(wire: v1::ProcessInput) -> Result<Self, FieldError> {
        Ok(match required(wire.kind, "kind")? {
            WireInput::Stdin(_) => ProcessInput::Stdin,
            WireInput::File(path) => ProcessInput::File(path),
            WireInput::Map(name) => ProcessInput::Map(name),
        })
    }
}

impl From<&ProcessOutput> for v1::ProcessOutput {
    fn from(output: &ProcessOutput) -> Self {
        let kind = match output {
            ProcessOutput::Stdout => WireOutput::Stdout(v1::Empty {}),
            ProcessOutput::Stderr => WireOutput::Stderr(v1::Empty {}),
            ProcessOutput::File(path) => WireOutput::File(path.clone()),
            ProcessOutput::Map(name) => WireOutput::Map(name.clone()),
            ProcessOutput::ExitCode => WireOutput::ExitCode(v1::Empty {}),
        };
        v1::ProcessOutput { kind: Some(kind) }
    }
}

impl TryFrom<v1::ProcessOutput> for ProcessOutput {
    type Error = FieldError;

    fn try_from(wire: v1::ProcessOutput) -> Result<Self, FieldError> {
        Ok(match required(wire.kind, "kind")? {
            WireOutput::Stdout(_) => ProcessOutput::Stdout,
            WireOutput::Stderr(_) => ProcessOutput::Stderr,
            WireOutput::File(path) => ProcessOutput::File(path),
            WireOutput::Map(name) => ProcessOutput::Map(name),
            WireOutput::ExitCode(_) => ProcessOutput::ExitCode,
        })
    }
}

impl From<&ResourceRequest> for v1::ResourceRequest {
    fn from(request: &ResourceRequest) -> Self {
        let gpu = request.gpu.as_ref().map(|gpu| v1::GpuRequest {
            devices: gpu.devices.into(),
            milli: gpu.milli,
            vram_bytes: gpu.vram_bytes,
            min_compute_capability: gpu.min_compute_capability.into(),
        });
        v1::ResourceRequest {
            cpu_milli: request.cpu_milli,
            memory_bytes: request.memory_bytes,
            gpu,
            custom: request.custom.iter().map(|(name, milli)| (name.to_string(), *milli)).collect(),
        }
    }
}

impl TryFrom<v1::ResourceRequest> for ResourceRequest {
    type Error = FieldError;

    fn try_from(wire: v1::ResourceRequest) -> Result<Self, FieldError> {
        Ok(ResourceRequest {
            cpu_milli: wire.cpu_milli,
            memory_bytes: wire.memory_bytes,
            gpu: optional(wire.gpu, "gpu")?,
            custom: wire.custom.into_iter().map(|(name, milli)| (name.into(), milli)).collect(),
        })
    }
}

impl TryFrom<v1::GpuRequest> for GpuRequest {
    type Error = FieldError;

    fn try_from(wire: v1::GpuRequest) -> Result<Self, FieldError> {
        Ok(GpuRequest {
            devices: narrow(wire.devices, "devices")?,
            milli: wire.milli,
            vram_bytes: wire.vram_bytes,
            min_compute_capability: narrow(wire.min_compute_capability, "min_compute_capability")?,
        })
    }
}

impl From<&Constraints> for v1::Constraints {
    fn from(constraints: &Constraints) -> Self {
        let toleration = |toleration: &Toleration| v1::Toleration {
            key: toleration.key.clone(),
            value: toleration.value.clone(),
        };
        v1::Constraints {
            labels: constraints.labels.iter().map(Into::into).collect(),
            tolerations: constraints.tolerations.iter().map(toleration).collect(),
        }
    }
}

impl TryFrom<v1::Constraints> for Constraints {
    type Error = FieldError;

    fn try_from(wire: v1::Constraints) -> Result<Self, FieldError> {
        let toleration = |wire: v1::Toleration| Toleration { key: wire.key, value: wire.value };
        Ok(Constraints {
            labels: each(wire.labels, "labels", 0, LabelRequirement::try_from)?,
            tolerations: wire.tolerations.into_iter().map(toleration).collect(),
        })
    }
}

impl From<&LabelRequirement> for v1::LabelRequirement {
    fn from(requirement: &LabelRequirement) -> Self {
        let (operator, values) = match &requirement.operator {
            LabelOperator::In(values) => (v1::LabelOperator::In, values.clone()),
            LabelOperator::NotIn(values) => (v1::LabelOperator::NotIn, values.clone()),
            LabelOperator::Exists => (v1::LabelOperator::Exists, Vec::new()),
            LabelOperator::Absent => (v1::LabelOperator::Absent, Vec::new()),
        };
        v1::LabelRequirement { key: requirement.key.clone(), operator: operator.into(), values }
    }
}

impl TryFrom<v1::LabelRequirement> for LabelRequirement {
    type Error = FieldError;

    fn try_from(wire: v1::LabelRequirement) -> Result<Self, FieldError> {
        let operator = match v1::LabelOperator::try_from(wire.operator) {
            Ok(v1::LabelOperator::Unspecified) => {
                return Err(FieldError::new("operator", "must be set"));
            }
            Ok(v1::LabelOperator::In) => LabelOperator::In(wire.values),
            Ok(v1::LabelOperator::NotIn) => LabelOperator::NotIn(wire.values),
            Ok(v1::LabelOperator::Exists) => LabelOperator::Exists,
            Ok(v1::LabelOperator::Absent) => LabelOperator::Absent,
            Err(unknown) => return Err(FieldError::new("operator", unknown)),
        };
        Ok(LabelRequirement { key: wire.key, operator })
    }
}

impl From<RetryPolicy> for v1::RetryPolicy {
    fn from(retry: RetryPolicy) -> Self {
        v1::RetryPolicy {
            max_retries: retry.max_retries,
            on: retry.on.iter().map(|kind| v1::FailureKind::from(kind).into()).collect(),
            backoff: Some(v1::Backoff {
                initial_nanos: nanos(retry.backoff.initial),
                factor: retry.backoff.factor,
                max_nanos: nanos(retry.backoff.max),
            }),
        }
    }
}

impl TryFrom<v1::RetryPolicy> for RetryPolicy {
    type Error = FieldError;

    fn try_from(wire: v1::RetryPolicy) -> Result<Self, FieldError> {
        let backoff = wire.backoff.map(|wire| Backoff {
            initial: Duration::from_nanos(wire.initial_nanos),
            factor: wire.factor,
            max: Duration::from_nanos(wire.max_nanos),
        });
        Ok(RetryPolicy {
            max_retries: wire.max_retries,
            on: each(wire.on, "on", 0, failure_kind)?,
            backoff: backoff.unwrap_or_default(),
        })
    }
}
