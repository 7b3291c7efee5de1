//! Building a graph: templates are shared, names unique, data either inline or put beside it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use drawloom_model::{
    ActorRef, INLINE_LIMIT_BYTES, Input, Limits, Literal, NamedOutput, ObjectId, ObjectType,
    ProcessInput, Task, TaskGraph, Template, Value,
};

use crate::data::{FileObject, Source};
use crate::error::{Checked, Fault};
use crate::load::Place;
use crate::plain::{GangEntry, ProcessEntry, TaskEntry};

mod actor;
mod check;
mod cuda;
mod template;

pub(crate) use template::output_names;

/// A graph in the making.
pub(crate) struct Builder {
    pub graph: TaskGraph,
    pub files: Vec<FileObject>,
    /// Where each task was said, in the order of the tasks.
    pub places: Vec<Place>,
    /// Where each gang was said, in the order of the gangs.
    pub gang_places: Vec<Place>,
    source: Source,
    limits: Limits,
    /// By their text: templates hold floats, which have no hash.
    templates: HashMap<String, u32>,
    literals: HashMap<(ObjectType, Bytes), u32>,
    by_path: HashMap<PathBuf, Input>,
    names: HashMap<Box<str>, u32>,
}

/// The object that a name stands for in a process's `stdin` and `files`.
pub(crate) type Resolve<'a> = &'a dyn Fn(&str) -> Checked<Input>;

impl Builder {
    pub fn new(source: Source, limits: Limits) -> Self {
        Builder {
            graph: TaskGraph::default(),
            files: Vec::new(),
            places: Vec::new(),
            gang_places: Vec::new(),
            source,
            limits,
            templates: HashMap::new(),
            literals: HashMap::new(),
            by_path: HashMap::new(),
            names: HashMap::new(),
        }
    }

    /// An object that comes with the graph. Equal ones are shared.
    pub fn add_literal(&mut self, name: &str, value: Value) -> Checked<Input> {
        let size = value.data.len();
        if size > INLINE_LIMIT_BYTES {
            return Err(Fault::new(format!(
                "{size} bytes are more than the {INLINE_LIMIT_BYTES} that fit into a graph file; \
                 keep them in a file of their own, or let a kernel make them"
            )));
        }
        let next = self.graph.literals.len() as u32;
        let key = (value.object_type.clone(), value.data.clone());
        let index = *self.literals.entry(key).or_insert(next);
        if index == next {
            self.graph.literals.push(Literal { name: name.to_owned(), value });
        }
        Ok(Input::Literal(index))
    }

    /// Where a data file is, absolutely, for processes on this machine.
    pub fn path_of(&self, name: &str) -> Checked<String> {
        let path = self.source.locate(name)?;
        path.into_os_string()
            .into_string()
            .map_err(|path| Fault::new(format!("{} is not Unicode", path.display())))
    }

    /// A data file: inline where it is small, an external otherwise. Read once, however often it
    /// is named.
    pub fn add_file(&mut self, name: &str) -> Checked<Input> {
        let path = self.source.locate(name)?;
        if let Some(known) = self.by_path.get(&path) {
            return Ok(*known);
        }
        let bytes = self.source.read(&path, name)?;
        let input = if bytes.len() <= INLINE_LIMIT_BYTES {
            self.add_literal(name, Value::blob(bytes))?
        } else {
            let external = self.graph.externals.len() as u32;
            self.graph.externals.push(ObjectId(external.into()));
            let name = name.to_owned();
            self.files.push(FileObject { external, path: path.clone(), name, bytes });
            Input::External(external)
        };
        self.by_path.insert(path, input);
        Ok(input)
    }

    /// Adds a task that is said at `place`. `inputs` are those that the entry lists; a process
    /// may name more. `callee` is whom a call calls, unless its entry names an actor.
    pub fn add_task(
        &mut self,
        entry: &TaskEntry,
        mut inputs: Vec<Input>,
        after: Vec<u32>,
        callee: Option<ActorRef>,
        resolve: Resolve<'_>,
        place: Place,
    ) -> Checked<u32> {
        let index = self.graph.tasks.len();
        if index >= self.limits.tasks {
            let limit = self.limits.tasks;
            return Err(Fault::new(format!("the graph has more than {limit} tasks")));
        }
        let template = template::template(entry, &mut inputs, callee, resolve, &self.source)?;
        let index = index as u32;
        if let Some(name) = &entry.name {
            self.claim_name(name, index).map_err(|fault| fault.under("name"))?;
        }
        let template = self.share(template);
        let name = entry.name.as_deref().map(Into::into);
        self.graph.tasks.push(Task { name, template, inputs, after });
        self.places.push(place);
        Ok(index)
    }

    fn claim_name(&mut self, name: &str, index: u32) -> Checked<()> {
        if name.is_empty() {
            return Err(Fault::new("a name must have letters"));
        }
        if let Some(first) = self.names.insert(name.into(), index) {
            let line = self.places[first as usize].line;
            return Err(Fault::new(format!(
                "the name {name:?} is taken by the task of line {line}"
            )));
        }
        Ok(())
    }

    /// Makes tasks start together, as said at `place`.
    pub fn add_gang(&mut self, entry: &GangEntry, members: Vec<u32>, place: Place) -> Checked<()> {
        let known = self.graph.gangs.iter().position(|gang| gang.name == entry.name);
        if let Some(first) = known {
            let (name, line) = (&entry.name, self.gang_places[first].line);
            let message = format!("the name {name:?} is taken by the gang of line {line}");
            return Err(Fault::new(message).under("name"));
        }
        self.graph.gangs.push(entry.to_gang(members)?);
        self.gang_places.push(place);
        Ok(())
    }

    /// Keeps `object` under `name` after the job.
    pub fn add_output(&mut self, name: &str, object: Input) -> Checked<()> {
        if self.graph.outputs.iter().any(|output| output.name == name) {
            return Err(Fault::new(format!("there is an output {name:?} already")));
        }
        self.graph.outputs.push(NamedOutput { name: name.to_owned(), object });
        Ok(())
    }

    fn share(&mut self, template: Template) -> u32 {
        let next = self.graph.templates.len() as u32;
        let index = *self.templates.entry(format!("{template:?}")).or_insert(next);
        if index == next {
            self.graph.templates.push(Arc::new(template));
        }
        index
    }
}

/// What a process says of its objects: the role of each, and which object it is.
pub(crate) fn process_inputs(
    process: &ProcessEntry,
    resolve: Resolve<'_>,
) -> Checked<Vec<(ProcessInput, Input)>> {
    let mut wanted = Vec::new();
    if let Some(name) = &process.stdin {
        let object = resolve(name).map_err(|fault| fault.under("stdin"))?;
        wanted.push((ProcessInput::Stdin, object));
    }
    for (path, name) in &process.files {
        let object = resolve(name).map_err(|fault| fault.under(path).under("files"))?;
        wanted.push((ProcessInput::File(path.clone()), object));
    }
    for (variable, name) in &process.maps {
        let object = resolve(name).map_err(|fault| fault.under(variable).under("maps"))?;
        wanted.push((ProcessInput::Map(variable.clone()), object));
    }
    Ok(wanted)
}
