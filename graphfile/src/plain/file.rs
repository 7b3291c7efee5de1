//! The structs of a plain graph file. They are deserialised and they make the schema, so that the
//! two cannot differ. Programs use them too, for the options of a task.

use std::collections::BTreeMap;
use std::fmt;

use drawloom_model::{Attribute, DType, FailureKind, ProcessOutput};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

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

/// A task: one of `kernel` and `process`, or `variants`.
#[derive(serde::Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TaskEntry {
    /// A name, unique in the file, by which other tasks refer to it.
    pub name: Option<String>,
    /// The kernel to run.
    pub kernel: Option<String>,
    /// The kernel's constants.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// The process to run.
    pub process: Option<ProcessEntry>,
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
    /// What it makes, in order; the standard output where nothing is said.
    #[serde(default = "stdout_only")]
    pub outputs: Vec<OutputEntry>,
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

/// GPUs wanted: a number of whole devices, or a table.
#[derive(Clone)]
pub(crate) struct GpuEntry(pub GpuTable);

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

/// A kind of failure, by its name.
pub(crate) struct FailureName(pub FailureKind);

impl<'de> Deserialize<'de> for FailureName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const NAMES: [&str; 8] = {
            let mut names = [""; 8];
            let mut index = 0;
            while index < 8 {
                names[index] = FailureKind::ALL[index].name();
                index += 1;
            }
            names
        };
        let name = String::deserialize(deserializer)?;
        let kind = FailureKind::from_name(&name);
        kind.map(FailureName).ok_or_else(|| D::Error::unknown_variant(&name, &NAMES))
    }
}

impl JsonSchema for FailureName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Failure".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = FailureKind::ALL.map(FailureKind::name);
        json_schema!({ "type": "string", "enum": names })
    }
}

/// An attribute's value.
#[derive(Clone)]
pub(crate) struct AttributeValue(pub Attribute);

/// A number or nested lists of numbers.
pub(crate) enum Nested {
    Bool(bool),
    Int(i64),
    Float(f64),
    List(Vec<Nested>),
}

/// Where an output of a process comes from.
#[derive(Clone)]
pub(crate) struct OutputEntry(pub ProcessOutput);

/// Implements `Deserialize` by a visitor that is told what was expected.
macro_rules! visited {
    ($type:ty, $visitor:ident, $expected:literal, { $($methods:item)* }) => {
        struct $visitor;
        impl<'de> Visitor<'de> for $visitor {
            type Value = $type;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expected)
            }
            $($methods)*
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }
    };
}

visited!(AttributeValue, AttributeVisitor, "a number, text, true, false or a list of numbers", {
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(AttributeValue(Attribute::Bool(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(AttributeValue(Attribute::Int(value)))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(AttributeValue(Attribute::Float(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(AttributeValue(Attribute::Text(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut ints = Vec::new();
        let mut floats = Vec::new();
        while let Some(item) = items.next_element::<Number>()? {
            if let Number::Int(value) = item {
                ints.push(value);
            }
            floats.push(item.as_f64());
        }
        let whole = ints.len() == floats.len();
        Ok(AttributeValue(if whole { Attribute::Ints(ints) } else { Attribute::Floats(floats) }))
    }
});

enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn as_f64(&self) -> f64 {
        match self {
            Number::Int(value) => *value as f64,
            Number::Float(value) => *value,
        }
    }
}

visited!(Number, NumberVisitor, "a number", {
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Number::Int(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::Float(value))
    }
});

visited!(Nested, NestedVisitor, "a number or nested lists of numbers", {
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Nested::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Nested::Int(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Nested::Float(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Nested::List(list))
    }
});

visited!(GpuEntry, GpuVisitor, "a number of GPUs or a table", {
    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        let devices = u16::try_from(value)
            .map_err(|_| E::custom(format!("cannot be {value}; it may be from 0 to 65535")))?;
        Ok(GpuEntry(GpuTable { devices, ..GpuTable::default() }))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        GpuTable::deserialize(value::MapAccessDeserializer::new(map)).map(GpuEntry)
    }
});

#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FileOutput {
    /// The file's path, relative to the working directory.
    file: String,
}

visited!(OutputEntry, OutputVisitor, "stdout, stderr, exit_code or { file = \"path\" }", {
    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(OutputEntry(match value {
            "stdout" => ProcessOutput::Stdout,
            "stderr" => ProcessOutput::Stderr,
            "exit_code" => ProcessOutput::ExitCode,
            _ => return Err(E::unknown_variant(value, &["stdout", "stderr", "exit_code"])),
        }))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let output = FileOutput::deserialize(value::MapAccessDeserializer::new(map))?;
        Ok(OutputEntry(ProcessOutput::File(output.file)))
    }
});

/// Implements `JsonSchema` with an expression of the generator.
macro_rules! described {
    ($type:ty, $name:literal, |$generator:ident| $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

described!(AttributeValue, "Attribute", |_g| json_schema!({
    "type": ["boolean", "integer", "number", "string", "array"],
    "items": { "type": "number" },
}));
described!(Nested, "Nested", |g| {
    let item = g.subschema_for::<Nested>();
    json_schema!({ "type": ["number", "boolean", "array"], "items": item })
});
described!(GpuEntry, "Gpu", |g| {
    let table = g.subschema_for::<GpuTable>();
    json_schema!({ "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 65535 }, table] })
});
described!(OutputEntry, "ProcessOutput", |g| {
    let file = g.subschema_for::<FileOutput>();
    json_schema!({ "anyOf": [{ "enum": ["stdout", "stderr", "exit_code"] }, file] })
});

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
