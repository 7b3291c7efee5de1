//! Processes: objects become files and pipes, and files and pipes become objects.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use bytes::Bytes;
use drawloom_executor_core::RoomFor;
use drawloom_model::{
    Assignment, AttemptId, DType, DeviceIndex, Failure, FailureKind, JobId, JobKey, MILLI,
    ObjectType, ProcessInput, ProcessOutput, ProcessSpec, ResourceRequest, Shape, Value,
};
use rustix::thread::CpuSet;

use super::child::{Capture, Confinement, Ended, Keep, Running};
use super::mapped::Mappings;
use super::not_started::not_started;
use super::scratch::Scratch;
use super::visible::variables;
use super::{Job, RunContext};
use crate::Config;
use crate::cgroup::{Group, GroupLimits};
use crate::quarters::{Lease, Quarters};
use crate::store::Store;

/// Where executables are looked for when this process has no `PATH` itself.
pub(super) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Runs a process to its end, on this thread.
pub(super) fn run(
    spec: &ProcessSpec,
    request: &ResourceRequest,
    job: &Job,
    context: &RunContext,
) -> Result<Vec<Value>, Failure> {
    let place = Place {
        attempt: job.assignment.attempt,
        job: job.assignment.job_id,
        devices: &job.assignment.devices,
        cores: &job.cores,
        request,
    };
    let config = &context.quarters.config;
    let scratch = Scratch::new(spec, &context.quarters)?;
    let (stdin, mappings) = provide_inputs(spec, job, &scratch, &context.store)?;
    // Files in memory are bounded by nothing else while they are written.
    let file_bytes = mappings.has_outputs().then_some(config.output_limit_bytes);
    let inherited = Inherited { files: mappings.inherited(), file_bytes };
    let Prepared { mut command, confinement, group } =
        prepare(spec, &place, &scratch, &context.quarters, inherited)?;
    mappings.tell(&mut command);
    let captures = captures(spec, config.output_limit_bytes);
    let group = group.as_deref();
    let running = Running::start(&command, &confinement, stdin, captures, &job.cancellation, group)
        .map_err(|error| not_started(spec, request, &error))?;
    let ended = running.wait().map_err(|error| {
        Failure::new(FailureKind::Application, format!("cannot watch the process: {error}"))
    })?;
    if group.is_some_and(Group::has_oom_kill) {
        return Err(out_of_memory(request, "killed", &ended));
    }
    check_end(spec, &ended, context, request)?;
    let collector = Collector {
        scratch: &scratch,
        mappings: &mappings,
        assignment: &job.assignment,
        store: &context.store,
        limit_bytes: config.output_limit_bytes,
    };
    collector.collect(spec, ended)
}

/// What a process is given of the executor.
pub(crate) struct Place<'a> {
    pub attempt: AttemptId,
    /// Its job, where it may add tasks to it.
    pub job: Option<JobId>,
    pub devices: &'a [DeviceIndex],
    pub cores: &'a [u32],
    pub request: &'a ResourceRequest,
}

/// Files that a process inherits, and how large those may become that it writes.
#[derive(Default)]
pub(crate) struct Inherited {
    pub files: Vec<Arc<OwnedFd>>,
    pub file_bytes: Option<u64>,
}

/// What is needed to start a process.
pub(crate) struct Prepared {
    pub command: Command,
    pub confinement: Confinement,
    /// Its control group, which is to be kept as long as it lives.
    pub group: Option<Lease<Group>>,
}

/// A process's command, and what confines it to its place.
pub(crate) fn prepare(
    spec: &ProcessSpec,
    place: &Place<'_>,
    scratch: &Scratch,
    quarters: &Quarters,
    inherited: Inherited,
) -> Result<Prepared, Failure> {
    // Whole cores are kept to by pinning, which costs no throttling.
    let cpu_milli = if place.cores.is_empty() { place.request.cpu_milli } else { 0 };
    let memory_bytes = place.request.memory_bytes;
    let group = quarters.group(GroupLimits { memory_bytes, cpu_milli });
    let confinement = Confinement {
        // What spawns goes on with other cores than it began with.
        affinity: if spec.spawns { None } else { affinity(place.cores) },
        entrances: group.as_ref().map(|group| group.entrances()).unwrap_or_default(),
        memory_bytes: Some(memory_bytes).filter(|bytes| *bytes > 0),
        inherited: inherited.files,
        file_bytes: inherited.file_bytes,
    };
    let command = command(spec, place, scratch, quarters)?;
    Ok(Prepared { command, confinement, group })
}

/// Writes files and finds what is mapped; the data for the standard input, if any.
fn provide_inputs(
    spec: &ProcessSpec,
    job: &Job,
    scratch: &Scratch,
    store: &Store,
) -> Result<(Option<Bytes>, Mappings), Failure> {
    if spec.inputs.len() != job.inputs.len() {
        let (given, named) = (job.inputs.len(), spec.inputs.len());
        let message = format!("the task takes {given} object(s), the process names {named}");
        return Err(Failure::new(FailureKind::Spawn, message));
    }
    let mut stdin = None;
    let mut mappings = Mappings::default();
    for (input, value) in spec.inputs.iter().zip(&job.inputs) {
        match input {
            ProcessInput::Stdin => stdin = Some(value.data.clone()),
            ProcessInput::File(path) => scratch.write(path, &value.data)?,
            ProcessInput::Map(name) => mappings.add_input(name, value, &job.assignment, store)?,
        }
    }
    mappings.add_outputs(spec)?;
    Ok((stdin, mappings))
}

fn command(
    spec: &ProcessSpec,
    place: &Place<'_>,
    scratch: &Scratch,
    quarters: &Quarters,
) -> Result<Command, Failure> {
    let Some((program, arguments)) = spec.argv.split_first() else {
        return Err(Failure::new(
            FailureKind::Spawn,
            "the process has no executable: argv is empty",
        ));
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&scratch.work).env_clear();
    for (name, default) in [("PATH", Some(DEFAULT_PATH)), ("HOME", None), ("LANG", Some("C.UTF-8"))]
    {
        let value = std::env::var_os(name).or_else(|| default.map(Into::into));
        value.map(|value| command.env(name, value));
    }
    let attempt = place.attempt;
    let cores = place.cores.iter().map(u32::to_string).collect::<Vec<_>>();
    let threads = (cores.len() as u64).max(place.request.cpu_milli.div_ceil(MILLI)).max(1);
    command
        .env("TMPDIR", scratch.temporary())
        .env("DRAWLOOM_JOB", attempt.task.job.to_bits().to_string())
        .env("DRAWLOOM_TASK", attempt.task.index.to_string())
        .env("DRAWLOOM_ATTEMPT", attempt.number.to_string())
        .env("DRAWLOOM_CORES", cores.join(","))
        .env("OMP_NUM_THREADS", threads.to_string())
        .envs(variables(place.devices, &quarters.device_uuids, place.request.gpu.as_ref()));
    if spec.spawns {
        introduce(&mut command, place, &quarters.config)?;
    }
    command.envs(&spec.env);
    Ok(command)
}

/// Tells a process what it needs to add tasks to its job.
fn introduce(command: &mut Command, place: &Place<'_>, config: &Config) -> Result<(), Failure> {
    let missing =
        |what| Failure::new(FailureKind::Spawn, format!("the process spawns, but {what}"));
    let endpoint = config.endpoint.as_ref();
    let endpoint = endpoint.ok_or_else(|| missing("its executor's scheduler has no address"))?;
    let job = place.job.ok_or_else(|| missing("the scheduler did not name its job"))?;
    command.env("DRAWLOOM_ENDPOINT", endpoint).env("DRAWLOOM_JOB_ID", job.to_string());
    if let Ok(executable) = std::env::current_exe() {
        command.env("DRAWLOOM", executable);
    }
    Ok(())
}

/// The cores to pin to: those of the request that this machine really has.
fn affinity(cores: &[u32]) -> Option<CpuSet> {
    let allowed = rustix::thread::sched_getaffinity(None).ok()?;
    let mut set = CpuSet::new();
    for core in cores.iter().map(|core| *core as usize) {
        if core < CpuSet::MAX_CPU && allowed.is_set(core) {
            set.set(core);
        }
    }
    (set.count() as usize == cores.len() && !cores.is_empty()).then_some(set)
}

fn captures(spec: &ProcessSpec, limit_bytes: u64) -> [Capture; 2] {
    let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    [ProcessOutput::Stdout, ProcessOutput::Stderr].map(|output| {
        let wanted = spec.outputs.contains(&output);
        Capture::new(if wanted { Keep::All { limit_bytes } } else { Keep::Tail })
    })
}

/// Fails where the process did.
fn check_end(
    spec: &ProcessSpec,
    ended: &Ended,
    context: &RunContext,
    request: &ResourceRequest,
) -> Result<(), Failure> {
    let application = |message| Err(Failure::new(FailureKind::Application, message));
    for (name, capture) in [("output", &ended.stdout), ("error", &ended.stderr)] {
        if capture.overflowed {
            let limit = context.quarters.config.output_limit_bytes;
            return application(format!("the standard {name} has more than {limit} bytes"));
        }
    }
    let takes_code = spec.outputs.contains(&ProcessOutput::ExitCode);
    let Some(end) = describe(ended.status, takes_code) else { return Ok(()) };
    let tail = ended.stderr.tail();
    // It tells so itself where its address space is limited.
    if request.memory_bytes > 0 && speaks_of_memory(&tail) {
        return Err(out_of_memory(request, &end, ended));
    }
    Err(Failure::of_process(FailureKind::Application, &end, &tail))
}

/// How a process ended, whatever that means.
pub(crate) fn describe_status(status: ExitStatus) -> String {
    describe(status, false).unwrap_or_else(|| "exit code 0".to_owned())
}

/// How the process failed; nothing where it did not.
fn describe(status: ExitStatus, takes_code: bool) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(code), _) => (code != 0 && !takes_code).then(|| format!("exit code {code}")),
        (None, Some(signal)) => Some(format!("killed by signal {signal}{}", signal_name(signal))),
        (None, None) => Some(status.to_string()),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGQUIT => " (SIGQUIT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGTRAP => " (SIGTRAP)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGXCPU => " (SIGXCPU)",
        libc::SIGXFSZ => " (SIGXFSZ)",
        libc::SIGSYS => " (SIGSYS)",
        _ => "",
    }
}

/// What programs say when an allocation fails.
fn speaks_of_memory(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let phrases = ["cannot allocate memory", "memoryerror", "out of memory", "bad_alloc"];
    let more = ["memory exhausted", "memory allocation of", "not enough memory"];
    phrases.iter().chain(&more).any(|phrase| text.contains(phrase))
}

fn out_of_memory(request: &ResourceRequest, end: &str, ended: &Ended) -> Failure {
    let asked = request.memory_bytes;
    let end = format!("{end}: needed more than the {asked} bytes of memory it asked for");
    Failure::of_process(FailureKind::OutOfMemory, &end, &ended.stderr.tail())
}

/// Where a process's outputs are.
struct Collector<'p> {
    scratch: &'p Scratch,
    mappings: &'p Mappings,
    assignment: &'p Assignment,
    store: &'p Store,
    limit_bytes: u64,
}

impl Collector<'_> {
    fn collect(&self, spec: &ProcessSpec, ended: Ended) -> Result<Vec<Value>, Failure> {
        let Ended { status, stdout, stderr } = ended;
        let (stdout, stderr) = (self.settle(stdout)?, self.settle(stderr)?);
        let limit = self.limit_bytes;
        let outputs = spec.outputs.iter().map(|output| match output {
            ProcessOutput::Stdout => Ok(Value::blob(stdout.clone())),
            ProcessOutput::Stderr => Ok(Value::blob(stderr.clone())),
            ProcessOutput::File(path) => {
                let place = |len| self.store.allocate_blocking(self.job(), len, self.purpose());
                self.scratch.read(path, limit, place).map(Value::blob)
            }
            ProcessOutput::Map(name) => {
                let output = self.mappings.output(name, limit, self.assignment, self.store);
                output.map(Value::blob)
            }
            ProcessOutput::ExitCode => Ok(scalar_i32(status.code().unwrap_or(-1))),
        });
        outputs.collect()
    }

    fn settle(&self, capture: Capture) -> Result<Bytes, Failure> {
        let settled = self.store.settle_blocking(self.job(), capture.into_bytes(), self.purpose());
        settled.map_err(|full| Failure::new(FailureKind::OutOfMemory, full.to_string()))
    }

    fn job(&self) -> JobKey {
        self.assignment.attempt.task.job
    }

    fn purpose(&self) -> RoomFor {
        RoomFor::Attempt(self.assignment.attempt)
    }
}

fn scalar_i32(value: i32) -> Value {
    Value {
        object_type: ObjectType::Tensor { dtype: DType::I32, shape: Shape::scalar() },
        data: Bytes::copy_from_slice(&value.to_le_bytes()),
    }
}
