//! Checks of a graph's structure: everything that needs no catalogue and no cluster.

mod actor;
mod cuda;
mod gang;

use std::collections::HashMap;

use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;

use crate::{
    INLINE_LIMIT_BYTES, Input, ProcessInput, ProcessOutput, ProcessSpec, Run, Task, TaskGraph,
    Template,
};

/// Bounds on what is accepted in one job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most tasks in one job.
    pub tasks: usize,
    /// The most objects that one task takes and tasks that it follows, together.
    pub task_edges: usize,
    /// The most edges in one graph or addition.
    pub edges: usize,
    /// The most objects that the tasks of one graph or addition make.
    pub outputs: usize,
    /// The most bytes of a name.
    pub name_bytes: usize,
    /// The most members of one gang.
    pub gang_members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            tasks: 4_000_000,
            task_edges: 100_000,
            edges: 32_000_000,
            outputs: 16_000_000,
            name_bytes: 256,
            gang_members: 1024,
        }
    }
}

/// Why a graph is refused. Every message names the task and the field at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum GraphError {
    #[error("the graph has {tasks} tasks, more than the limit of {limit}")]
    TooManyTasks { tasks: usize, limit: usize },
    #[error("{task} takes and follows {edges} objects and tasks, more than the limit of {limit}")]
    TooManyTaskEdges { task: String, edges: usize, limit: usize },
    #[error("the graph has {edges} edges, more than the limit of {limit}")]
    TooManyEdges { edges: usize, limit: usize },
    #[error("the graph's tasks make {outputs} objects, more than the limit of {limit}")]
    TooManyOutputs { outputs: usize, limit: usize },
    #[error("{what}: the name {name:?} is used twice")]
    DuplicateName { what: String, name: String },
    #[error("{what}: the name is {bytes} bytes long, more than the limit of {limit}")]
    NameTooLong { what: String, bytes: usize, limit: usize },
    #[error("{task}, template: there is no template {template}; the graph has {templates}")]
    UnknownTemplate { task: String, template: u32, templates: usize },
    #[error("{what}: there is no {kind} {index}; {kind}s go from 0 to {last}")]
    UnknownReference { what: String, kind: &'static str, index: u32, last: i64 },
    #[error("{what}: {producer} makes {outputs} output(s), there is no output {output}")]
    UnknownOutput { what: String, producer: String, output: u16, outputs: u16 },
    #[error("{task}: {message}")]
    BadActor { task: String, message: String },
    #[error("the tasks form a cycle: {}", cycle.join(" -> "))]
    Cycle { cycle: Vec<String> },
    #[error("{what}, {field}: {message}")]
    BadTemplate { what: String, template: usize, field: String, message: String },
    #[error("literal {index} ({name}): {message}")]
    BadLiteral { index: usize, name: String, message: String },
    #[error("gang {gang:?}, {field}: {message}")]
    BadGang { index: usize, gang: String, field: String, message: String },
}

/// Checks `graph`. `known_outputs(task)` tells how many outputs a task has that the job held
/// before this graph (`None` when there is no such task).
///
/// # Errors
/// The first fault found, see [`GraphError`].
pub fn validate(
    graph: &TaskGraph,
    limits: &Limits,
    known_outputs: impl Fn(u32) -> Option<u16>,
) -> Result<(), GraphError> {
    Validator { graph, limits, known_outputs }.run()
}

struct Validator<'a, F> {
    graph: &'a TaskGraph,
    limits: &'a Limits,
    known_outputs: F,
}

impl<F: Fn(u32) -> Option<u16>> Validator<'_, F> {
    fn run(&self) -> Result<(), GraphError> {
        let tasks = self.graph.first_task as usize + self.graph.tasks.len();
        if tasks > self.limits.tasks {
            return Err(GraphError::TooManyTasks { tasks, limit: self.limits.tasks });
        }
        for (index, template) in self.graph.templates.iter().enumerate() {
            check_template(template).map_err(|(field, message)| {
                let what = self.describe_template(index);
                GraphError::BadTemplate { what, template: index, field, message }
            })?;
        }
        self.check_literals()?;
        self.check_names()?;
        let forward = self.check_references()?;
        actor::check_tasks(self.graph, self.limits.name_bytes, |index| self.describe(index))?;
        if forward {
            self.check_acyclic()?;
        }
        if self.graph.gangs.is_empty() {
            return Ok(());
        }
        self.check_gangs()
    }

    fn check_literals(&self) -> Result<(), GraphError> {
        for (index, literal) in self.graph.literals.iter().enumerate() {
            let bad = |message| {
                Err(GraphError::BadLiteral { index, name: literal.name.clone(), message })
            };
            let size = literal.value.data.len();
            if size > INLINE_LIMIT_BYTES {
                return bad(format!(
                    "{size} bytes are more than the {INLINE_LIMIT_BYTES} that travel inline; put the object first"
                ));
            }
            if !literal.value.is_consistent() {
                return bad(format!(
                    "its type {} does not go with its {size} bytes",
                    literal.value.object_type
                ));
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), GraphError> {
        let mut seen = HashMap::new();
        for (position, task) in self.graph.tasks.iter().enumerate() {
            let Some(name) = &task.name else { continue };
            let index = self.graph.first_task + position as u32;
            self.check_length(name, || format!("task {index}"))?;
            if seen.insert(name.as_ref(), index).is_some() {
                return Err(GraphError::DuplicateName {
                    what: format!("task {index}"),
                    name: name.to_string(),
                });
            }
        }
        let mut outputs = HashMap::new();
        for output in &self.graph.outputs {
            self.check_length(&output.name, || format!("output {:?}", output.name))?;
            if outputs.insert(output.name.as_str(), ()).is_some() {
                return Err(GraphError::DuplicateName {
                    what: "outputs".to_owned(),
                    name: output.name.clone(),
                });
            }
        }
        self.check_length(&self.graph.name, || "the job".to_owned())
    }

    fn check_length(&self, name: &str, what: impl Fn() -> String) -> Result<(), GraphError> {
        let limit = self.limits.name_bytes;
        if name.len() > limit {
            return Err(GraphError::NameTooLong { what: what(), bytes: name.len(), limit });
        }
        Ok(())
    }

    /// Checks every reference; tells whether any task refers to itself or a later one.
    fn check_references(&self) -> Result<bool, GraphError> {
        let mut forward = false;
        let (mut edges, mut outputs) = (0, 0usize);
        for (position, task) in self.graph.tasks.iter().enumerate() {
            let index = self.graph.first_task + position as u32;
            if task.template as usize >= self.graph.templates.len() {
                return Err(GraphError::UnknownTemplate {
                    task: self.describe(index),
                    template: task.template,
                    templates: self.graph.templates.len(),
                });
            }
            let made = self.graph.templates[task.template as usize].outputs;
            outputs = outputs.saturating_add(usize::from(made));
            let task_edges = task.inputs.len() + task.after.len();
            if task_edges > self.limits.task_edges {
                return Err(GraphError::TooManyTaskEdges {
                    task: self.describe(index),
                    edges: task_edges,
                    limit: self.limits.task_edges,
                });
            }
            edges += task_edges;
            for (place, input) in task.inputs.iter().enumerate() {
                self.check_input(*input, || format!("{}, input {place}", self.describe(index)))?;
                forward |= matches!(input, Input::Task { task, .. } if *task >= index);
            }
            for (place, before) in task.after.iter().enumerate() {
                self.outputs_of(*before, || format!("{}, after {place}", self.describe(index)))?;
                forward |= *before >= index;
            }
            if let Some(callee) = actor::callee(self.graph, task) {
                self.outputs_of(callee, || format!("{}, call.actor", self.describe(index)))?;
                forward |= callee >= index;
            }
        }
        if outputs > self.limits.outputs {
            return Err(GraphError::TooManyOutputs { outputs, limit: self.limits.outputs });
        }
        if edges > self.limits.edges {
            return Err(GraphError::TooManyEdges { edges, limit: self.limits.edges });
        }
        for output in &self.graph.outputs {
            self.check_input(output.object, || format!("output {:?}", output.name))?;
        }
        Ok(forward)
    }

    fn check_input(&self, input: Input, what: impl Fn() -> String) -> Result<(), GraphError> {
        let in_range = |kind, index: u32, count: usize| {
            if (index as usize) < count {
                return Ok(());
            }
            Err(GraphError::UnknownReference { what: what(), kind, index, last: count as i64 - 1 })
        };
        match input {
            Input::Literal(index) => in_range("literal", index, self.graph.literals.len()),
            Input::External(index) => in_range("external", index, self.graph.externals.len()),
            Input::Task { task, output } => {
                let outputs = self.outputs_of(task, &what)?;
                if output < outputs {
                    return Ok(());
                }
                let producer = self.describe(task);
                Err(GraphError::UnknownOutput { what: what(), producer, output, outputs })
            }
        }
    }

    fn outputs_of(&self, task: u32, what: impl Fn() -> String) -> Result<u16, GraphError> {
        let known = match task.checked_sub(self.graph.first_task) {
            None => (self.known_outputs)(task),
            Some(position) => self
                .graph
                .tasks
                .get(position as usize)
                // A bad template index is reported where its own task is checked.
                .map(|task| {
                    self.graph.templates.get(task.template as usize).map_or(0, |t| t.outputs)
                }),
        };
        known.ok_or_else(|| GraphError::UnknownReference {
            what: what(),
            kind: "task",
            index: task,
            last: i64::from(self.graph.first_task) + self.graph.tasks.len() as i64 - 1,
        })
    }

    fn check_acyclic(&self) -> Result<(), GraphError> {
        let mut edges = DiGraphMap::<u32, ()>::new();
        for (position, task) in self.graph.tasks.iter().enumerate() {
            let index = self.graph.first_task + position as u32;
            for before in actor::forerunners(self.graph, task) {
                edges.add_edge(before, index, ());
            }
        }
        for component in kosaraju_scc(&edges) {
            let looped = component.len() > 1 || edges.contains_edge(component[0], component[0]);
            if looped {
                let cycle = self.find_cycle(&edges, &component).into_iter();
                return Err(GraphError::Cycle {
                    cycle: cycle.map(|task| self.describe(task)).collect(),
                });
            }
        }
        Ok(())
    }

    /// One cycle within a strongly connected component, the first node repeated at the end.
    fn find_cycle(&self, edges: &DiGraphMap<u32, ()>, component: &[u32]) -> Vec<u32> {
        let inside: std::collections::HashSet<u32> = component.iter().copied().collect();
        let start = component.iter().copied().min().unwrap_or_default();
        let mut path = vec![start];
        let mut position = HashMap::from([(start, 0)]);
        loop {
            let here = path[path.len() - 1];
            let next = edges.neighbors(here).filter(|next| inside.contains(next)).min();
            let Some(next) = next else { break };
            if let Some(first) = position.insert(next, path.len()) {
                path.drain(..first);
                path.push(next);
                break;
            }
            path.push(next);
        }
        path
    }

    /// The first task that a template is for: only who writes the wire knows of templates.
    fn describe_template(&self, template: usize) -> String {
        let user = self.graph.tasks.iter().position(|task| task.template as usize == template);
        match user {
            Some(position) => self.describe(self.graph.first_task + position as u32),
            None => format!("template {template}"),
        }
    }

    fn describe(&self, index: u32) -> String {
        let name = index
            .checked_sub(self.graph.first_task)
            .and_then(|position| self.graph.tasks.get(position as usize))
            .and_then(|task| task.name.as_ref());
        match name {
            Some(name) => format!("task {name:?}"),
            None => format!("task {index}"),
        }
    }
}

/// The tasks that must succeed before `task`, perhaps with repetitions.
fn predecessors(task: &Task) -> impl Iterator<Item = u32> {
    let makers = task.inputs.iter().filter_map(|input| match input {
        Input::Task { task, .. } => Some(*task),
        Input::Literal(_) | Input::External(_) => None,
    });
    makers.chain(task.after.iter().copied())
}

/// What is wrong with a template: the field and the fault.
fn check_template(template: &Template) -> Result<(), (String, String)> {
    let bad = |field: &str, message: &str| Err((field.to_owned(), message.to_owned()));
    if template.variants.is_empty() {
        return bad("variants", "at least one is needed");
    }
    if template.variants.len() > usize::from(u8::MAX) {
        return bad("variants", "there are more than 255");
    }
    for (place, variant) in template.variants.iter().enumerate() {
        let field = |name: &str| field_of(template, place, name);
        if let Some(gpu) = &variant.request.gpu {
            if gpu.devices == 0 {
                return bad(&field("request.gpu.devices"), "must be at least 1");
            }
            if gpu.milli > 1000 {
                return bad(&field("request.gpu.share"), "a device has 1000 thousandths");
            }
        }
        if let Run::Cuda(spec) = &variant.run
            && let Err((what, message)) = cuda::check(spec, variant, template.outputs)
        {
            return bad(&field(&what), &message);
        }
        if let Run::Process(process) = &variant.run {
            if process.argv.first().is_none_or(String::is_empty) {
                return bad(&field("process.argv"), "an executable is needed");
            }
            if let Some((what, message)) = unfit_text(process) {
                return bad(&field(&format!("process.{what}")), message);
            }
            if process.outputs.len() != usize::from(template.outputs) {
                return bad(
                    &field("process.outputs"),
                    "there must be one for each output of the task",
                );
            }
            if let Some((what, path)) = file_outside(process) {
                let message = format!(
                    "file path {path:?} must be relative and stay in the working directory"
                );
                return bad(&field(&format!("process.{what}")), &message);
            }
        }
    }
    actor::check_template(template)?;
    if !(1.0..=1e6).contains(&template.retry.backoff.factor) {
        return bad("retry.backoff.factor", "must be between 1 and 1000000");
    }
    Ok(())
}

/// A field of a variant, which is the task's own where there is no choice.
fn field_of(template: &Template, variant: usize, name: &str) -> String {
    match template.variants.len() {
        1 => name.to_owned(),
        _ => format!("variants[{variant}].{name}"),
    }
}

/// What the system takes in no argument, variable or path: the field, and what is wrong there.
fn unfit_text(process: &ProcessSpec) -> Option<(&'static str, &'static str)> {
    let has_null = |text: &String| text.contains('\0');
    let null = "contains a null character";
    if process.argv.iter().any(has_null) {
        return Some(("argv", null));
    }
    if process.working_directory.as_ref().is_some_and(has_null) {
        return Some(("working_directory", null));
    }
    if process.env.iter().any(|(name, value)| has_null(name) || has_null(value)) {
        return Some(("env", null));
    }
    if process.env.keys().any(|name| name.is_empty() || name.contains('=')) {
        return Some(("env", "a variable's name is neither empty nor contains ="));
    }
    let input_has = |input: &ProcessInput| match input {
        ProcessInput::File(text) | ProcessInput::Map(text) => has_null(text),
        ProcessInput::Stdin => false,
    };
    let output_has = |output: &ProcessOutput| match output {
        ProcessOutput::File(text) | ProcessOutput::Map(text) => has_null(text),
        ProcessOutput::Stdout | ProcessOutput::Stderr | ProcessOutput::ExitCode => false,
    };
    if process.inputs.iter().any(input_has) {
        return Some(("inputs", null));
    }
    process.outputs.iter().any(output_has).then_some(("outputs", null))
}

/// The first file of a process that does not lie in its working directory, and the field.
fn file_outside(process: &ProcessSpec) -> Option<(&'static str, &str)> {
    let inputs = process.inputs.iter().filter_map(|input| match input {
        ProcessInput::File(path) => Some(("inputs", path.as_str())),
        ProcessInput::Stdin | ProcessInput::Map(_) => None,
    });
    let outputs = process.outputs.iter().filter_map(|output| match output {
        ProcessOutput::File(path) => Some(("outputs", path.as_str())),
        ProcessOutput::Stdout
        | ProcessOutput::Stderr
        | ProcessOutput::ExitCode
        | ProcessOutput::Map(_) => None,
    });
    inputs.chain(outputs).find(|(_, path)| !ProcessSpec::holds_file(path))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Attributes, NamedOutput, Variant};

    fn graph(tasks: Vec<Task>) -> TaskGraph {
        let template = Template::new(Variant::kernel("noop", Attributes::new()), 1);
        TaskGraph { templates: vec![Arc::new(template)], tasks, ..TaskGraph::default() }
    }

    fn task(name: &str, after: &[u32]) -> Task {
        Task { name: Some(name.into()), after: after.to_vec(), ..Task::default() }
    }

    fn check(graph: &TaskGraph, expected: &str) {
        let error = validate(graph, &Limits::default(), |_| None).expect_err("a bad graph");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_cycle_is_named() {
        let graph =
            graph(vec![task("a", &[]), task("b", &[0, 3]), task("c", &[1]), task("d", &[2])]);
        check(&graph, r#"the tasks form a cycle: task "b" -> task "c" -> task "d" -> task "b""#);
    }

    #[test]
    fn a_task_after_itself_is_a_cycle() {
        check(&graph(vec![task("a", &[0])]), r#"the tasks form a cycle: task "a" -> task "a""#);
    }

    #[test]
    fn later_tasks_may_come_first_in_the_list() {
        let graph = graph(vec![task("a", &[1]), task("b", &[])]);
        assert_eq!(validate(&graph, &Limits::default(), |_| None), Ok(()));
    }

    #[test]
    fn unknown_references_are_named() {
        let mut bad = graph(vec![task("a", &[]), task("b", &[])]);
        bad.tasks[1].inputs.push(Input::Task { task: 0, output: 1 });
        check(&bad, r#"task "b", input 0: task "a" makes 1 output(s), there is no output 1"#);
        bad.tasks[1].inputs = vec![Input::Task { task: 7, output: 0 }];
        check(&bad, r#"task "b", input 0: there is no task 7; tasks go from 0 to 1"#);
        bad.tasks[1].inputs.clear();
        let object = Input::Literal(0);
        bad.outputs.push(NamedOutput { name: "x".into(), object });
        check(&bad, r#"output "x": there is no literal 0; literals go from 0 to -1"#);
    }

    #[test]
    fn names_are_unique() {
        check(
            &graph(vec![task("a", &[]), task("a", &[])]),
            r#"task 1: the name "a" is used twice"#,
        );
    }

    #[test]
    fn additions_refer_to_earlier_tasks() {
        let mut addition = graph(vec![Task::default()]);
        addition.first_task = 5;
        addition.tasks[0].inputs.push(Input::Task { task: 2, output: 0 });
        let known = |task| (task < 5).then_some(1);
        assert_eq!(validate(&addition, &Limits::default(), known), Ok(()));
    }

    #[test]
    fn texts_that_the_system_takes_nowhere_are_refused() {
        let refused = |spec: ProcessSpec, expected: &str| {
            let spec = ProcessSpec { argv: [vec!["true".into()], spec.argv].concat(), ..spec };
            let variant =
                Variant { run: Run::Process(spec), ..Variant::kernel("", Attributes::new()) };
            let mut graph = graph(vec![task("a", &[])]);
            graph.templates = vec![Arc::new(Template::new(variant, 0))];
            check(&graph, &format!("task \"a\", process.{expected}"));
        };
        let null = || "a\0b".to_owned();
        let none = ProcessSpec::default;
        refused(ProcessSpec { argv: vec![null()], ..none() }, "argv: contains a null character");
        let env = [("X".to_owned(), null())].into();
        refused(ProcessSpec { env, ..none() }, "env: contains a null character");
        let env = [("X=Y".to_owned(), String::new())].into();
        let told = "env: a variable's name is neither empty nor contains =";
        refused(ProcessSpec { env, ..none() }, told);
        let inputs = vec![ProcessInput::Map(null())];
        refused(ProcessSpec { inputs, ..none() }, "inputs: contains a null character");
        let directory = ProcessSpec { working_directory: Some(null()), ..none() };
        refused(directory, "working_directory: contains a null character");
    }

    #[test]
    fn faults_of_variants_name_the_task_and_the_variant() {
        let empty = || Variant {
            run: Run::Process(ProcessSpec::default()),
            ..Variant::kernel("", Attributes::new())
        };
        let mut graph = graph(vec![task("a", &[]), Task { template: 1, ..Task::default() }]);
        graph.first_task = 7;
        graph.templates.push(Arc::new(Template::new(empty(), 0)));
        check(&graph, "task 8, process.argv: an executable is needed");
        let mut both = Template::new(Variant::kernel("noop", Attributes::new()), 0);
        both.variants.push(empty());
        graph.templates[1] = Arc::new(both);
        check(&graph, "task 8, variants[1].process.argv: an executable is needed");
        graph.tasks.pop();
        check(&graph, "template 1, variants[1].process.argv: an executable is needed");
    }

    #[test]
    fn files_of_processes_stay_in_their_directory() {
        for path in ["", "/etc/passwd", "../up", "a/../../b"] {
            let spec = ProcessSpec {
                argv: vec!["true".into()],
                outputs: vec![ProcessOutput::File(path.into())],
                ..ProcessSpec::default()
            };
            let variant =
                Variant { run: Run::Process(spec), ..Variant::kernel("", Attributes::new()) };
            let mut graph = graph(vec![task("a", &[])]);
            graph.templates = vec![Arc::new(Template::new(variant, 1))];
            let expected = format!(
                "task \"a\", process.outputs: file path {path:?} must be relative and stay in the working directory"
            );
            check(&graph, &expected);
        }
    }

    #[test]
    fn oversized_graphs_are_refused() {
        let limits = Limits { tasks: 1, ..Limits::default() };
        let graph = graph(vec![task("a", &[]), task("b", &[])]);
        assert_eq!(
            validate(&graph, &limits, |_| None),
            Err(GraphError::TooManyTasks { tasks: 2, limit: 1 })
        );
        let limits = Limits { outputs: 1, ..Limits::default() };
        assert_eq!(
            validate(&graph, &limits, |_| None),
            Err(GraphError::TooManyOutputs { outputs: 2, limit: 1 })
        );
        let limits = Limits { task_edges: 1, ..Limits::default() };
        let graph = self::graph(vec![task("a", &[]), task("b", &[0, 0])]);
        let message = r#"task "b" takes and follows 2 objects and tasks, more than the limit of 1"#;
        let refused = validate(&graph, &limits, |_| None).expect_err("too many");
        assert_eq!(refused.to_string(), message);
    }
}
