//! What a program holds of a task or an object.

use std::fmt;

use allocative::{Allocative, Visitor};
use drawloom_model::Input;
use starlark::any::ProvidesStaticType;
use starlark::starlark_simple_value;
use starlark::values::list::ListRef;
use starlark::values::tuple::{AllocTuple, TupleRef};
use starlark::values::{Heap, NoSerialize, StarlarkValue, Value, starlark_value};

use crate::error::{Checked, Fault};

/// An object, or a task that makes none.
#[derive(Clone, Copy, Debug, ProvidesStaticType, NoSerialize)]
pub(super) enum Handle {
    Object(Input),
    Task(u32),
}

starlark_simple_value!(Handle);

#[starlark_value(type = "handle")]
impl<'v> StarlarkValue<'v> for Handle {}

/// Holds nothing on the heap.
impl Allocative for Handle {
    fn visit<'a, 'b: 'a>(&self, visitor: &'a mut Visitor<'b>) {
        visitor.enter_self_sized::<Self>().exit();
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Handle::Object(Input::Task { task, output }) => {
                write!(f, "<output {output} of task {task}>")
            }
            Handle::Object(Input::Literal(index)) => write!(f, "<literal {index}>"),
            Handle::Object(Input::External(index)) => write!(f, "<file {index}>"),
            Handle::Task(task) => write!(f, "<task {task}>"),
        }
    }
}

impl Handle {
    /// What a value is a handle of, if it is one.
    pub fn from_handle(value: Value<'_>) -> Option<Handle> {
        Handle::from_value(value).copied()
    }

    /// The object that a value is a handle of.
    pub fn object(value: Value<'_>) -> Checked<Input> {
        match Handle::from_value(value) {
            Some(Handle::Object(object)) => Ok(*object),
            Some(Handle::Task(_)) => {
                Err(Fault::new("the task makes no object; to run after it, use `after`"))
            }
            None if TupleRef::from_value(value).is_some() => {
                Err(Fault::new("the task makes several objects; unpack them and name one"))
            }
            None => {
                let kind = value.get_type();
                let advice = if matches!(kind, "int" | "float" | "bool") {
                    "; wrap it: constant(...)"
                } else {
                    ""
                };
                Err(Fault::new(format!("must be an object, is {kind}{advice}")))
            }
        }
    }

    /// The objects of a value: one handle, or lists and tuples of them.
    pub fn objects(value: Value<'_>, into: &mut Vec<Input>) -> Checked<()> {
        match items(value) {
            Some(items) => items.iter().try_for_each(|item| Handle::objects(*item, into)),
            None => Handle::object(value).map(|object| into.push(object)),
        }
    }

    /// The tasks behind a value: a handle, or lists and tuples of them. Data has no task.
    pub fn tasks(value: Value<'_>, into: &mut Vec<u32>) -> Checked<()> {
        if let Some(items) = items(value) {
            return items.iter().try_for_each(|item| Handle::tasks(*item, into));
        }
        match Handle::from_value(value) {
            Some(Handle::Task(task) | Handle::Object(Input::Task { task, .. })) => {
                if !into.contains(task) {
                    into.push(*task);
                }
                Ok(())
            }
            Some(Handle::Object(_)) => Err(Fault::new("data is there from the start")),
            None => Err(Fault::new(format!("must be a task, is {}", value.get_type()))),
        }
    }
}

/// The items of a list or tuple.
pub(super) fn items<'v>(value: Value<'v>) -> Option<&'v [Value<'v>]> {
    let list = ListRef::from_value(value).map(|list| list.content());
    list.or_else(|| TupleRef::from_value(value).map(|tuple| tuple.content()))
}

/// What a call gives for a task: its object, a tuple of several, or the task where it makes none.
pub(super) fn outputs<'v>(task: u32, count: u16, heap: Heap<'v>) -> Value<'v> {
    let handle = |output| heap.alloc(Handle::Object(Input::Task { task, output }));
    match count {
        0 => heap.alloc(Handle::Task(task)),
        1 => handle(0),
        _ => heap.alloc(AllocTuple((0..count).map(handle))),
    }
}
