//! The structs of a plain graph file. They are deserialised and they make the schema, so that the
//! two cannot differ. Programs use them too, for the options of a task.

use std::collections::BTreeMap;

use drawloom_model::{DType, ProcessOutput};
use schemars::JsonSchema;

use super::actor::{ActorEntry, CallEntry};
use super::cuda::CudaEntry;
use super::forms::{AttributeValue, FailureName, GpuEntry, Nested, OutputEntry};
use super::gang::GangEntry;
use super::label::{Label, TolerationText};
use super::quantity::{ByteSize, Milli, TimeSpan};

/// A graph of tasks for Drawloom.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Drawloom graph file")]
pub(crate) struct GraphFile {
    /// The job's name; that of the file where none is given.
    pub name: Option<String>,
    /// The job's options.
    #[serde(default)]
    pub options: JobEntry,
    /// Data that tasks take, by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, Data>,
    /// The tasks, in any order.
    pub tasks: Vec<TaskEntry>,
    /// Objects to keep after the job, by name: each a task's name, `task.output`, or an input's name.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    /// Groups of tasks that start together or not at all.
    #[serde(default)]
    pub gangs: Vec<GangEntry>,
}

/// What is asked for a job as a whole.
#[derive(serde::Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JobEntry {
    /// Added to the priority of every task.
    pub priority: i32,
    /// How long after its submission the job must have ended.
    pub deadline: Option<TimeSpan>,
    /// What becomes of the other tasks when one has failed for good.
    pub on_failure: OnFailureEntry,
    /// Whether tasks that fit no executor wait for one that they fit, instead of being refused.
    pub wait_for_resources: bool,
    /// Whether tasks may be added from outside, until the job is cancelled or sealed.
    pub open: bool,
}

/// What becomes of the other tasks when one has failed for good.
#[derive(serde::Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnFailureEntry {
    /// Tasks that do not depend on it go on.
    #[default]
    Continue,
    /// Every task that has not ended is cancelled.
    CancelJob,
}

/// Data for tasks: exactly one of `file`, `text` and `value`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    /// A file, relative to the graph file, taken as a blob.
    pub file: Option<String>,
    /// Text, taken as a blob.
    pub text: Option<String>,
    /// A number or (nested) lists of numbers, taken as a tensor.
    pub value: Option<Nested>,
    /// The element type of `value`: f32 where none is given.
    pub dtype: Option<String>,
    /// The shape of `value`, where it is not that of the lists.
    pub shape: Option<Vec<u64>>,
}

/// A task: one of `kernel`, `process`, `cuda`, `actor` and `call`, or `variants`.
#[derive(serde::Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TaskEntry {
    /// A name, unique in the file, by which other tasks refer to it.
    pub name: Option<String>,
    /// The kernel to run.
    pub kernel: Option<String>,
    /// The constants of the kernel, the actor or the call.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// The process to run.
    pub process: Option<ProcessEntry>,
    /// The CUDA kernel of one's own to run.
    pub cuda: Option<CudaEntry>,
    /// The actor to make.
    pub actor: Option<ActorEntry>,
    /// The call of an actor to make.
    pub call: Option<CallEntry>,
    /// Several ways to run the task, the preferred first; what a way leaves out is the task's.
    pub variants: Vec<VariantEntry>,
    /// The objects it takes, in order: the name of an input, of a task, or `task.output`.
    pub inputs: Vec<String>,
    /// Tasks that must succeed first although it takes nothing from them.
    pub after: Vec<String>,
    /// What it needs while it runs; one core where nothing is said.
    pub request: Option<RequestEntry>,
    /// Requirements on the executor's labels, such as `zone in (a, b)` or `!spot`.
    pub labels: Vec<Label>,
    /// Taints it puts up with, such as `spot` or `dedicated=training`.
    pub tolerations: Vec<TolerationText>,
    /// Larger goes first.
    pub priority: i32,
    /// When a failed attempt is followed by another.
    pub retry: Option<RetryEntry>,
    /// How long one attempt may run.
    pub timeout: Option<TimeSpan>,
    /// How long after its submission the task must have ended.
    pub deadline: Option<TimeSpan>,
    /// How long it is expected to run.
    pub expected_time: Option<TimeSpan>,
}

/// One way to run a task.
#[derive(serde::Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VariantEntry {
    /// The kernel to run.
    pub kernel: Option<String>,
    /// The kernel's constants.
    pub attributes: Option<BTreeMap<String, AttributeValue>>,
    /// The process to run.
    pub process: Option<ProcessEntry>,
    /// The CUDA kernel of one's own to run.
    pub cuda: Option<CudaEntry>,
    /// What it needs while it runs.
    pub request: Option<RequestEntry>,
    /// How long it is expected to run.
    pub expected_time: Option<TimeSpan>,
}

/// A process. Its standard input and files are objects, named as in `inputs`.
#[derive(serde::Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProcessEntry {
    /// The executable (searched in `PATH` when it has no slash) and its arguments.
    pub argv: Vec<String>,
    /// Variables set beside a minimal environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Working directory; a fresh scratch directory where none is given.
    pub working_directory: Option<String>,
    /// The object that is its standard input.
    pub stdin: Option<String>,
    /// Objects by the paths of the files they become, relative to the working directory.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Objects that it maps from shared memory, by the ends of the variables that tell it where:
    /// `DRAWLOOM_MAP_x` is `DESCRIPTOR:OFFSET:LENGTH`.
    #[serde(default)]
    pub maps: BTreeMap<String, String>,
    /// What it makes, in order; the standard output where nothing is said.
    #[serde(default = "stdout_only")]
    pub outputs: Vec<OutputEntry>,
    /// Whether it may add tasks to its job and wait for them, as by `drawloom add`.
    #[serde(default)]
    pub spawns: bool,
}

fn stdout_only() -> Vec<OutputEntry> {
    vec![OutputEntry(ProcessOutput::Stdout)]
}

/// What a task needs while it runs.
#[derive(serde::Deserialize, JsonSchema, Clone, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RequestEntry {
    /// Cores; 1 where nothing is said.
    pub cpu: Option<Milli>,
    /// Host memory, beside the objects it takes and makes.
    pub memory: Option<ByteSize>,
    /// GPUs: how many, or what of each.
    pub gpu: Option<GpuEntry>,
    /// Custom resources by name.
    pub custom: BTreeMap<String, Milli>,
}

/// GPUs wanted, all on one executor.
#[derive(serde::Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GpuTable {
    /// How many devices.
    pub devices: u16,
    /// Which part of each device's compute: 1 for a whole device.
    pub share: Milli,
    /// Memory on each device.
    pub vram: ByteSize,
    /// The least compute capability, such as 7.5.
    pub compute_capability: Option<f64>,
}

impl Default for GpuTable {
    fn default() -> Self {
        GpuTable { devices: 1, share: Milli(1000), vram: ByteSize(0), compute_capability: None }
    }
}

/// When a failed attempt is followed by another.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryEntry {
    /// How many further attempts there may be after the first.
    pub max_retries: u32,
    /// The failures worth another attempt; lost executors and objects where nothing is said.
    pub on: Option<Vec<FailureName>>,
    /// How long to wait before each.
    pub backoff: Option<BackoffEntry>,
}

/// Exponential back-off.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackoffEntry {
    /// The wait before the first retry; 100 ms where nothing is said.
    pub initial: Option<TimeSpan>,
    /// By how much each wait is longer than the last; 2 where nothing is said.
    pub factor: Option<f64>,
    /// The longest wait; 30 s where nothing is said.
    pub max: Option<TimeSpan>,
}

/// The element type of that name.
pub(crate) fn dtype(name: &str) -> Result<DType, String> {
    let names = DType::ALL.map(DType::name);
    DType::from_name(name).ok_or_else(|| {
        format!("there is no element type {name:?}; there are: {}", names.join(", "))
    })
}

/// The JSON Schema of plain graph files, made from the structs that read them.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(GraphFile).to_value()
}
