//! A task in the making, as a call says it.

use std::collections::BTreeMap;

use drawloom_model::{ActorRef, Input};
use starlark::eval::Evaluator;
use starlark::values::Value;

use super::handle::{Handle, outputs};
use super::session::{Session, place};
use super::values::node;
use crate::error::{Checked, Fault};
use crate::load::Place;
use crate::node::{Entry, Kind, Node};
use crate::plain::TaskEntry;

/// A task in the making: its entry as in a plain file, field by field.
pub(super) struct TaskCall {
    place: Place,
    fields: Vec<Entry>,
    attributes: Vec<Entry>,
    /// Resources that are given as arguments of their own.
    resources: Vec<Entry>,
    after: Vec<u32>,
    /// Whom it calls, where it is a call.
    callee: Option<ActorRef>,
}

impl TaskCall {
    /// The arguments that every task takes.
    pub const OPTIONS: [&str; 16] = [
        "name",
        "after",
        "cpu",
        "memory",
        "gpu",
        "custom",
        "request",
        "variants",
        "labels",
        "tolerations",
        "priority",
        "retry",
        "timeout",
        "deadline",
        "expected_time",
        "attributes",
    ];

    pub fn new(eval: &Evaluator<'_, '_, '_>) -> Self {
        TaskCall {
            place: place(eval),
            fields: Vec::new(),
            attributes: Vec::new(),
            resources: Vec::new(),
            after: Vec::new(),
            callee: None,
        }
    }

    pub fn line(&self) -> u32 {
        self.place.line
    }

    pub fn entry(&self, name: &str, kind: Kind) -> Entry {
        let line = self.line();
        Entry { key: name.to_owned(), line, value: Node::new(line, kind) }
    }

    pub fn set(&mut self, name: &str, kind: Kind) {
        self.fields.push(self.entry(name, kind));
    }

    /// Makes it a call of this actor.
    pub fn calls(&mut self, actor: ActorRef) {
        self.callee = Some(actor);
    }

    /// Adds an attribute of the kernel; `None` leaves it out.
    pub fn add_attribute(&mut self, name: &str, value: Value<'_>) -> Checked<()> {
        if value.is_none() {
            return Ok(());
        }
        let value = node(value, self.line()).map_err(|fault| fault.under(name))?;
        self.attributes.push(self.entry(name, value.kind));
        Ok(())
    }

    /// Adds an option; tells whether there is one of that name.
    pub fn add_option(&mut self, name: &str, value: Value<'_>) -> Checked<bool> {
        match name {
            "after" => {
                let added = Handle::tasks(value, &mut self.after);
                added.map_err(|fault| fault.under(name))?;
            }
            _ if !Self::OPTIONS.contains(&name) => return Ok(false),
            _ if value.is_none() => {}
            _ => {
                let value = node(value, self.line()).map_err(|fault| fault.under(name))?;
                let entry = self.entry(name, value.kind);
                match name {
                    "cpu" | "memory" | "gpu" | "custom" => self.resources.push(entry),
                    _ => self.fields.push(entry),
                }
            }
        }
        Ok(true)
    }

    /// Adds the task and gives its outputs. `objects` are those that a process names.
    pub fn finish<'v>(
        mut self,
        inputs: Vec<Input>,
        objects: &BTreeMap<String, Input>,
        eval: &Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let fields = [
            ("attributes", std::mem::take(&mut self.attributes)),
            ("request", std::mem::take(&mut self.resources)),
        ];
        for (name, entries) in fields {
            if entries.is_empty() {
                continue;
            }
            if self.fields.iter().any(|entry| entry.key == name) {
                let message = format!("give `{name}` or its parts as arguments, not both");
                return Err(Fault::new(message).into());
            }
            self.set(name, Kind::Map(entries));
        }
        let entry = Node::new(self.line(), Kind::Map(self.fields));
        let add = || -> Checked<_> {
            let entry: TaskEntry = entry.read()?;
            let mut builder = Session::of(eval)?.builder.borrow_mut();
            let resolve = |name: &str| {
                objects.get(name).copied().ok_or_else(|| Fault::new("must be an object"))
            };
            let task =
                builder.add_task(&entry, inputs, self.after, self.callee, &resolve, self.place)?;
            let template = builder.graph.tasks[task as usize].template;
            Ok((task, builder.graph.templates[template as usize].outputs))
        };
        let (task, count) = add()?;
        Ok(outputs(task, count, eval.heap()))
    }
}
