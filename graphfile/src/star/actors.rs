//! Actors and calls in programs.

use std::collections::BTreeMap;

use drawloom_model::{ActorRef, Input};
use starlark::environment::GlobalsBuilder;
use starlark::eval::{Arguments, Evaluator};
use starlark::starlark_module;
use starlark::values::Value;

use super::call::TaskCall;
use super::handle::Handle;
use super::values::node;
use crate::error::{Checked, Fault};
use crate::node::Kind;

/// What an actor has of its own, beside what every task has and its constants.
const ACTOR_FIELDS: [&str; 9] = [
    "argv",
    "env",
    "working_directory",
    "actor_name",
    "detached",
    "mailbox",
    "checkpoint_every",
    "spawns",
    "max_restarts",
];

/// Actors, and calls of them.
#[starlark_module]
pub(super) fn actors(builder: &mut GlobalsBuilder) {
    /// An actor of a type that the executors know, or in a process (`argv`). Further positional
    /// arguments are objects for its constructor, further named ones its constants.
    fn actor<'v>(
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let mut positions = args.positions(eval.heap())?.peekable();
        let named = args.names_map()?;
        let mut call = TaskCall::new(eval);
        let mut entries = Vec::new();
        if let Some(type_name) = positions.peek().and_then(|value| value.unpack_str()) {
            entries.push(("type", Kind::Text(type_name.to_owned())));
            positions.next();
        }
        let mut inputs = Vec::new();
        for value in positions {
            Handle::objects(value, &mut inputs)?;
        }
        for (name, value) in &named {
            let name = name.as_str();
            if ACTOR_FIELDS.contains(&name) {
                let field = if name == "actor_name" { "name" } else { name };
                let value = node(*value, call.line()).map_err(|fault| fault.under(name))?;
                entries.push((field, value.kind));
            } else if !call.add_option(name, *value)? {
                call.add_attribute(name, *value)?;
            }
        }
        let entries = entries.into_iter().map(|(name, kind)| call.entry(name, kind)).collect();
        call.set("actor", Kind::Map(entries));
        call.finish(inputs, &BTreeMap::new(), eval)
    }

    /// A call of an actor, which is a handle or a name in the cluster. Further positional
    /// arguments are objects for the method, further named ones its constants.
    fn call<'v>(
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let mut positions = args.positions(eval.heap())?;
        let named = args.names_map()?;
        let mut call = TaskCall::new(eval);
        let callee = positions.next().map(callee).transpose()?;
        let callee = callee.ok_or_else(|| Fault::new("call(actor, method, ...): whom to call?"))?;
        let method = positions.next().and_then(|value| value.unpack_str());
        let method = method.ok_or_else(|| Fault::new("call(actor, method, ...): no method"))?;
        let mut entries = vec![("method", Kind::Text(method.to_owned()))];
        let mut inputs: Vec<Input> = Vec::new();
        for value in positions {
            Handle::objects(value, &mut inputs)?;
        }
        for (name, value) in &named {
            let name = name.as_str();
            if name == "outputs" {
                let value = node(*value, call.line()).map_err(|fault| fault.under(name))?;
                entries.push((name, value.kind));
            } else if !call.add_option(name, *value)? {
                call.add_attribute(name, *value)?;
            }
        }
        let entries = entries.into_iter().map(|(name, kind)| call.entry(name, kind)).collect();
        call.set("call", Kind::Map(entries));
        call.calls(callee);
        call.finish(inputs, &BTreeMap::new(), eval)
    }
}

/// Whom a value means.
fn callee(value: Value<'_>) -> Checked<ActorRef> {
    if let Some(name) = value.unpack_str() {
        return Ok(ActorRef::Name(name.to_owned()));
    }
    match Handle::from_handle(value) {
        Some(Handle::Task(task)) => Ok(ActorRef::Task(task)),
        Some(Handle::Object(_)) | None => {
            let kind = value.get_type();
            Err(Fault::new(format!("must be an actor or an actor's name, is {kind}")))
        }
    }
}
