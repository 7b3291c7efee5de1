//! A task's entry turned into its template.

use std::collections::BTreeMap;

use drawloom_model::{
    ActorRef, Attributes, Backoff, Constraints, GpuRequest, Input, KernelCall, MILLI, ProcessInput,
    ProcessOutput, ProcessSpec, ResourceRequest, RetryPolicy, Run, Template, Variant,
};
use drawloom_signature::{Arguments, Signature, SignatureError, catalogue, find};

use super::{Resolve, actor, cuda, process_inputs};
use crate::data::Source;
use crate::error::{Checked, Fault};
use crate::plain::{
    ActorEntry, AttributeValue, CallEntry, CudaEntry, OutputEntry, ProcessEntry, RequestEntry,
    RetryEntry, TaskEntry, TimeSpan, VariantEntry,
};
use crate::suggest::advice;

type AttributeEntries = BTreeMap<String, AttributeValue>;

/// One way to run a task, with what it leaves out taken from the task.
struct Way<'a> {
    /// Its index among the variants; `None` for the task's own.
    place: Option<usize>,
    kernel: Option<&'a str>,
    attributes: &'a AttributeEntries,
    process: Option<&'a ProcessEntry>,
    cuda: Option<&'a CudaEntry>,
    actor: Option<&'a ActorEntry>,
    call: Option<&'a CallEntry>,
    request: Option<&'a RequestEntry>,
    expected_time: Option<TimeSpan>,
}

impl<'a> Way<'a> {
    fn of_task(task: &'a TaskEntry) -> Self {
        Way {
            place: None,
            kernel: task.kernel.as_deref(),
            attributes: &task.attributes,
            process: task.process.as_ref(),
            cuda: task.cuda.as_ref(),
            actor: task.actor.as_ref(),
            call: task.call.as_ref(),
            request: task.request.as_ref(),
            expected_time: task.expected_time,
        }
    }

    fn of_variant(task: &'a TaskEntry, place: usize, variant: &'a VariantEntry) -> Self {
        // A variant that says what to run does not take over the other kind from the task.
        let own = variant.kernel.is_some() || variant.process.is_some() || variant.cuda.is_some();
        let inherited = (!own).then_some(task);
        Way {
            place: Some(place),
            kernel: variant.kernel.as_deref().or(inherited.and_then(|task| task.kernel.as_deref())),
            attributes: variant.attributes.as_ref().unwrap_or(&task.attributes),
            process: variant.process.as_ref().or(inherited.and_then(|task| task.process.as_ref())),
            cuda: variant.cuda.as_ref().or(inherited.and_then(|task| task.cuda.as_ref())),
            actor: inherited.and_then(|task| task.actor.as_ref()),
            call: inherited.and_then(|task| task.call.as_ref()),
            request: variant.request.as_ref().or(task.request.as_ref()),
            expected_time: variant.expected_time.or(task.expected_time),
        }
    }

    fn located<T>(&self, result: Checked<T>) -> Checked<T> {
        result.map_err(|fault| match self.place {
            Some(place) => fault.within(place).under("variants"),
            None => fault,
        })
    }
}

fn ways(task: &TaskEntry) -> Vec<Way<'_>> {
    if task.variants.is_empty() {
        return vec![Way::of_task(task)];
    }
    let variants = task.variants.iter().enumerate();
    variants.map(|(place, variant)| Way::of_variant(task, place, variant)).collect()
}

/// The names of what a task makes, in order.
pub(crate) fn output_names(task: &TaskEntry) -> Checked<Vec<String>> {
    let ways = ways(task);
    let mut names: Option<Vec<String>> = None;
    for way in &ways {
        let own = way.located(outputs_of(way))?;
        match &names {
            Some(first) if first.len() != own.len() => {
                let message =
                    format!("makes {} output(s), the first makes {}", own.len(), first.len());
                return way.located(Err(Fault::new(message)));
            }
            Some(_) => {}
            None => names = Some(own),
        }
    }
    Ok(names.unwrap_or_default())
}

fn outputs_of(way: &Way<'_>) -> Checked<Vec<String>> {
    Ok(match what(way)? {
        What::Kernel(signature) => {
            signature.outputs.iter().map(|output| output.name.to_owned()).collect()
        }
        What::Process(process) => {
            let names = process.outputs.iter().map(|OutputEntry(output)| match output {
                ProcessOutput::Stdout => "stdout",
                ProcessOutput::Stderr => "stderr",
                ProcessOutput::ExitCode => "exit_code",
                ProcessOutput::File(path) | ProcessOutput::Map(path) => path,
            });
            names.map(str::to_owned).collect()
        }
        What::Cuda(entry) => cuda::output_names(entry),
        What::Actor(_) => Vec::new(),
        What::Call(call) => (0..call.outputs).map(|output| output.to_string()).collect(),
    })
}

enum What<'a> {
    Kernel(&'static Signature),
    Process(&'a ProcessEntry),
    Cuda(&'a CudaEntry),
    Actor(&'a ActorEntry),
    Call(&'a CallEntry),
}

fn what<'a>(way: &Way<'a>) -> Checked<What<'a>> {
    let given = [
        way.kernel.is_some(),
        way.process.is_some(),
        way.cuda.is_some(),
        way.actor.is_some(),
        way.call.is_some(),
    ];
    match (way.actor, way.call) {
        (Some(_), _) | (_, Some(_)) if given.iter().filter(|given| **given).count() > 1 => {
            let message = "a task is one of `kernel`, `process`, `cuda`, `actor` and `call`";
            return Err(Fault::new(message));
        }
        (Some(actor), _) => return Ok(What::Actor(actor)),
        (None, Some(call)) => return Ok(What::Call(call)),
        (None, None) => {}
    }
    match (way.kernel, way.process, way.cuda) {
        (None, None, None) => Err(Fault::new(
            "what to run is missing: give `kernel`, `process`, `cuda`, `actor` or `call`",
        )),
        (None, Some(process), None) => Ok(What::Process(process)),
        (None, None, Some(cuda)) => Ok(What::Cuda(cuda)),
        (_, _, Some(_)) => {
            Err(Fault::new("a task runs this, a kernel or a process, and no two").under("cuda"))
        }
        (Some(_), Some(_), None) => {
            Err(Fault::new("a task runs a kernel or a process, not both").under("process"))
        }
        (Some(name), None, None) => find(name).map(What::Kernel).ok_or_else(|| {
            let known = catalogue().iter().map(|signature| signature.name);
            let advice = advice(name, known, "there are");
            Fault::new(format!("there is no kernel {name:?}{advice}")).under("kernel")
        }),
    }
}

/// The template of a task. Where the task lists no inputs, those of its process become them.
pub(super) fn template(
    task: &TaskEntry,
    inputs: &mut Vec<Input>,
    callee: Option<ActorRef>,
    resolve: Resolve<'_>,
    source: &Source,
) -> Checked<Template> {
    let outputs = u16::try_from(output_names(task)?.len())
        .map_err(|_| Fault::new("a task makes at most 65535 objects"))?;
    let mut variants = Vec::new();
    for way in ways(task) {
        variants.push(way.located(variant(&way, inputs, &callee, resolve, source))?);
    }
    Ok(Template {
        variants,
        outputs,
        constraints: Constraints {
            labels: task.labels.iter().map(|label| label.0.clone()).collect(),
            tolerations: task.tolerations.iter().map(|entry| entry.0.clone()).collect(),
        },
        priority: task.priority,
        retry: actor::retry(task, task.retry.as_ref().map(retry)),
        timeout: task.timeout.map(|span| span.0),
        deadline: task.deadline.map(|span| span.0),
    })
}

fn variant(
    way: &Way<'_>,
    inputs: &mut Vec<Input>,
    callee: &Option<ActorRef>,
    resolve: Resolve<'_>,
    source: &Source,
) -> Checked<Variant> {
    let run = match what(way)? {
        What::Kernel(signature) => Run::Kernel(call(signature, way.attributes)?),
        What::Process(entry) => {
            if !way.attributes.is_empty() {
                let message = "a process takes no attributes; use its argv or env";
                return Err(Fault::new(message).under("attributes"));
            }
            let spec = process(entry, inputs, resolve);
            Run::Process(spec.map_err(|fault| fault.under("process"))?)
        }
        What::Cuda(entry) => {
            if !way.attributes.is_empty() {
                let message = "CUDA code takes no attributes; use its arguments";
                return Err(Fault::new(message).under("attributes"));
            }
            let spec = cuda::spec(entry, source).map_err(|fault| fault.under("cuda"))?;
            Run::Cuda(Box::new(spec))
        }
        What::Actor(entry) => {
            let run = actor::actor(entry, values(way.attributes));
            run.map_err(|fault| fault.under("actor"))?
        }
        What::Call(entry) => {
            let run = actor::call(entry, values(way.attributes), callee.clone());
            run.map_err(|fault| fault.under("call"))?
        }
    };
    // A call takes nothing: its actor has what it needs.
    let cores = u64::from(!matches!(run, Run::Call(_)));
    let request = way.request.map_or_else(|| Ok(ResourceRequest::cores(cores)), request);
    let request = request.map_err(|fault| fault.under("request"))?;
    Ok(Variant { run, request, cost_hint: way.expected_time.map(|span| span.0) })
}

fn values(attributes: &AttributeEntries) -> Attributes {
    attributes.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect()
}

fn call(signature: &Signature, attributes: &AttributeEntries) -> Checked<KernelCall> {
    let attributes = values(attributes);
    Arguments::new(signature, &attributes).map_err(|error| {
        let message = Fault::new(error.to_string());
        match &error {
            SignatureError::UnknownAttribute { attribute, .. } => {
                message.under(attribute).under("attributes")
            }
            SignatureError::BadAttribute { attribute, .. } => {
                message.under(attribute).under("attributes")
            }
            _ => message.under("attributes"),
        }
    })?;
    Ok(KernelCall { name: signature.name.to_owned(), attributes })
}

fn process(
    entry: &ProcessEntry,
    inputs: &mut Vec<Input>,
    resolve: Resolve<'_>,
) -> Checked<ProcessSpec> {
    if entry.argv.first().is_none_or(String::is_empty) {
        return Err(Fault::new("an executable is needed").under("argv"));
    }
    let wanted = process_inputs(entry, resolve)?;
    if inputs.is_empty() {
        inputs.extend(wanted.iter().map(|(_, object)| *object));
    }
    Ok(ProcessSpec {
        argv: entry.argv.clone(),
        env: entry.env.clone(),
        working_directory: entry.working_directory.clone(),
        inputs: roles(inputs, wanted)?,
        outputs: entry.outputs.iter().map(|output| output.0.clone()).collect(),
        spawns: entry.spawns,
    })
}

/// What becomes of each of the task's inputs, in their order.
fn roles(inputs: &[Input], mut wanted: Vec<(ProcessInput, Input)>) -> Checked<Vec<ProcessInput>> {
    let mut roles = Vec::with_capacity(inputs.len());
    for (place, input) in inputs.iter().enumerate() {
        let Some(found) = wanted.iter().position(|(_, object)| object == input) else {
            return Err(Fault::new(format!(
                "input {place} of the task is neither its `stdin` nor among its `files` and `maps`"
            )));
        };
        roles.push(wanted.remove(found).0);
    }
    match wanted.first() {
        None => Ok(roles),
        Some((ProcessInput::Stdin, _)) => {
            Err(Fault::new("is not among the task's inputs").under("stdin"))
        }
        Some((ProcessInput::File(path), _)) => {
            Err(Fault::new("is not among the task's inputs").under(path).under("files"))
        }
        Some((ProcessInput::Map(name), _)) => {
            Err(Fault::new("is not among the task's inputs").under(name).under("maps"))
        }
    }
}

fn request(entry: &RequestEntry) -> Checked<ResourceRequest> {
    let gpu = entry.gpu.as_ref().filter(|gpu| gpu.0.devices > 0).map(|gpu| {
        let gpu = &gpu.0;
        let share = u32::try_from(gpu.share.0).ok().filter(|milli| u64::from(*milli) <= MILLI);
        let milli =
            share.ok_or_else(|| Fault::new("is at most 1, a whole device").under("share"))?;
        let capability = gpu.compute_capability.unwrap_or(0.0);
        if !(0.0..1000.0).contains(&capability) {
            return Err(Fault::new("must be such as 7.5").under("compute_capability"));
        }
        Ok(GpuRequest {
            devices: gpu.devices,
            milli,
            vram_bytes: gpu.vram.0,
            min_compute_capability: (capability * 10.0).round() as u16,
        })
    });
    let custom = entry.custom.iter().map(|(name, amount)| (name.as_str().into(), amount.0));
    Ok(ResourceRequest {
        cpu_milli: entry.cpu.map_or(MILLI, |cpu| cpu.0),
        memory_bytes: entry.memory.map_or(0, |memory| memory.0),
        gpu: gpu.transpose().map_err(|fault: Box<Fault>| fault.under("gpu"))?,
        custom: custom.collect(),
    })
}

fn retry(entry: &RetryEntry) -> RetryPolicy {
    let default = RetryPolicy::default();
    let backoff = entry.backoff.as_ref().map_or(default.backoff, |given| Backoff {
        initial: given.initial.map_or(default.backoff.initial, |span| span.0),
        factor: given.factor.unwrap_or(default.backoff.factor),
        max: given.max.map_or(default.backoff.max, |span| span.0),
    });
    RetryPolicy {
        max_retries: entry.max_retries,
        on: entry.on.as_ref().map_or(default.on, |on| on.iter().map(|name| name.0).collect()),
        backoff,
    }
}
