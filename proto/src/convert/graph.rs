//! Task graphs and the parts they come in.

use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    Gang, Input, JobOptions, Literal, NamedOutput, OnFailure, Task, TaskGraph, Template,
};
use prost::Message as _;

use super::nanos;
use crate::field::{FieldError, each, narrow, nested};
use crate::v1;

/// Adds a part to `graph`. Fields at fault are numbered over the whole graph.
///
/// # Errors
/// The first field that means nothing; `graph` is then incomplete.
pub fn append_chunk(graph: &mut TaskGraph, chunk: v1::GraphChunk) -> Result<(), FieldError> {
    let templates: Vec<_> = each(chunk.templates, "templates", graph.templates.len(), |wire| {
        Template::try_from(wire).map(Arc::new)
    })?;
    let literals: Vec<_> =
        each(chunk.literals, "literals", graph.literals.len(), Literal::try_from)?;
    let externals: Vec<_> = each(chunk.externals, "externals", graph.externals.len(), |id| {
        id.parse().map_err(|error| FieldError::new("", error))
    })?;
    let tasks: Vec<_> = each(chunk.tasks, "tasks", graph.tasks.len(), Task::try_from)?;
    let outputs: Vec<_> =
        each(chunk.outputs, "outputs", graph.outputs.len(), NamedOutput::try_from)?;
    let gangs: Vec<_> = each(chunk.gangs, "gangs", graph.gangs.len(), Gang::try_from)?;
    extend(&mut graph.templates, templates);
    extend(&mut graph.literals, literals);
    extend(&mut graph.externals, externals);
    extend(&mut graph.tasks, tasks);
    extend(&mut graph.outputs, outputs);
    extend(&mut graph.gangs, gangs);
    Ok(())
}

/// Takes over the whole list where there was none: most graphs come in one part.
fn extend<T>(list: &mut Vec<T>, more: Vec<T>) {
    if list.is_empty() {
        *list = more;
    } else {
        list.extend(more);
    }
}

/// Splits a graph's lists into parts of about `chunk_bytes` at most, at least one part. A single
/// item larger than that is a part of its own.
pub fn split_graph(graph: &TaskGraph, chunk_bytes: usize) -> Vec<v1::GraphChunk> {
    let mut parts =
        Parts { full: Vec::new(), current: v1::GraphChunk::default(), bytes: 0, chunk_bytes };
    for template in &graph.templates {
        let wire = v1::Template::from(template.as_ref());
        parts.room_for(wire.encoded_len()).templates.push(wire);
    }
    for literal in &graph.literals {
        let wire = v1::Literal::from(literal);
        parts.room_for(wire.encoded_len()).literals.push(wire);
    }
    for external in &graph.externals {
        let wire = external.to_string();
        parts.room_for(wire.len()).externals.push(wire);
    }
    for task in &graph.tasks {
        parts.room_for(task_bytes(task)).tasks.push(task.into());
    }
    for output in &graph.outputs {
        let wire = v1::NamedOutput::from(output);
        parts.room_for(wire.encoded_len()).outputs.push(wire);
    }
    for gang in &graph.gangs {
        let wire = v1::Gang::from(gang);
        parts.room_for(wire.encoded_len()).gangs.push(wire);
    }
    parts.full.push(parts.current);
    parts.full
}

/// About how many bytes a task takes; never less than it does.
fn task_bytes(task: &Task) -> usize {
    const INPUT_BYTES: usize = 16;
    const AFTER_BYTES: usize = 5;
    let name = task.name.as_ref().map_or(0, |name| name.len());
    16 + name + task.inputs.len() * INPUT_BYTES + task.after.len() * AFTER_BYTES
}

struct Parts {
    full: Vec<v1::GraphChunk>,
    current: v1::GraphChunk,
    bytes: usize,
    chunk_bytes: usize,
}

impl Parts {
    /// The part that takes an item of so many bytes: a new one when the current one is full.
    fn room_for(&mut self, item_bytes: usize) -> &mut v1::GraphChunk {
        const FRAMING_BYTES: usize = 6;
        let bytes = item_bytes + FRAMING_BYTES;
        if self.bytes > 0 && self.bytes + bytes > self.chunk_bytes {
            self.full.push(std::mem::take(&mut self.current));
            self.bytes = 0;
        }
        self.bytes += bytes;
        &mut self.current
    }
}

impl From<&Task> for v1::Task {
    fn from(task: &Task) -> Self {
        v1::Task {
            name: task.name.as_deref().unwrap_or_default().to_owned(),
            template: task.template,
            inputs: task.inputs.iter().map(|input| (*input).into()).collect(),
            after: task.after.clone(),
        }
    }
}

impl TryFrom<v1::Task> for Task {
    type Error = FieldError;

    fn try_from(wire: v1::Task) -> Result<Self, FieldError> {
        Ok(Task {
            name: (!wire.name.is_empty()).then(|| wire.name.into_boxed_str()),
            template: wire.template,
            inputs: each(wire.inputs, "inputs", 0, Input::try_from)?,
            after: wire.after,
        })
    }
}

impl From<Input> for v1::Input {
    fn from(input: Input) -> Self {
        let (kind, index, output) = match input {
            Input::Task { task, output } => (v1::InputKind::Task, task, output),
            Input::Literal(index) => (v1::InputKind::Literal, index, 0),
            Input::External(index) => (v1::InputKind::External, index, 0),
        };
        v1::Input { kind: kind.into(), index, output: output.into() }
    }
}

impl TryFrom<v1::Input> for Input {
    type Error = FieldError;

    fn try_from(wire: v1::Input) -> Result<Self, FieldError> {
        match v1::InputKind::try_from(wire.kind) {
            Ok(v1::InputKind::Task) => {
                Ok(Input::Task { task: wire.index, output: narrow(wire.output, "output")? })
            }
            Ok(v1::InputKind::Literal) => Ok(Input::Literal(wire.index)),
            Ok(v1::InputKind::External) => Ok(Input::External(wire.index)),
            Err(unknown) => Err(FieldError::new("kind", unknown)),
        }
    }
}

impl From<&Literal> for v1::Literal {
    fn from(literal: &Literal) -> Self {
        v1::Literal { name: literal.name.clone(), value: Some(literal.value.clone().into()) }
    }
}

impl TryFrom<v1::Literal> for Literal {
    type Error = FieldError;

    fn try_from(wire: v1::Literal) -> Result<Self, FieldError> {
        Ok(Literal { name: wire.name, value: nested(wire.value, "value")? })
    }
}

impl From<&NamedOutput> for v1::NamedOutput {
    fn from(output: &NamedOutput) -> Self {
        v1::NamedOutput { name: output.name.clone(), object: Some(output.object.into()) }
    }
}

impl TryFrom<v1::NamedOutput> for NamedOutput {
    type Error = FieldError;

    fn try_from(wire: v1::NamedOutput) -> Result<Self, FieldError> {
        Ok(NamedOutput { name: wire.name, object: nested(wire.object, "object")? })
    }
}

impl From<&JobOptions> for v1::JobOptions {
    fn from(options: &JobOptions) -> Self {
        let on_failure = match options.on_failure {
            OnFailure::Continue => v1::OnFailure::Continue,
            OnFailure::CancelJob => v1::OnFailure::CancelJob,
        };
        v1::JobOptions {
            priority: options.priority,
            deadline_nanos: options.deadline.map(nanos),
            on_failure: on_failure.into(),
            wait_for_resources: options.wait_for_resources,
            open: options.open,
        }
    }
}

impl TryFrom<v1::JobOptions> for JobOptions {
    type Error = FieldError;

    fn try_from(wire: v1::JobOptions) -> Result<Self, FieldError> {
        let on_failure = match v1::OnFailure::try_from(wire.on_failure) {
            Ok(v1::OnFailure::Continue) => OnFailure::Continue,
            Ok(v1::OnFailure::CancelJob) => OnFailure::CancelJob,
            Err(unknown) => return Err(FieldError::new("on_failure", unknown)),
        };
        Ok(JobOptions {
            priority: wire.priority,
            deadline: wire.deadline_nanos.map(Duration::from_nanos),
            on_failure,
            wait_for_resources: wire.wait_for_resources,
            open: wire.open,
        })
    }
}
