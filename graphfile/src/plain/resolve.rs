//! A plain file turned into a graph: names become references.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use drawloom_model::{ActorRef, DType, Input, JobOptions, OnFailure, Value};

use super::file::{Data, GraphFile, JobEntry, OnFailureEntry, TaskEntry, dtype};
use crate::build::{Builder, output_names};
use crate::constant::tensor;
use crate::error::{Checked, Fault, LoadError, Step};
use crate::load::Place;
use crate::node::Node;
use crate::suggest::advice;

/// Reads a plain file's tree into `builder` and checks the graph.
pub(crate) fn read_plain(path: &Path, root: &Node, builder: &mut Builder) -> Result<(), LoadError> {
    let located = |fault: Box<Fault>| fault.in_file(path, root);
    let file: GraphFile = root.read().map_err(located)?;
    add(&file, path, root, builder).map_err(located)?;
    builder.check().map_err(|error| {
        let fault = match &error.field {
            Some((field, message)) if error.task.is_some() => in_field(Fault::new(message), field),
            _ => Fault::new(error.message),
        };
        located(match (error.task, error.gang) {
            (Some(task), _) => fault.within(task).under("tasks"),
            (None, Some((gang, field))) => in_field(fault, &field).within(gang).under("gangs"),
            (None, None) => fault,
        })
    })
}

fn add(file: &GraphFile, path: &Path, root: &Node, builder: &mut Builder) -> Checked<()> {
    if let Some(name) = &file.name {
        builder.graph.name.clone_from(name);
    }
    builder.graph.options = file.options.to_options();
    let names = Names::collect(file, builder)?;
    let path: Arc<Path> = path.into();
    for (index, task) in file.tasks.iter().enumerate() {
        let located = |fault: Box<Fault>| fault.within(index).under("tasks");
        let line = root.line_of(&[Step::Key("tasks".to_owned()), Step::Index(index)]);
        let place = Place { path: path.clone(), line };
        add_task(task, &names, builder, place).map_err(located)?;
    }
    for (name, reference) in &file.outputs {
        let object = names.object(reference);
        object
            .and_then(|object| builder.add_output(name, object))
            .map_err(|fault| fault.under(name).under("outputs"))?;
    }
    for (index, gang) in file.gangs.iter().enumerate() {
        let line = root.line_of(&[Step::Key("gangs".to_owned()), Step::Index(index)]);
        let place = Place { path: path.clone(), line };
        let members = each(&gang.members, "members", |name| names.task(name));
        members
            .and_then(|members| builder.add_gang(gang, members, place))
            .map_err(|fault| fault.within(index).under("gangs"))?;
    }
    Ok(())
}

/// The fault in a field such as `members[1]`.
fn in_field(fault: Box<Fault>, field: &str) -> Box<Fault> {
    field.rsplit('.').fold(fault, |fault, part| match part.split_once('[') {
        Some((list, index)) => match index.trim_end_matches(']').parse() {
            Ok(index) => fault.within(index).under(list),
            Err(_) => fault.under(list),
        },
        None => fault.under(part),
    })
}

fn add_task(
    task: &TaskEntry,
    names: &Names<'_>,
    builder: &mut Builder,
    place: Place,
) -> Checked<()> {
    let inputs = each(&task.inputs, "inputs", |name| names.object(name))?;
    let after = each(&task.after, "after", |name| names.task(name))?;
    let callee = match task.call.as_ref().and_then(|call| call.actor.as_deref()) {
        Some(name) => {
            let actor = names.task(name);
            Some(ActorRef::Task(actor.map_err(|fault| fault.under("actor").under("call"))?))
        }
        None => None,
    };
    builder.add_task(task, inputs, after, callee, &|name| names.object(name), place).map(|_| ())
}

fn each<T>(items: &[String], field: &str, f: impl Fn(&str) -> Checked<T>) -> Checked<Vec<T>> {
    let items = items.iter().enumerate();
    items.map(|(index, item)| f(item).map_err(|fault| fault.within(index).under(field))).collect()
}

/// What the names of a file stand for.
struct Names<'a> {
    data: BTreeMap<&'a str, Input>,
    tasks: HashMap<&'a str, u32>,
    /// The names of what each task makes.
    outputs: Vec<Vec<String>>,
}

impl<'a> Names<'a> {
    fn collect(file: &'a GraphFile, builder: &mut Builder) -> Checked<Self> {
        let mut names = Names { data: BTreeMap::new(), tasks: HashMap::new(), outputs: Vec::new() };
        for (name, data) in &file.inputs {
            let input = data.add(name, builder);
            let input = input.map_err(|fault| fault.under(name).under("inputs"))?;
            names.data.insert(name, input);
        }
        for (index, task) in file.tasks.iter().enumerate() {
            let located = |fault: Box<Fault>| fault.within(index).under("tasks");
            names.outputs.push(output_names(task).map_err(located)?);
            let Some(name) = task.name.as_deref() else { continue };
            if names.data.contains_key(name) {
                let message = format!("the name {name:?} is taken by an input");
                return Err(located(Fault::new(message).under("name")));
            }
            // A name used twice is reported where the second task is added.
            names.tasks.entry(name).or_insert(index as u32);
        }
        Ok(names)
    }

    /// The object that `reference` stands for: an input's name, a task's, or `task.output`.
    fn object(&self, reference: &str) -> Checked<Input> {
        if let Some(input) = self.data.get(reference) {
            return Ok(*input);
        }
        if let Some(task) = self.tasks.get(reference) {
            return self.only_output(reference, *task);
        }
        // Names may have dots themselves: the longest task name wins.
        for (dot, _) in reference.rmatch_indices('.') {
            if let Some(task) = self.tasks.get(&reference[..dot]) {
                return self.output(&reference[..dot], *task, &reference[dot + 1..]);
            }
        }
        let mut known: Vec<&str> = self.data.keys().chain(self.tasks.keys()).copied().collect();
        known.sort_unstable();
        let advice = advice(reference, known, "there are");
        Err(Fault::new(format!("there is no input or task {reference:?}{advice}")))
    }

    fn only_output(&self, name: &str, task: u32) -> Checked<Input> {
        let outputs = &self.outputs[task as usize];
        match outputs.len() {
            1 => Ok(Input::Task { task, output: 0 }),
            0 => Err(Fault::new(format!(
                "task {name:?} makes no object; to run after it, name it in `after`"
            ))),
            count => {
                let ways: Vec<String> = outputs.iter().map(|o| format!("{name}.{o}")).collect();
                let ways = ways.join(", ");
                Err(Fault::new(format!("task {name:?} makes {count} objects; name one: {ways}")))
            }
        }
    }

    fn output(&self, name: &str, task: u32, output: &str) -> Checked<Input> {
        let outputs = &self.outputs[task as usize];
        let by_number = output.parse().ok().filter(|index: &usize| *index < outputs.len());
        let index = by_number.or_else(|| outputs.iter().position(|known| known == output));
        match index {
            // A task makes at most 65535 objects.
            Some(index) => Ok(Input::Task { task, output: index as u16 }),
            None => {
                let advice = advice(output, outputs.iter().map(String::as_str), "it makes");
                Err(Fault::new(format!("task {name:?} makes no {output:?}{advice}")))
            }
        }
    }

    fn task(&self, name: &str) -> Checked<u32> {
        self.tasks.get(name).copied().ok_or_else(|| {
            let mut known: Vec<&str> = self.tasks.keys().copied().collect();
            known.sort_unstable();
            Fault::new(format!("there is no task {name:?}{}", advice(name, known, "there are")))
        })
    }
}

impl Data {
    fn add(&self, name: &str, builder: &mut Builder) -> Checked<Input> {
        if self.value.is_none() {
            if self.dtype.is_some() {
                return Err(Fault::new("goes with `value` only").under("dtype"));
            }
            if self.shape.is_some() {
                return Err(Fault::new("goes with `value` only").under("shape"));
            }
        }
        match (&self.file, &self.text, &self.value) {
            (Some(file), None, None) => builder.add_file(file).map_err(|fault| fault.under("file")),
            (None, Some(text), None) => builder
                .add_literal(name, Value::blob(text.clone().into_bytes()))
                .map_err(|fault| fault.under("text")),
            (None, None, Some(value)) => {
                let dtype = self.dtype.as_deref().map_or(Ok(DType::F32), dtype);
                let dtype = dtype.map_err(|message| Fault::new(message).under("dtype"))?;
                builder.add_literal(name, tensor(value, dtype, self.shape.as_deref())?)
            }
            _ => Err(Fault::new("give exactly one of `file`, `text` and `value`")),
        }
    }
}

impl JobEntry {
    /// The options as the scheduler takes them.
    pub fn to_options(&self) -> JobOptions {
        JobOptions {
            priority: self.priority,
            deadline: self.deadline.map(|span| span.0),
            on_failure: match self.on_failure {
                OnFailureEntry::Continue => OnFailure::Continue,
                OnFailureEntry::CancelJob => OnFailure::CancelJob,
            },
            wait_for_resources: self.wait_for_resources,
            open: self.open,
        }
    }
}
