//! Checks a graph's kernel calls before anything runs.

use std::sync::Arc;

use drawloom_model::{
    Attributes, DType, Input, ProcessOutput, ProcessSpec, Run, Task, TaskGraph, Template,
};

use crate::order::order;
use crate::{CudaCall, CudaError, Signature, SignatureError, ValueType, find, suggest};

/// The types of what each task of a graph makes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GraphTypes {
    first_task: u32,
    tasks: Vec<Arc<[ValueType]>>,
}

impl GraphTypes {
    /// The types of the outputs of `task`, an index in the job; none where the graph does not
    /// have the task.
    pub fn outputs(&self, task: u32) -> &[ValueType] {
        let place = task.checked_sub(self.first_task);
        place.and_then(|place| self.tasks.get(place as usize)).map_or(&[], |types| types)
    }

    /// The type of one output of `task`, where there is one.
    pub fn output(&self, task: u32, output: u16) -> Option<&ValueType> {
        self.outputs(task).get(usize::from(output))
    }

    /// The types of the outputs of every task, in the graph's order. Equal ones are shared.
    pub fn tasks(&self) -> &[Arc<[ValueType]>] {
        &self.tasks
    }
}

/// Why a graph's calls are refused. Every message names the task.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CheckError {
    #[error("{task}: {error}")]
    Call { task: String, error: SignatureError },
    #[error("{task}: there is no kernel {kernel:?}{}", did_you_mean(.suggestion.as_deref()))]
    UnknownKernel { task: String, kernel: String, suggestion: Option<&'static str> },
    #[error("{task}: {kernel} makes {expected} output(s), the task has {declared}")]
    OutputCount { task: String, kernel: &'static str, expected: usize, declared: u16 },
    #[error("{task}: the process says what becomes of {expected} input(s), the task takes {got}")]
    ProcessInputs { task: String, expected: usize, got: usize },
    #[error("{task}: cuda.{error}")]
    Cuda { task: String, error: CudaError },
    #[error("{task}: variants differ in output {output}: {first}, {other}")]
    VariantsDiffer { task: String, output: usize, first: String, other: String },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

/// Checks every task of `graph` and tells the types of what the tasks make.
///
/// `prior(task, output)` is the type of an output of a task that the job held before this graph;
/// `external(index)` that of an entry of `graph.externals`. The graph should have passed
/// `drawloom_model::validate`; what refers to nothing is taken as unknown.
///
/// # Errors
/// The first call, in an order in which tasks can run, that can be told to fail.
pub fn check_graph(
    graph: &TaskGraph,
    prior: &dyn Fn(u32, u16) -> ValueType,
    external: &dyn Fn(u32) -> ValueType,
) -> Result<GraphTypes, CheckError> {
    let mut checker = Checker {
        graph,
        prior,
        external,
        templates: graph.templates.iter().map(|_| None).collect(),
        tasks: vec![Arc::from([]); graph.tasks.len()],
        inputs: Vec::new(),
    };
    for place in order(graph) {
        checker.check(place)?;
    }
    Ok(GraphTypes { first_task: graph.first_task, tasks: checker.tasks })
}

struct Checker<'a> {
    graph: &'a TaskGraph,
    prior: &'a dyn Fn(u32, u16) -> ValueType,
    external: &'a dyn Fn(u32) -> ValueType,
    /// The last call of each template. Neighbouring tasks mostly take the same types.
    templates: Vec<Option<LastCall>>,
    tasks: Vec<Arc<[ValueType]>>,
    /// The input types of the task at hand; kept for its memory.
    inputs: Vec<ValueType>,
}

struct LastCall {
    inputs: Vec<ValueType>,
    outputs: Arc<[ValueType]>,
}

impl Checker<'_> {
    fn check(&mut self, place: u32) -> Result<(), CheckError> {
        let task = &self.graph.tasks[place as usize];
        let Some(template) = self.graph.templates.get(task.template as usize) else {
            return Ok(());
        };
        self.read_inputs(task);
        let last = &mut self.templates[task.template as usize];
        let outputs = match last {
            Some(last) if last.inputs == self.inputs => last.outputs.clone(),
            _ => {
                let outputs: Arc<[ValueType]> =
                    check_template(template, &self.inputs, || describe(self.graph, place))?.into();
                *last = Some(LastCall { inputs: self.inputs.clone(), outputs: outputs.clone() });
                outputs
            }
        };
        self.tasks[place as usize] = outputs;
        Ok(())
    }

    fn read_inputs(&mut self, task: &Task) {
        let mut inputs = std::mem::take(&mut self.inputs);
        inputs.clear();
        inputs.extend(task.inputs.iter().map(|input| self.input_type(*input)));
        self.inputs = inputs;
    }

    fn input_type(&self, input: Input) -> ValueType {
        let literals = &self.graph.literals;
        match input {
            Input::Task { task, output } => match task.checked_sub(self.graph.first_task) {
                None => (self.prior)(task, output),
                Some(place) => self
                    .tasks
                    .get(place as usize)
                    .and_then(|types| types.get(usize::from(output)))
                    .cloned()
                    .unwrap_or_default(),
            },
            Input::Literal(index) => literals
                .get(index as usize)
                .map(|literal| ValueType::from(&literal.value.object_type))
                .unwrap_or_default(),
            Input::External(index) => (self.external)(index),
        }
    }
}

/// The task at `place` in the graph's list, for people.
fn describe(graph: &TaskGraph, place: u32) -> String {
    match graph.tasks.get(place as usize).and_then(|task| task.name.as_ref()) {
        Some(name) => format!("task {name:?}"),
        None => format!("task {}", u64::from(graph.first_task) + u64::from(place)),
    }
}

/// What a task of this template makes of these inputs, as far as all its variants tell.
fn check_template(
    template: &Template,
    inputs: &[ValueType],
    task: impl Fn() -> String,
) -> Result<Vec<ValueType>, CheckError> {
    let mut outputs = vec![ValueType::Unknown; usize::from(template.outputs)];
    for variant in &template.variants {
        let types = check_run(&variant.run, template.outputs, inputs, &task)?;
        for (place, (output, value_type)) in outputs.iter_mut().zip(types).enumerate() {
            *output = output.unify(&value_type).ok_or_else(|| CheckError::VariantsDiffer {
                task: task(),
                output: place,
                first: format!("{} makes {output}", template.variants[0].run.name()),
                other: format!("{} makes {value_type}", variant.run.name()),
            })?;
        }
    }
    Ok(outputs)
}

fn check_run(
    run: &Run,
    declared: u16,
    inputs: &[ValueType],
    task: &impl Fn() -> String,
) -> Result<Vec<ValueType>, CheckError> {
    match run {
        Run::Process(process) => check_process(process, inputs.len(), task),
        Run::Cuda(spec) => match CudaCall::new(spec, inputs) {
            Ok(call) => Ok(call.outputs),
            Err(error) => Err(CheckError::Cuda { task: task(), error }),
        },
        // What actors take and what their methods give is known where they live.
        Run::Actor(_) | Run::Call(_) => Ok(vec![ValueType::Unknown; usize::from(declared)]),
        Run::Kernel(call) => match find(&call.name) {
            Some(signature) => check_call(signature, &call.attributes, declared, inputs, task),
            None => Err(CheckError::UnknownKernel {
                task: task(),
                kernel: call.name.clone(),
                suggestion: suggest(&call.name),
            }),
        },
    }
}

fn check_call(
    signature: &Signature,
    attributes: &Attributes,
    declared: u16,
    inputs: &[ValueType],
    task: &impl Fn() -> String,
) -> Result<Vec<ValueType>, CheckError> {
    let expected = signature.outputs.len();
    if usize::from(declared) != expected {
        let kernel = signature.name;
        return Err(CheckError::OutputCount { task: task(), kernel, expected, declared });
    }
    signature.infer(inputs, attributes).map_err(|error| CheckError::Call { task: task(), error })
}

fn check_process(
    process: &ProcessSpec,
    got: usize,
    task: &impl Fn() -> String,
) -> Result<Vec<ValueType>, CheckError> {
    let expected = process.inputs.len();
    if expected != got {
        return Err(CheckError::ProcessInputs { task: task(), expected, got });
    }
    let types = process.outputs.iter().map(|output| match output {
        ProcessOutput::ExitCode => ValueType::scalar(Some(DType::I32)),
        ProcessOutput::Stdout
        | ProcessOutput::Stderr
        | ProcessOutput::File(_)
        | ProcessOutput::Map(_) => ValueType::Blob,
    });
    Ok(types.collect())
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Literal, Value, Variant};

    use super::*;

    fn call(kernel: &str, attributes: &[(&str, Attribute)], outputs: u16) -> Arc<Template> {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Arc::new(Template::new(Variant::kernel(kernel, attributes.collect()), outputs))
    }

    fn fill(rows: i64, columns: i64) -> Arc<Template> {
        call("fill", &[("shape", Attribute::Ints(vec![rows, columns]))], 1)
    }

    fn task(name: &str, template: u32, makers: &[u32]) -> Task {
        let inputs = makers.iter().map(|task| Input::Task { task: *task, output: 0 }).collect();
        Task { name: Some(name.into()), template, inputs, ..Task::default() }
    }

    fn check(templates: Vec<Arc<Template>>, tasks: Vec<Task>) -> Result<GraphTypes, CheckError> {
        let graph = TaskGraph { templates, tasks, ..TaskGraph::default() };
        check_graph(&graph, &|_, _| ValueType::Unknown, &|_| ValueType::Unknown)
    }

    fn refusal(templates: Vec<Arc<Template>>, tasks: Vec<Task>) -> String {
        check(templates, tasks).expect_err("a bad graph").to_string()
    }

    #[test]
    fn shapes_that_do_not_go_together_are_both_shown() {
        let templates = vec![fill(128, 64), fill(32, 10), call("matmul", &[], 1)];
        let tasks = vec![task("a", 0, &[]), task("b", 1, &[]), task("w1", 2, &[0, 1])];
        assert_eq!(
            refusal(templates, tasks),
            r#"task "w1": matmul: inner extents differ: a is f32[128, 64], b is f32[32, 10]"#
        );
    }

    #[test]
    fn names_are_suggested() {
        assert_eq!(
            refusal(vec![call("matmull", &[], 1)], vec![task("x", 0, &[])]),
            r#"task "x": there is no kernel "matmull"; did you mean "matmul"?"#
        );
        let misspelt = call("fill", &[("shpae", Attribute::Ints(vec![1]))], 1);
        assert_eq!(
            refusal(vec![misspelt], vec![Task::default()]),
            r#"task 0: fill: unknown attribute "shpae"; did you mean "shape"?"#
        );
    }

    #[test]
    fn outputs_are_counted() {
        assert_eq!(
            refusal(vec![call("noop", &[], 1)], vec![task("x", 0, &[])]),
            r#"task "x": noop makes 0 output(s), the task has 1"#
        );
    }

    #[test]
    fn types_flow_from_later_tasks_too() {
        let templates = vec![fill(3, 4), call("transpose", &[], 1)];
        let tasks = vec![task("t", 1, &[1]), task("a", 0, &[]), task("u", 1, &[0])];
        let types = check(templates, tasks).expect("a good graph");
        assert_eq!(types.output(0, 0), Some(&ValueType::tensor(DType::F32, [4, 3])));
        assert_eq!(types.output(2, 0), Some(&ValueType::tensor(DType::F32, [3, 4])));
        assert_eq!(types.output(2, 1), None);
    }

    #[test]
    fn a_cycle_ends_the_check_all_the_same() {
        let tasks = vec![task("a", 0, &[1]), task("b", 0, &[0])];
        let types = check(vec![call("exp", &[], 1)], tasks).expect("cycles are refused elsewhere");
        assert_eq!(types.outputs(0), []);
    }

    #[test]
    fn literals_externals_and_earlier_tasks_have_their_types() {
        let graph = TaskGraph {
            first_task: 7,
            templates: vec![call("add", &[], 1)],
            literals: vec![Literal { name: "x".into(), value: Value::scalar_f32(1.0) }],
            tasks: vec![
                Task { inputs: vec![Input::Literal(0), Input::External(0)], ..Task::default() },
                task("y", 0, &[7, 3]),
            ],
            ..TaskGraph::default()
        };
        let row = |_| ValueType::tensor(DType::F32, [5]);
        let types = check_graph(&graph, &|_, _| ValueType::tensor(DType::F32, [2, 1]), &row)
            .expect("a good graph");
        assert_eq!(types.output(8, 0), Some(&ValueType::tensor(DType::F32, [2, 5])));
        let error = check_graph(&graph, &|_, _| ValueType::Blob, &row).expect_err("no tensor");
        assert!(
            error.to_string().starts_with(r#"task "y": add, input b: must be a tensor, is blob"#)
        );
    }

    #[test]
    fn variants_make_the_same() {
        let mut template = (*fill(2, 2)).clone();
        template.variants.push(fill(2, 3).variants[0].clone());
        assert_eq!(
            refusal(vec![Arc::new(template)], vec![task("x", 0, &[])]),
            r#"task "x": variants differ in output 0: fill makes f32[2, 2], fill makes f32[2, 3]"#
        );
    }

    #[test]
    fn tasks_alike_share_their_types() {
        let tasks = (0..1000).map(|_| Task::default()).collect();
        let types = check(vec![fill(2, 2)], tasks).expect("a good graph");
        assert!(types.tasks().iter().all(|task| Arc::ptr_eq(task, &types.tasks()[0])));
    }
}
