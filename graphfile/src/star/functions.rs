//! The functions of a program beside the kernels.

use std::collections::BTreeMap;

use drawloom_model::{DType, Input, Value as ObjectValue};
use starlark::environment::GlobalsBuilder;
use starlark::eval::{Arguments, Evaluator};
use starlark::starlark_module;
use starlark::values::dict::DictRef;
use starlark::values::float::UnpackFloat;
use starlark::values::none::{NoneOr, NoneType};
use starlark::values::{Heap, Value};

use super::call::TaskCall;
use super::handle::Handle;
use super::parameters::Parameter;
use super::session::{Session, place};
use super::values::node;
use crate::constant::tensor;
use crate::error::{Checked, Fault};
use crate::node::{Entry, Kind, Node};
use crate::plain::{GangEntry, JobEntry, Nested, dtype};

/// Data, parameters, outputs and the job.
#[starlark_module]
pub(super) fn objects(builder: &mut GlobalsBuilder) {
    /// A file beside or below the program, as a blob.
    fn file<'v>(
        #[starlark(require = pos)] path: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Handle> {
        let object = Session::of(eval).and_then(|s| s.builder.borrow_mut().add_file(path));
        object.map(Handle::Object).map_err(Into::into)
    }

    /// Where a file beside or below the program is, for processes that run on this machine: `file`
    /// is what travels to others.
    fn path<'v>(
        #[starlark(require = pos)] path: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<String> {
        let path = Session::of(eval).and_then(|s| s.builder.borrow().path_of(path));
        path.map_err(Into::into)
    }

    /// Text as a blob.
    fn text<'v>(
        #[starlark(require = pos)] text: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Handle> {
        add_literal(ObjectValue::blob(text.as_bytes().to_vec()), eval).map_err(Into::into)
    }

    /// A number or nested lists of numbers as a tensor.
    fn constant<'v>(
        #[starlark(require = pos)] value: Value<'v>,
        #[starlark(default = NoneOr::None)] dtype: NoneOr<&str>,
        #[starlark(default = NoneOr::None)] shape: NoneOr<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Handle> {
        let value = constant_value(value, dtype.into_option(), shape.into_option());
        value.and_then(|value| add_literal(value, eval)).map_err(Into::into)
    }

    /// Keeps an object after the job, by a name.
    fn output<'v>(
        #[starlark(require = pos)] name: &str,
        #[starlark(require = pos)] object: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let add = || -> Checked<()> {
            let object = Handle::object(object)?;
            Session::of(eval)?.builder.borrow_mut().add_output(name, object)
        };
        add().map(|()| NoneType).map_err(Into::into)
    }

    /// A parameter: what was given for it, as the type of the default, or the default.
    fn param<'v>(
        #[starlark(require = pos)] name: &str,
        #[starlark(require = pos)] default: Value<'v>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        parameter(name, default, eval).map_err(Into::into)
    }

    /// The job's name and options.
    fn job<'v>(
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        args.no_positional_args(eval.heap())?;
        let named = args.names_map()?;
        let line = place(eval).line;
        let mut name = None;
        let mut entries = Vec::new();
        for (key, value) in &named {
            let value = node(*value, line).map_err(|fault| fault.under(key.as_str()))?;
            match (key.as_str(), value.kind) {
                ("name", Kind::Text(text)) => name = Some(text),
                (key, kind) => {
                    let value = Node::new(line, kind);
                    entries.push(Entry { key: key.to_owned(), line, value });
                }
            }
        }
        set_job(name, &Node::new(line, Kind::Map(entries)), eval)?;
        Ok(NoneType)
    }
}

/// Tasks that are no kernels, and what tasks have in common.
#[starlark_module]
pub(super) fn tasks(builder: &mut GlobalsBuilder) {
    /// Makes tasks start together or not at all. Each member is a task or an object that it makes.
    fn gang<'v>(
        #[starlark(require = pos)] name: &str,
        #[starlark(require = pos)] members: Value<'v>,
        #[starlark(default = NoneOr::None)] strategy: NoneOr<Value<'v>>,
        #[starlark(default = NoneOr::None)] timeout: NoneOr<Value<'v>>,
        #[starlark(default = NoneOr::None)] topology: NoneOr<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let options = [("strategy", strategy), ("timeout", timeout), ("topology", topology)];
        add_gang(name, members, options, eval).map(|()| NoneType).map_err(Into::into)
    }

    /// A process. Its standard input and files are objects.
    fn process<'v>(
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        args.no_positional_args(eval.heap())?;
        let named = args.names_map()?;
        let mut call = TaskCall::new(eval);
        let mut objects = BTreeMap::new();
        let mut entries = Vec::new();
        for (name, value) in &named {
            let name = name.as_str();
            let added = match name {
                "stdin" => stdin(*value, &mut objects).map(|node| entries.push((name, node))),
                "files" => files(*value, &mut objects).map(|node| entries.push((name, node))),
                "maps" => maps(*value, &mut objects).map(|node| entries.push((name, node))),
                _ => match call.add_option(name, *value) {
                    Ok(true) => Ok(()),
                    // What is no option is the process's own; its struct refuses the unknown.
                    Ok(false) => {
                        node(*value, call.line()).map(|node| entries.push((name, node.kind)))
                    }
                    Err(fault) => Err(fault),
                },
            };
            added.map_err(|fault| fault.under(name))?;
        }
        let entries = entries.into_iter().map(|(name, kind)| call.entry(name, kind)).collect();
        call.set("process", Kind::Map(entries));
        call.finish(Vec::new(), &objects, eval)
    }
}

/// What schedules and initial values need, beside Starlark's own arithmetic.
#[starlark_module]
pub(super) fn mathematics(builder: &mut GlobalsBuilder) {
    const pi: f64 = std::f64::consts::PI;

    /// The square root.
    fn sqrt(#[starlark(require = pos)] x: UnpackFloat) -> anyhow::Result<f64> {
        Ok(x.0.sqrt())
    }

    /// `x` to the power of `y`.
    fn pow(
        #[starlark(require = pos)] x: UnpackFloat,
        #[starlark(require = pos)] y: UnpackFloat,
    ) -> anyhow::Result<f64> {
        Ok(x.0.powf(y.0))
    }

    /// e to the power of `x`.
    fn exp(#[starlark(require = pos)] x: UnpackFloat) -> anyhow::Result<f64> {
        Ok(x.0.exp())
    }

    /// The natural logarithm.
    fn log(#[starlark(require = pos)] x: UnpackFloat) -> anyhow::Result<f64> {
        Ok(x.0.ln())
    }

    /// The cosine of an angle in radians.
    fn cos(#[starlark(require = pos)] x: UnpackFloat) -> anyhow::Result<f64> {
        Ok(x.0.cos())
    }
}

fn add_gang<'v>(
    name: &str,
    members: Value<'v>,
    options: [(&str, NoneOr<Value<'v>>); 3],
    eval: &Evaluator<'v, '_, '_>,
) -> Checked<()> {
    let mut tasks = Vec::new();
    Handle::tasks(members, &mut tasks).map_err(|fault| fault.under("members"))?;
    let place = place(eval);
    let entry = |key: &str, kind| {
        let value = Node::new(place.line, kind);
        Entry { key: key.to_owned(), line: place.line, value }
    };
    let mut entries =
        vec![entry("name", Kind::Text(name.to_owned())), entry("members", Kind::List(Vec::new()))];
    for (key, value) in options {
        if let Some(value) = value.into_option() {
            let value = node(value, place.line).map_err(|fault| fault.under(key))?;
            entries.push(entry(key, value.kind));
        }
    }
    let gang: GangEntry = Node::new(place.line, Kind::Map(entries)).read()?;
    Session::of(eval)?.builder.borrow_mut().add_gang(&gang, tasks, place)
}

/// The name under which a process's standard input is found among its objects.
const STDIN: &str = "";

fn stdin(value: Value<'_>, objects: &mut BTreeMap<String, Input>) -> Checked<Kind> {
    objects.insert(STDIN.to_owned(), Handle::object(value)?);
    Ok(Kind::Text(STDIN.to_owned()))
}

fn files(value: Value<'_>, objects: &mut BTreeMap<String, Input>) -> Checked<Kind> {
    objects_by(value, "path", "", objects)
}

/// The names of maps are found apart from the paths of files.
fn maps(value: Value<'_>, objects: &mut BTreeMap<String, Input>) -> Checked<Kind> {
    objects_by(value, "name", "map:", objects)
}

fn objects_by(
    value: Value<'_>,
    what: &str,
    prefix: &str,
    objects: &mut BTreeMap<String, Input>,
) -> Checked<Kind> {
    let Some(dict) = DictRef::from_value(value) else {
        return Err(Fault::new(format!("must be a dict of objects by {what}")));
    };
    let mut entries = Vec::new();
    for (key, object) in dict.iter() {
        let Some(key) = key.unpack_str().filter(|key| !key.is_empty()) else {
            return Err(Fault::new(format!("a {what} must be text")));
        };
        let object = Handle::object(object).map_err(|fault| fault.under(key))?;
        let name = format!("{prefix}{key}");
        objects.insert(name.clone(), object);
        let value = Node::new(0, Kind::Text(name));
        entries.push(Entry { key: key.to_owned(), line: 0, value });
    }
    Ok(Kind::Map(entries))
}

fn add_literal(value: ObjectValue, eval: &Evaluator<'_, '_, '_>) -> Checked<Handle> {
    let mut builder = Session::of(eval)?.builder.borrow_mut();
    let name = format!("line {}", place(eval).line);
    builder.add_literal(&name, value).map(Handle::Object)
}

fn constant_value(
    value: Value<'_>,
    element: Option<&str>,
    shape: Option<Value<'_>>,
) -> Checked<ObjectValue> {
    let element = element.map_or(Ok(DType::F32), dtype);
    let element = element.map_err(|message| Fault::new(message).under("dtype"))?;
    let shape = shape.map(|shape| node(shape, 0)?.read::<Vec<u64>>()).transpose();
    let shape = shape.map_err(|fault| fault.under("shape"))?;
    tensor(&node(value, 0)?.read::<Nested>()?, element, shape.as_deref())
}

fn parameter<'v>(
    name: &str,
    default: Value<'v>,
    eval: &Evaluator<'v, '_, '_>,
) -> Checked<Value<'v>> {
    let default = match node(default, 0)?.kind {
        Kind::Bool(value) => Parameter::Bool(value),
        Kind::Int(value) => Parameter::Int(value),
        Kind::Float(value) => Parameter::Float(value),
        Kind::Text(value) => Parameter::Text(value),
        Kind::Null | Kind::List(_) | Kind::Map(_) => {
            return Err(Fault::new("a default must be a number, text, True or False"));
        }
    };
    let value = Session::of(eval)?.parameters.borrow_mut().value(name, default)?;
    let heap: Heap<'v> = eval.heap();
    Ok(match value {
        Parameter::Bool(value) => Value::new_bool(value),
        Parameter::Int(value) => heap.alloc(value),
        Parameter::Float(value) => heap.alloc(value),
        Parameter::Text(value) => heap.alloc(value),
    })
}

fn set_job(name: Option<String>, options: &Node, eval: &Evaluator<'_, '_, '_>) -> Checked<()> {
    let options: JobEntry = options.read()?;
    let mut builder = Session::of(eval)?.builder.borrow_mut();
    builder.graph.options = options.to_options();
    if let Some(name) = name {
        builder.graph.name = name;
    }
    Ok(())
}
