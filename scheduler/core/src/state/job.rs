//! One job's durable state. Tasks, edges and inputs lie in flat arrays: a waiting task takes some
//! forty bytes here, whatever the graph.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use drawloom_model::{
    ExecutorId, Failure, Input, JobId, JobKey, JobOptions, ObjectKey, ObjectReport, TaskGraph,
    TaskKey, Template,
};

use super::actors::Actors;
use super::{Effects, JobGangs, Names, Vault};
use crate::{JobState, TaskEnd, TaskState};

/// No edge, no maker.
pub(crate) const NONE: u32 = u32::MAX;

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Job {
    pub key: JobKey,
    pub id: JobId,
    pub token: Option<Box<str>>,
    /// Tells graphs apart that were submitted under one token; 0 without a token.
    pub fingerprint: u64,
    pub name: Box<str>,
    pub options: JobOptions,
    pub templates: Vec<Arc<Template>>,
    pub tasks: Vec<Task>,
    pub objects: Vec<Object>,
    /// Tasks' inputs, each task's in a row.
    inputs: Vec<ObjectKey>,
    /// Tasks' further predecessors, each task's in a row.
    after: Vec<u32>,
    /// Successor lists, linked through `next`, so that a growing graph appends.
    edges: Vec<Edge>,
    pub names: Names,
    pub outputs: Vec<(String, ObjectKey)>,
    /// Names of `outputs`, by their place in it.
    pub output_names: Names,
    pub gangs: JobGangs,
    pub failures: BTreeMap<u32, Failure>,
    pub actors: Actors,
    /// Whether nothing more can be added.
    pub sealed: bool,
    pub ended: bool,
    /// How many tasks have no final state.
    pub unended: u32,
    pub failed: u32,
    pub cancelled: u32,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Task {
    pub template: u32,
    pub first_output: u32,
    first_input: u32,
    input_count: u32,
    first_after: u32,
    after_count: u32,
    first_edge: u32,
    /// How many edges come from tasks that have not succeeded.
    pub unmet: u32,
    /// The current or last attempt's number, 0 before the first.
    pub attempt: u32,
    /// How many attempts have failed.
    pub retries: u32,
    pub phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Pending,
    Placed(ExecutorId),
    Succeeded,
    Failed,
    Cancelled,
}

impl Phase {
    pub fn is_final(self) -> bool {
        self.final_state().is_some()
    }

    pub fn final_state(self) -> Option<TaskState> {
        match self {
            Phase::Pending | Phase::Placed(_) => None,
            Phase::Succeeded => Some(TaskState::Succeeded),
            Phase::Failed => Some(TaskState::Failed),
            Phase::Cancelled => Some(TaskState::Cancelled),
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
struct Edge {
    to: u32,
    next: u32,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Object {
    /// The task that makes it, [`NONE`] for literals and put objects.
    pub maker: u32,
    /// How many inputs of unended tasks are this object, plus one while something pins it.
    pub references: u32,
    pub pinned: bool,
    pub content: Content,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Content {
    Pending,
    Available(Box<ObjectReport>),
    Dropped,
}

impl Object {
    pub fn pending(maker: u32) -> Self {
        Object { maker, references: 0, pinned: false, content: Content::Pending }
    }

    pub fn available(report: ObjectReport) -> Self {
        let content = Content::Available(Box::new(report));
        Object { maker: NONE, references: 0, pinned: false, content }
    }

    pub fn pin(&mut self) {
        if !self.pinned {
            self.pinned = true;
            self.references += 1;
        }
    }

    /// Forgets the content if nothing needs it; tells whether it did.
    pub fn drop_if_unused(&mut self) -> bool {
        let unused = self.references == 0 && matches!(self.content, Content::Available(_));
        if unused {
            self.content = Content::Dropped;
        }
        unused
    }
}

impl Job {
    pub fn new(key: JobKey, id: JobId, token: Option<Box<str>>, graph: &TaskGraph) -> Self {
        Job {
            key,
            id,
            fingerprint: if token.is_some() { fingerprint(graph) } else { 0 },
            token,
            name: graph.name.as_str().into(),
            options: graph.options.clone(),
            templates: Vec::new(),
            tasks: Vec::new(),
            objects: Vec::new(),
            inputs: Vec::new(),
            after: Vec::new(),
            edges: Vec::new(),
            names: Names::default(),
            outputs: Vec::new(),
            output_names: Names::default(),
            gangs: JobGangs::default(),
            failures: BTreeMap::new(),
            actors: Actors::default(),
            sealed: !graph.options.open,
            ended: false,
            unended: 0,
            failed: 0,
            cancelled: 0,
        }
    }

    /// Takes in a graph whose references were checked.
    pub fn admit(&mut self, graph: &TaskGraph, vault: &mut Vault, effects: &mut Effects) {
        let first_template = self.templates.len() as u32;
        self.templates.extend(graph.templates.iter().cloned());
        let first_literal = self.objects.len() as u32;
        self.objects.extend(
            graph
                .literals
                .iter()
                .map(|literal| Object::available(ObjectReport::Inline(literal.value.clone()))),
        );
        let externals: Vec<Option<ObjectKey>> =
            graph.externals.iter().map(|id| vault.key(*id)).collect();
        let first_task = self.tasks.len();
        self.tasks.reserve(graph.tasks.len());
        for task in &graph.tasks {
            self.push_task(first_template + task.template);
        }
        let resolve = |job: &Job, input: Input| match input {
            Input::Task { task, output } => Some(job.output_key(task, output)),
            Input::Literal(index) => Some(ObjectKey { job: job.key, index: first_literal + index }),
            Input::External(index) => externals[index as usize],
        };
        for (position, task) in graph.tasks.iter().enumerate() {
            let index = (first_task + position) as u32;
            self.link(index, task, vault, resolve);
            if let Some(name) = &task.name {
                self.names.insert(index, name);
            }
            if self.tasks[index as usize].unmet == 0 {
                effects.readied.push(TaskKey { job: self.key, index });
            }
        }
        for output in &graph.outputs {
            let Some(key) = resolve(self, output.object) else { continue };
            self.keep(key, vault);
            self.output_names.insert(self.outputs.len() as u32, &output.name);
            self.outputs.push((output.name.clone(), key));
        }
        self.gangs.extend(&graph.gangs);
        self.unended += graph.tasks.len() as u32;
        if graph.templates.iter().any(|template| template.actor().is_some()) {
            self.admit_actors(first_task as u32);
        }
        if self.sealed {
            self.drop_unused(first_literal, graph.literals.len(), effects);
        }
    }

    fn admit_actors(&mut self, first: u32) {
        for index in first..self.tasks.len() as u32 {
            if let Some(actor) = self.template_of(index).actor() {
                let lifetime = actor.lifetime;
                self.actors.admit(index, lifetime);
            }
        }
    }

    /// Keeps an object as long as the job is kept, whoever else lets go of it.
    fn keep(&mut self, key: ObjectKey, vault: &mut Vault) {
        if key.job == self.key {
            self.objects[key.index as usize].pin();
        } else if let Some(object) = vault.object_mut(key.index) {
            object.references += 1;
        }
    }

    fn push_task(&mut self, template: u32) {
        let index = self.tasks.len() as u32;
        let first_output = self.objects.len() as u32;
        for _ in 0..self.templates[template as usize].outputs {
            self.objects.push(Object::pending(index));
        }
        self.tasks.push(Task {
            template,
            first_output,
            first_input: 0,
            input_count: 0,
            first_after: 0,
            after_count: 0,
            first_edge: NONE,
            unmet: 0,
            attempt: 0,
            retries: 0,
            phase: Phase::Pending,
        });
    }

    /// Records a task's inputs and edges.
    fn link(
        &mut self,
        index: u32,
        task: &drawloom_model::Task,
        vault: &mut Vault,
        resolve: impl Fn(&Job, Input) -> Option<ObjectKey>,
    ) {
        let first_input = self.inputs.len() as u32;
        let first_after = self.after.len() as u32;
        let mut unmet = 0;
        for input in &task.inputs {
            let Some(key) = resolve(self, *input) else { continue };
            self.inputs.push(key);
            if let Some(object) = self.object_mut(key, vault) {
                object.references += 1;
            }
            if let Input::Task { task: maker, .. } = input {
                unmet += self.connect(*maker, index);
            }
        }
        for before in &task.after {
            self.after.push(*before);
            unmet += self.connect(*before, index);
        }
        let task = &mut self.tasks[index as usize];
        task.first_input = first_input;
        task.input_count = self.inputs.len() as u32 - first_input;
        task.first_after = first_after;
        task.after_count = self.after.len() as u32 - first_after;
        task.unmet = unmet;
    }

    /// Adds an edge unless it is met already; tells how many unmet edges that makes.
    fn connect(&mut self, from: u32, to: u32) -> u32 {
        let edge = self.edges.len() as u32;
        let task = &mut self.tasks[from as usize];
        if task.phase == Phase::Succeeded {
            return 0;
        }
        self.edges.push(Edge { to, next: task.first_edge });
        task.first_edge = edge;
        1
    }

    pub fn seal(&mut self, effects: &mut Effects) {
        self.sealed = true;
        self.drop_unused(0, self.objects.len(), effects);
    }

    fn drop_unused(&mut self, first: u32, count: usize, effects: &mut Effects) {
        for index in first..first + count as u32 {
            if self.objects[index as usize].drop_if_unused() {
                effects.dropped.push(ObjectKey { job: self.key, index });
            }
        }
    }

    /// Gives a task its final state; one that has one keeps it.
    pub fn end_task(
        &mut self,
        index: u32,
        end: &TaskEnd,
        vault: &mut Vault,
        effects: &mut Effects,
    ) {
        let Some(task) = self.tasks.get_mut(index as usize) else { return };
        if task.phase.is_final() {
            return;
        }
        self.unended -= 1;
        self.actors.end(index);
        match end {
            TaskEnd::Succeeded(reports) => {
                task.phase = Phase::Succeeded;
                self.fill_outputs(index, reports, effects);
                self.meet_dependents(index, effects);
            }
            TaskEnd::Failed(failure) => {
                task.phase = Phase::Failed;
                self.failed += 1;
                self.failures.insert(index, failure.clone());
            }
            TaskEnd::Cancelled => {
                task.phase = Phase::Cancelled;
                self.cancelled += 1;
            }
        }
        self.unreference_inputs(index, vault, effects);
    }

    fn fill_outputs(&mut self, index: u32, reports: &[ObjectReport], effects: &mut Effects) {
        let first = self.tasks[index as usize].first_output;
        for (place, report) in reports.iter().enumerate() {
            let object = &mut self.objects[first as usize + place];
            object.content = Content::Available(Box::new(report.clone()));
        }
        if self.sealed {
            self.drop_unused(first, reports.len(), effects);
        }
    }

    fn meet_dependents(&mut self, index: u32, effects: &mut Effects) {
        let mut edge = self.tasks[index as usize].first_edge;
        while edge != NONE {
            let Edge { to, next } = self.edges[edge as usize];
            let dependent = &mut self.tasks[to as usize];
            dependent.unmet -= 1;
            if dependent.unmet == 0 {
                effects.readied.push(TaskKey { job: self.key, index: to });
            }
            edge = next;
        }
    }

    fn unreference_inputs(&mut self, index: u32, vault: &mut Vault, effects: &mut Effects) {
        let task = &self.tasks[index as usize];
        let range = task.first_input as usize..(task.first_input + task.input_count) as usize;
        for place in range {
            let key = self.inputs[place];
            let sealed = self.sealed;
            let Some(object) = self.object_mut(key, vault) else { continue };
            object.references -= 1;
            if key.job == JobKey::VAULT {
                vault.drop_if_unused(key, effects);
            } else if sealed && object.drop_if_unused() {
                effects.dropped.push(key);
            }
        }
    }

    fn object_mut<'a>(
        &'a mut self,
        key: ObjectKey,
        vault: &'a mut Vault,
    ) -> Option<&'a mut Object> {
        if key.job == self.key {
            self.objects.get_mut(key.index as usize)
        } else {
            vault.object_mut(key.index)
        }
    }

    /// Lets go of every object, when the job is forgotten.
    pub fn drop_objects(&self, vault: &mut Vault, effects: &mut Effects) {
        for (_, key) in self.outputs.iter().filter(|(_, key)| key.job != self.key) {
            if let Some(object) = vault.object_mut(key.index) {
                object.references -= 1;
            }
            vault.drop_if_unused(*key, effects);
        }
        for (index, object) in self.objects.iter().enumerate() {
            if matches!(object.content, Content::Available(_)) {
                effects.dropped.push(ObjectKey { job: self.key, index: index as u32 });
            }
        }
    }

    pub fn inputs(&self, index: u32) -> &[ObjectKey] {
        let task = &self.tasks[index as usize];
        &self.inputs[task.first_input as usize..(task.first_input + task.input_count) as usize]
    }

    /// What a task makes.
    pub fn outputs_of(&self, index: u32) -> impl Iterator<Item = ObjectKey> + use<> {
        let first = self.tasks[index as usize].first_output;
        let (job, count) = (self.key, u32::from(self.template_of(index).outputs));
        (first..first + count).map(move |index| ObjectKey { job, index })
    }

    /// The tasks that must succeed first, perhaps with repetitions.
    pub fn predecessors(&self, index: u32) -> impl Iterator<Item = u32> + '_ {
        let task = &self.tasks[index as usize];
        let after = task.first_after as usize..(task.first_after + task.after_count) as usize;
        let makers = self.inputs(index).iter().filter(|key| key.job == self.key);
        makers
            .map(|key| self.objects[key.index as usize].maker)
            .filter(|maker| *maker != NONE)
            .chain(self.after[after].iter().copied())
    }

    /// The tasks that need this one, perhaps with repetitions.
    pub fn successors(&self, index: u32) -> impl Iterator<Item = u32> + '_ {
        let mut edge = self.tasks[index as usize].first_edge;
        std::iter::from_fn(move || {
            let found = self.edges.get(edge as usize)?;
            edge = found.next;
            Some(found.to)
        })
    }

    pub fn output_key(&self, task: u32, output: u16) -> ObjectKey {
        let first = self.tasks[task as usize].first_output;
        ObjectKey { job: self.key, index: first + u32::from(output) }
    }

    pub fn template_of(&self, index: u32) -> &Arc<Template> {
        &self.templates[self.tasks[index as usize].template as usize]
    }

    /// A task's own priority and its job's.
    pub fn priority_of(&self, index: u32) -> i32 {
        self.template_of(index).priority.saturating_add(self.options.priority)
    }

    pub fn state(&self) -> JobState {
        match self {
            job if !job.ended => JobState::Running,
            job if job.failed > 0 => JobState::Failed,
            job if job.cancelled > 0 => JobState::Cancelled,
            _ => JobState::Succeeded,
        }
    }

    /// A task's name, or its number where it has none.
    pub fn describe(&self, index: u32) -> String {
        match self.names.name(index) {
            Some(name) => format!("task {name:?}"),
            None => format!("task {index}"),
        }
    }

    #[cfg(test)]
    pub fn assert_consistent(&self) {
        let unended = self.tasks.iter().filter(|task| !task.phase.is_final()).count();
        assert_eq!(unended, self.unended as usize, "unended tasks of {:?}", self.key);
        for (index, task) in self.tasks.iter().enumerate() {
            let unmet = self
                .predecessors(index as u32)
                .filter(|before| self.tasks[*before as usize].phase != Phase::Succeeded)
                .count();
            assert_eq!(unmet, task.unmet as usize, "unmet edges of task {index}");
        }
        for (index, object) in self.objects.iter().enumerate() {
            let key = ObjectKey { job: self.key, index: index as u32 };
            let users = (0..self.tasks.len() as u32)
                .filter(|task| !self.tasks[*task as usize].phase.is_final())
                .flat_map(|task| self.inputs(task))
                .filter(|input| **input == key)
                .count();
            let expected = users + usize::from(object.pinned);
            assert_eq!(object.references as usize, expected, "references of {key:?}");
        }
    }
}

/// Tells graphs apart; equal graphs have equal fingerprints. Put objects are not told apart: who
/// submits a graph again may have put its objects anew.
pub(crate) fn fingerprint(graph: &TaskGraph) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&graph.name, graph.externals.len(), graph.templates.len()).hash(&mut hasher);
    let described = fmt::write(
        &mut HashText(&mut hasher),
        format_args!("{:?} {:?} {:?}", graph.options, graph.templates, graph.outputs),
    );
    debug_assert!(described.is_ok(), "hashing does not fail");
    for literal in &graph.literals {
        literal.value.data.hash(&mut hasher);
    }
    for task in &graph.tasks {
        (&task.name, task.template, &task.inputs, &task.after).hash(&mut hasher);
    }
    graph.gangs.hash(&mut hasher);
    hasher.finish()
}

/// Hashes what is written to it: floating-point attributes have a text, but no hash.
struct HashText<'h>(&'h mut DefaultHasher);

impl fmt::Write for HashText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Attributes, ObjectId, Template, Variant};

    use super::*;

    #[test]
    fn fingerprints_tell_graphs_apart_but_not_puts() {
        let graph = |rate: f64, object: u128| {
            let attributes = Attributes::from([("lr".to_owned(), Attribute::Float(rate))]);
            let template = Template::new(Variant::kernel("sgd", attributes), 1);
            TaskGraph {
                templates: vec![Arc::new(template)],
                externals: vec![ObjectId(object)],
                ..TaskGraph::default()
            }
        };
        let first = fingerprint(&graph(0.1, 1));
        assert_eq!(first, fingerprint(&graph(0.1, 2)));
        assert_ne!(first, fingerprint(&graph(0.2, 1)));
        let mut urgent = graph(0.1, 1);
        urgent.options.priority = 1;
        assert_ne!(first, fingerprint(&urgent));
    }
}
