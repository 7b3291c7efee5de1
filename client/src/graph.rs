//! Building task graphs.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use drawloom_model::{
    ActorRef, ActorSpec, Attribute, Attributes, CallSpec, CudaSource, CudaSpec, FailureKinds, Gang,
    GangStrategy, GpuRequest, Input, JobOptions, Literal, NamedOutput, ObjectId, ResourceRequest,
    Run, Task, TaskGraph, Template, Value, Variant,
};

use crate::typed::Declared;

/// Collects tasks, literals and outputs; [`GraphBuilder::build`] makes the graph.
///
/// ```
/// use drawloom_client::{GraphBuilder, attributes};
///
/// let mut graph = GraphBuilder::new("two steps");
/// let first = graph.task("busy", attributes([("iterations", 1000)])).name("first").add();
/// graph.task("noop", attributes::<&str, i64>([])).input(first.output(0)).add();
/// graph.output("checksum", first.output(0));
/// assert_eq!(graph.build().tasks.len(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct GraphBuilder {
    pub(crate) graph: TaskGraph,
    /// What typed handles say of outputs.
    pub(crate) declared: Vec<Declared>,
    /// Templates by a hash of what they run, so that like tasks share one.
    templates: HashMap<u64, Vec<u32>>,
}

/// A task that was added to a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskHandle(u32);

/// A template that was added to a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TemplateHandle(u32);

impl TaskHandle {
    /// The task that a job has at this index, for additions that refer to earlier tasks.
    pub const fn from_index(index: u32) -> Self {
        TaskHandle(index)
    }

    /// Its index in the job.
    pub const fn index(self) -> u32 {
        self.0
    }

    /// One of the objects it makes, counted from 0.
    pub const fn output(self, output: u16) -> Input {
        Input::Task { task: self.0, output }
    }
}

impl From<TaskHandle> for ActorRef {
    fn from(task: TaskHandle) -> Self {
        ActorRef::Task(task.index())
    }
}

/// Attributes from pairs of name and value.
pub fn attributes<N: Into<String>, V: IntoAttribute>(
    pairs: impl IntoIterator<Item = (N, V)>,
) -> Attributes {
    pairs.into_iter().map(|(name, value)| (name.into(), value.into_attribute())).collect()
}

/// What can be an attribute's value.
pub trait IntoAttribute {
    /// The attribute.
    fn into_attribute(self) -> Attribute;
}

macro_rules! into_attribute {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl IntoAttribute for $from {
            fn into_attribute(self) -> Attribute {
                Attribute::$variant(self.into())
            }
        })*
    };
}

into_attribute! {
    bool => Bool,
    i32 => Int,
    i64 => Int,
    f64 => Float,
    &str => Text,
    String => Text,
    Vec<i64> => Ints,
    Vec<f64> => Floats,
}

impl IntoAttribute for Attribute {
    fn into_attribute(self) -> Attribute {
        self
    }
}

impl GraphBuilder {
    /// An empty graph for a new job.
    pub fn new(name: impl Into<String>) -> Self {
        let graph = TaskGraph { name: name.into(), ..TaskGraph::default() };
        GraphBuilder { graph, ..GraphBuilder::default() }
    }

    /// An empty addition to a job that has `first_task` tasks already.
    pub fn addition(first_task: u32) -> Self {
        let graph = TaskGraph { first_task, ..TaskGraph::default() };
        GraphBuilder { graph, ..GraphBuilder::default() }
    }

    /// The job's options.
    pub fn options(&mut self) -> &mut JobOptions {
        &mut self.graph.options
    }

    /// A task that runs a kernel of the catalogue on one core, unless changed before `add`.
    pub fn task(&mut self, kernel: &str, attributes: Attributes) -> TaskBuilder<'_> {
        let outputs = drawloom_signature::find(kernel).map_or(1, |found| found.outputs.len());
        let outputs = u16::try_from(outputs).unwrap_or(u16::MAX);
        self.task_from(Template::new(Variant::kernel(kernel, attributes), outputs))
    }

    /// A task with everything about how it runs.
    pub fn task_from(&mut self, template: Template) -> TaskBuilder<'_> {
        TaskBuilder { builder: self, template, task: Task::default() }
    }

    /// A task that runs a CUDA kernel of one's own on a device and a core, unless changed before
    /// `add`: its inputs are the kernel's, in their order. [`CudaKernel`](crate::CudaKernel) describes kernels.
    pub fn cuda(&mut self, kernel: CudaSpec) -> TaskBuilder<'_> {
        let outputs = u16::try_from(kernel.outputs()).unwrap_or(u16::MAX);
        let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 0, min_compute_capability: 0 };
        let request = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::cores(1) };
        let run = Run::Cuda(Box::new(kernel));
        self.task_from(Template::new(Variant { run, request, cost_hint: None }, outputs))
    }

    /// An actor on one core that is never restarted, unless changed before `add`: its inputs are
    /// its constructor's arguments.
    pub fn actor(&mut self, actor: ActorSpec) -> TaskBuilder<'_> {
        let run = Run::Actor(Box::new(actor));
        let request = ResourceRequest::cores(1);
        let mut template = Template::new(Variant { run, request, cost_hint: None }, 0);
        template.retry.max_retries = 0;
        self.task_from(template)
    }

    /// A call of an actor that makes so many objects: its inputs are the method's arguments. It is
    /// tried once, unless changed before `add`.
    pub fn call_actor(
        &mut self,
        actor: impl Into<ActorRef>,
        method: impl Into<String>,
        attributes: Attributes,
        outputs: u16,
    ) -> TaskBuilder<'_> {
        let run = Run::Call(CallSpec { actor: actor.into(), method: method.into(), attributes });
        let request = ResourceRequest::default();
        let mut template = Template::new(Variant { run, request, cost_hint: None }, outputs);
        template.retry.max_retries = 0;
        self.task_from(template)
    }

    /// A way to run tasks; equal ones are kept once.
    pub fn template(&mut self, template: Template) -> TemplateHandle {
        let known = self.templates.entry(fingerprint(&template)).or_default();
        let same = known.iter().find(|index| *self.graph.templates[**index as usize] == template);
        if let Some(index) = same {
            return TemplateHandle(*index);
        }
        let index = self.graph.templates.len() as u32;
        known.push(index);
        self.graph.templates.push(Arc::new(template));
        TemplateHandle(index)
    }

    /// Adds a task without further ado: the cheapest way to many of a kind.
    pub fn add(
        &mut self,
        template: TemplateHandle,
        inputs: impl IntoIterator<Item = Input>,
        after: impl IntoIterator<Item = TaskHandle>,
    ) -> TaskHandle {
        self.push(Task {
            name: None,
            template: template.0,
            inputs: inputs.into_iter().collect(),
            after: after.into_iter().map(TaskHandle::index).collect(),
        })
    }

    /// An object that comes with the graph. Large ones are put when the graph is submitted.
    pub fn literal(&mut self, name: impl Into<String>, value: Value) -> Input {
        let index = self.graph.literals.len() as u32;
        self.graph.literals.push(Literal { name: name.into(), value });
        Input::Literal(index)
    }

    /// An object that was put before.
    pub fn external(&mut self, object: ObjectId) -> Input {
        let known = self.graph.externals.iter().position(|external| *external == object);
        let index = known.unwrap_or_else(|| {
            self.graph.externals.push(object);
            self.graph.externals.len() - 1
        });
        Input::External(index as u32)
    }

    /// Keeps an object after its last use, to be got by this name.
    pub fn output(&mut self, name: impl Into<String>, object: Input) {
        self.graph.outputs.push(NamedOutput { name: name.into(), object });
    }

    /// Makes tasks that were added to this graph start together, or not at all. What it gives takes
    /// a timeout and a wish for topology.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use drawloom_client::{GangStrategy, GraphBuilder, attributes};
    ///
    /// let mut graph = GraphBuilder::new("ring");
    /// let peer = |graph: &mut GraphBuilder| {
    ///     graph.task("busy", attributes([("iterations", 1000)])).add()
    /// };
    /// let peers = [peer(&mut graph), peer(&mut graph)];
    /// let gang = graph.gang("ring", GangStrategy::StrictSpread, peers);
    /// gang.timeout = Some(Duration::from_secs(30));
    /// assert_eq!(graph.build().gangs[0].members, [0, 1]);
    /// ```
    pub fn gang(
        &mut self,
        name: impl Into<String>,
        strategy: GangStrategy,
        members: impl IntoIterator<Item = TaskHandle>,
    ) -> &mut Gang {
        let members = members.into_iter().map(TaskHandle::index).collect();
        let place = self.graph.gangs.len();
        self.graph.gangs.push(Gang::new(name, members, strategy));
        &mut self.graph.gangs[place]
    }

    /// How many tasks were added.
    pub fn len(&self) -> usize {
        self.graph.tasks.len()
    }

    /// Whether no task was added.
    pub fn is_empty(&self) -> bool {
        self.graph.tasks.is_empty()
    }

    /// The graph.
    pub fn build(self) -> TaskGraph {
        self.graph
    }

    fn push(&mut self, task: Task) -> TaskHandle {
        let index = self.graph.first_task + self.graph.tasks.len() as u32;
        self.graph.tasks.push(task);
        TaskHandle(index)
    }
}

/// A task that is being described; nothing happens before [`TaskBuilder::add`].
#[must_use = "the task is not part of the graph before `add`"]
#[derive(Debug)]
pub struct TaskBuilder<'a> {
    builder: &'a mut GraphBuilder,
    template: Template,
    task: Task,
}

impl TaskBuilder<'_> {
    /// The next object it takes.
    pub fn input(mut self, object: Input) -> Self {
        self.task.inputs.push(object);
        self
    }

    /// The next objects it takes.
    pub fn inputs(mut self, objects: impl IntoIterator<Item = Input>) -> Self {
        self.task.inputs.extend(objects);
        self
    }

    /// A task that must succeed first although this one takes nothing from it.
    pub fn after(mut self, task: TaskHandle) -> Self {
        self.task.after.push(task.index());
        self
    }

    /// A name unique in the job.
    pub fn name(mut self, name: impl Into<Box<str>>) -> Self {
        self.task.name = Some(name.into());
        self
    }

    /// Changes anything else about how it runs: requests, retries, variants, constraints.
    pub fn with(mut self, change: impl FnOnce(&mut Template)) -> Self {
        change(&mut self.template);
        self
    }

    /// How often an actor is begun anew after a failure, whatever that was.
    pub fn max_restarts(mut self, restarts: u32) -> Self {
        self.template.retry.max_retries = restarts;
        self.template.retry.on = FailureKinds::TRANSIENT;
        self
    }

    /// Makes it part of the graph.
    pub fn add(self) -> TaskHandle {
        let TaskBuilder { builder, template, mut task } = self;
        task.template = builder.template(template).0;
        builder.push(task)
    }
}

/// Equal templates have equal fingerprints. Only what commonly differs is hashed.
fn fingerprint(template: &Template) -> u64 {
    let mut hasher = DefaultHasher::new();
    for variant in &template.variants {
        variant.run.name().hash(&mut hasher);
        variant.request.hash(&mut hasher);
        match &variant.run {
            Run::Kernel(call) => {
                for (name, attribute) in &call.attributes {
                    name.hash(&mut hasher);
                    hash_attribute(attribute, &mut hasher);
                }
            }
            Run::Process(process) => process.argv.hash(&mut hasher),
            Run::Cuda(cuda) => {
                let (CudaSource::Cpp(text) | CudaSource::Ptx(text)) = &cuda.source;
                text.hash(&mut hasher);
            }
            Run::Actor(actor) => actor.name.hash(&mut hasher),
            Run::Call(call) => {
                call.actor.hash(&mut hasher);
                for (name, attribute) in &call.attributes {
                    name.hash(&mut hasher);
                    hash_attribute(attribute, &mut hasher);
                }
            }
        }
    }
    hasher.finish()
}

fn hash_attribute(attribute: &Attribute, hasher: &mut impl Hasher) {
    // Adding 0.0 makes the two zeros, which are equal, hash alike.
    let bits = |value: &f64| (value + 0.0).to_bits();
    match attribute {
        Attribute::Bool(value) => value.hash(hasher),
        Attribute::Int(value) => value.hash(hasher),
        Attribute::Float(value) => bits(value).hash(hasher),
        Attribute::Text(value) => value.hash(hasher),
        Attribute::Ints(values) => values.hash(hasher),
        Attribute::Floats(values) => values.iter().for_each(|value| bits(value).hash(hasher)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_tasks_share_a_template() {
        let mut graph = GraphBuilder::new("shared");
        for seed in [1i64, 2, 1, 1, 2] {
            graph.task("busy", attributes([("iterations", seed)])).add();
        }
        graph.task("busy", attributes([("iterations", 1i64)])).with(|t| t.priority = 3).add();
        let graph = graph.build();
        assert_eq!(graph.templates.len(), 3);
        let templates: Vec<u32> = graph.tasks.iter().map(|task| task.template).collect();
        assert_eq!(templates, [0, 1, 0, 0, 1, 2]);
    }

    #[test]
    fn additions_are_numbered_on() {
        let mut addition = GraphBuilder::addition(7);
        let task = addition.task("noop", Attributes::new()).after(TaskHandle::from_index(3)).add();
        assert_eq!(task.index(), 7);
        assert_eq!(addition.build().tasks[0].after, [3]);
    }

    #[test]
    fn the_catalogue_tells_how_many_outputs_there_are() {
        let mut graph = GraphBuilder::new("outputs");
        graph.task("noop", Attributes::new()).add();
        graph.task("busy", attributes([("iterations", 1i64)])).add();
        let outputs: Vec<u16> = graph.build().templates.iter().map(|t| t.outputs).collect();
        assert_eq!(outputs, [0, 1]);
    }

    #[test]
    fn an_external_is_listed_once() {
        let mut graph = GraphBuilder::new("externals");
        let first = graph.external(ObjectId(1));
        assert_eq!(graph.external(ObjectId(2)), Input::External(1));
        assert_eq!(graph.external(ObjectId(1)), first);
    }
}
