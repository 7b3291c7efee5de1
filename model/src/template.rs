//! Templates: how to run a task, shared by every task that runs that way.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path};
use std::time::Duration;

use crate::{ActorKind, ActorSpec, Attributes, CallSpec, CudaSpec, FailureKinds, ResourceRequest};

/// Everything about a task but its place in the graph. Thousands of tasks may share one.
#[derive(Clone, PartialEq, Debug)]
pub struct Template {
    /// The ways to run it, at least one, the preferred first. All take and make the same objects.
    pub variants: Vec<Variant>,
    /// How many objects it makes.
    pub outputs: u16,
    /// Where it may run.
    pub constraints: Constraints,
    /// Larger goes first.
    pub priority: i32,
    /// When a failed attempt is followed by another.
    pub retry: RetryPolicy,
    /// How long one attempt may run.
    pub timeout: Option<Duration>,
    /// How long after its submission the task must have ended.
    pub deadline: Option<Duration>,
}

impl Template {
    /// Whether what runs may add tasks to its job: an actor, or a process that was allowed to.
    pub fn spawns(&self) -> bool {
        self.actor().is_some() || self.variants.iter().any(Variant::spawns)
    }

    /// The actor that it makes, if it makes one.
    pub fn actor(&self) -> Option<&ActorSpec> {
        match &self.variants.first()?.run {
            Run::Actor(actor) => Some(actor),
            Run::Kernel(_) | Run::Process(_) | Run::Cuda(_) | Run::Call(_) => None,
        }
    }

    /// The call that it makes, if it makes one.
    pub fn call(&self) -> Option<&CallSpec> {
        match &self.variants.first()?.run {
            Run::Call(call) => Some(call),
            Run::Kernel(_) | Run::Process(_) | Run::Cuda(_) | Run::Actor(_) => None,
        }
    }

    /// A template with one variant and defaults elsewhere.
    pub fn new(variant: Variant, outputs: u16) -> Self {
        Template {
            variants: vec![variant],
            outputs,
            constraints: Constraints::default(),
            priority: 0,
            retry: RetryPolicy::default(),
            timeout: None,
            deadline: None,
        }
    }
}

/// One way to run a task.
#[derive(Clone, PartialEq, Debug)]
pub struct Variant {
    /// What to run.
    pub run: Run,
    /// What it needs while it runs.
    pub request: ResourceRequest,
    /// How long it is expected to run, where the submitter knows. Measured times replace it.
    pub cost_hint: Option<Duration>,
}

impl Variant {
    /// A kernel on one core.
    pub fn kernel(name: impl Into<String>, attributes: Attributes) -> Self {
        Variant {
            run: Run::Kernel(KernelCall { name: name.into(), attributes }),
            request: ResourceRequest::cores(1),
            cost_hint: None,
        }
    }
}

impl Variant {
    /// Whether it is a process that may add tasks to its job.
    pub fn spawns(&self) -> bool {
        match &self.run {
            Run::Process(process) => process.spawns,
            Run::Actor(actor) => {
                matches!(&actor.kind, ActorKind::Process(process) if process.spawns)
            }
            Run::Kernel(_) | Run::Cuda(_) | Run::Call(_) => false,
        }
    }
}

/// What to run.
#[derive(Clone, PartialEq, Debug)]
pub enum Run {
    /// A kernel of the catalogue.
    Kernel(KernelCall),
    /// A process.
    Process(ProcessSpec),
    /// A user's own CUDA code.
    Cuda(Box<CudaSpec>),
    /// An actor, which stays until it is stopped.
    Actor(Box<ActorSpec>),
    /// A call of an actor. It takes no resources of its own.
    Call(CallSpec),
}

impl Run {
    /// The kernel's name or the executable's, for people.
    pub fn name(&self) -> &str {
        match self {
            Run::Kernel(call) => &call.name,
            Run::Process(process) => process.argv.first().map_or("process", String::as_str),
            Run::Cuda(cuda) => &cuda.entry,
            Run::Actor(actor) => actor.kind.name(),
            Run::Call(call) => &call.method,
        }
    }
}

/// A kernel and its constants. Its inputs and outputs are the task's, in order.
#[derive(Clone, PartialEq, Debug)]
pub struct KernelCall {
    /// Its name in the catalogue.
    pub name: String,
    /// Its constants.
    pub attributes: Attributes,
}

/// A process and how the task's objects become its files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProcessSpec {
    /// The executable (searched in `PATH` when it has no slash) and its arguments.
    pub argv: Vec<String>,
    /// Variables set beside a minimal environment.
    pub env: BTreeMap<String, String>,
    /// Working directory; a fresh scratch directory where none is given.
    pub working_directory: Option<String>,
    /// What becomes of each of the task's inputs, in order.
    pub inputs: Vec<ProcessInput>,
    /// Where each of the task's outputs comes from, in order.
    pub outputs: Vec<ProcessOutput>,
    /// Whether it may add tasks to its job and wait for them: then it is told where the scheduler
    /// is, and not pinned to its cores, which others have while it waits.
    pub spawns: bool,
}

impl ProcessSpec {
    /// Whether a file's path is relative and stays in the working directory.
    pub fn holds_file(path: &str) -> bool {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        !path.is_empty() && Path::new(path).components().all(plain)
    }
}

/// What becomes of an input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProcessInput {
    /// Its bytes are the standard input.
    Stdin,
    /// A file at this path, relative to the working directory.
    File(String),
    /// Shared memory, read without a copy. The variable `DRAWLOOM_MAP_` and this name tells
    /// `DESCRIPTOR:OFFSET:LENGTH`: a file descriptor that the process inherits and may read and
    /// map for reading, and where in it the bytes are; the offset is a multiple of the page size.
    Map(String),
}

/// Where an output comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProcessOutput {
    /// A blob of all that was written to the standard output.
    Stdout,
    /// A blob of all that was written to the standard error.
    Stderr,
    /// A blob of a file at this path, relative to the working directory.
    File(String),
    /// A blob in shared memory, kept without a copy. The variable `DRAWLOOM_OUT_` and this name
    /// tells the number of an inherited file descriptor of an empty file in memory; what it
    /// holds when the process has ended is the output.
    Map(String),
    /// The exit code as an i32 scalar. With this output a code other than 0 is no failure.
    ExitCode,
}

/// Where a task may run: every requirement must hold, and every taint be tolerated.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Constraints {
    /// Requirements on the executor's labels.
    pub labels: Vec<LabelRequirement>,
    /// Taints that the task puts up with.
    pub tolerations: Vec<Toleration>,
}

impl Constraints {
    /// Whether an executor with these labels and taints is acceptable.
    pub fn admit(&self, labels: &Labels, taints: &[Taint]) -> bool {
        self.refusal(labels, taints).is_none()
    }

    /// Why an executor with these labels and taints is not acceptable.
    pub fn refusal(&self, labels: &Labels, taints: &[Taint]) -> Option<String> {
        if let Some(unmet) = self.labels.iter().find(|requirement| !requirement.holds(labels)) {
            return Some(format!("label requirement `{unmet}` does not hold"));
        }
        let intolerable =
            taints.iter().find(|taint| !self.tolerations.iter().any(|t| t.tolerates(taint)))?;
        Some(format!("taint `{intolerable}` is not tolerated"))
    }
}

/// An executor's labels by name.
pub type Labels = BTreeMap<String, String>;

/// One requirement on an executor's labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LabelRequirement {
    /// The label's name.
    pub key: String,
    /// What must hold for its value.
    pub operator: LabelOperator,
}

/// What must hold for a label's value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LabelOperator {
    /// The label is there and its value is one of these.
    In(Vec<String>),
    /// The label is absent, or its value is none of these.
    NotIn(Vec<String>),
    /// The label is there.
    Exists,
    /// The label is absent.
    Absent,
}

impl LabelRequirement {
    /// Whether it holds for these labels.
    pub fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            LabelOperator::In(values) => value.is_some_and(|value| values.contains(value)),
            LabelOperator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::Absent => value.is_none(),
        }
    }
}

impl fmt::Display for LabelRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.operator {
            LabelOperator::In(values) => write!(f, "{key} in ({})", values.join(", ")),
            LabelOperator::NotIn(values) => write!(f, "{key} not in ({})", values.join(", ")),
            LabelOperator::Exists => write!(f, "{key}"),
            LabelOperator::Absent => write!(f, "!{key}"),
        }
    }
}

/// A mark on an executor that keeps tasks away which do not tolerate it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Taint {
    /// Its name.
    pub key: String,
    /// Its value, perhaps empty.
    pub value: String,
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// A taint that a task puts up with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Toleration {
    /// The taint's name.
    pub key: String,
    /// The taint's value, or any where none is given.
    pub value: Option<String>,
}

impl Toleration {
    /// Whether it covers `taint`.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.key == taint.key && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

/// When a failed attempt is followed by another, and how soon.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RetryPolicy {
    /// How many further attempts there may be after the first.
    pub max_retries: u32,
    /// The failures that are worth another attempt.
    pub on: FailureKinds,
    /// How long to wait before each.
    pub backoff: Backoff,
}

impl Default for RetryPolicy {
    /// Three retries of failures that say nothing about the task itself.
    fn default() -> Self {
        RetryPolicy { max_retries: 3, on: FailureKinds::SYSTEM, backoff: Backoff::default() }
    }
}

/// Exponential back-off: `initial * factor^(n-1)` before the n-th retry, at most `max`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Backoff {
    /// The wait before the first retry.
    pub initial: Duration,
    /// By how much each wait is longer than the last; at least 1.
    pub factor: f64,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { initial: Duration::from_millis(100), factor: 2.0, max: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The wait before the `retry`-th retry, counted from 1.
    pub fn delay(&self, retry: u32) -> Duration {
        if self.initial.is_zero() {
            return Duration::ZERO; // Times a power that overflows, it would be no number.
        }
        let exponent = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial.as_secs_f64() * self.factor.max(1.0).powi(exponent);
        Duration::try_from_secs_f64(seconds).map_or(self.max, |delay| delay.min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_limit() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(1), Duration::from_millis(100));
        assert_eq!(backoff.delay(3), Duration::from_millis(400));
        assert_eq!(backoff.delay(u32::MAX), Duration::from_secs(30));
        let at_once = Backoff { initial: Duration::ZERO, ..backoff };
        assert_eq!(at_once.delay(u32::MAX), Duration::ZERO);
    }

    #[test]
    fn constraints_tell_why_they_refuse() {
        let constraints = Constraints {
            labels: vec![LabelRequirement {
                key: "zone".into(),
                operator: LabelOperator::In(vec!["a".into(), "b".into()]),
            }],
            tolerations: vec![Toleration { key: "spot".into(), value: None }],
        };
        let labels = Labels::from([("zone".to_owned(), "b".to_owned())]);
        let spot = Taint { key: "spot".into(), value: "yes".into() };
        let broken = Taint { key: "broken".into(), value: String::new() };
        assert!(constraints.admit(&labels, &[spot]));
        assert_eq!(
            constraints.refusal(&labels, &[broken]).as_deref(),
            Some("taint `broken=` is not tolerated")
        );
        assert_eq!(
            constraints.refusal(&Labels::new(), &[]).as_deref(),
            Some("label requirement `zone in (a, b)` does not hold")
        );
    }
}
