//! `k`: every kernel of the catalogue as a function.

use std::collections::BTreeMap;
use std::fmt;

use allocative::{Allocative, Visitor};
use drawloom_model::Input;
use drawloom_signature::{Arity, Signature, catalogue, find};
use starlark::any::ProvidesStaticType;
use starlark::eval::{Arguments, Evaluator};
use starlark::starlark_simple_value;
use starlark::values::{Heap, NoSerialize, StarlarkValue, Value, starlark_value};

use super::call::TaskCall;
use super::handle::Handle;
use crate::error::{Checked, Fault};
use crate::node::Kind;
use crate::suggest::advice;

/// The namespace of kernels.
#[derive(Clone, Copy, Debug, ProvidesStaticType, NoSerialize)]
pub(super) struct Kernels;

/// A kernel as a function.
#[derive(Clone, Copy, Debug, ProvidesStaticType, NoSerialize)]
pub(super) struct Kernel(&'static Signature);

starlark_simple_value!(Kernels);
starlark_simple_value!(Kernel);

#[starlark_value(type = "kernels")]
impl<'v> StarlarkValue<'v> for Kernels {
    fn get_attr(&self, name: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        find(name).map(|signature| heap.alloc(Kernel(signature)))
    }

    fn dir_attr(&self) -> Vec<String> {
        catalogue().iter().map(|signature| signature.name.to_owned()).collect()
    }
}

#[starlark_value(type = "kernel")]
impl<'v> StarlarkValue<'v> for Kernel {
    fn invoke(
        &self,
        _me: Value<'v>,
        arguments: &Arguments<'v, '_>,
        evaluator: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let positions: Vec<Value<'v>> = arguments.positions(evaluator.heap())?.collect();
        let named = arguments.names_map()?;
        let mut call = TaskCall::new(evaluator);
        let mut inputs = Inputs::new(self.0);
        inputs.add_positions(&positions)?;
        for (name, value) in &named {
            let name = name.as_str();
            let added = match self.0.attributes.iter().any(|spec| spec.name == name) {
                true => call.add_attribute(name, *value),
                false if inputs.add_named(name, *value)? => Ok(()),
                false if call.add_option(name, *value)? => Ok(()),
                false => Err(self.unknown(name)),
            };
            added?;
        }
        let kernel = Kind::Text(self.0.name.to_owned());
        call.set("kernel", kernel);
        let inputs = inputs.finish()?;
        call.finish(inputs, &BTreeMap::new(), evaluator)
    }
}

impl Kernel {
    fn unknown(&self, name: &str) -> Box<Fault> {
        let inputs = self.0.inputs.iter().map(|spec| spec.name);
        let attributes = self.0.attributes.iter().map(|spec| spec.name);
        let known = inputs.chain(attributes).chain(TaskCall::OPTIONS.iter().copied());
        let advice = advice(name, known, "it takes");
        Fault::new(format!("{} takes no argument {name:?}{advice}", self.0.name))
    }
}

/// A call's objects, by the inputs of the signature.
struct Inputs {
    signature: &'static Signature,
    by_input: Vec<Option<Vec<Input>>>,
}

impl Inputs {
    fn new(signature: &'static Signature) -> Self {
        Inputs { signature, by_input: vec![None; signature.inputs.len()] }
    }

    /// Positional arguments fill the inputs in order; an input that stands for several takes all
    /// that are left.
    fn add_positions(&mut self, values: &[Value<'_>]) -> Checked<()> {
        for (position, value) in values.iter().enumerate() {
            let Some(last) = self.by_input.len().checked_sub(1) else {
                return Err(self.too_many(values.len()));
            };
            let index = position.min(last);
            let spec = &self.signature.inputs[index];
            if spec.arity == Arity::One && position > last {
                return Err(self.too_many(values.len()));
            }
            self.add(index, *value)?;
        }
        Ok(())
    }

    fn too_many(&self, got: usize) -> Box<Fault> {
        let count = self.signature.inputs.len();
        let (name, attributes) = (self.signature.name, self.signature.attributes);
        let hint = if attributes.is_empty() { "" } else { "; attributes are given by name" };
        Fault::new(format!("{name} takes {count} object(s), got {got}{hint}"))
    }

    /// Adds a named argument; tells whether there is an input of that name.
    fn add_named(&mut self, name: &str, value: Value<'_>) -> Checked<bool> {
        let index = self.signature.inputs.iter().position(|spec| spec.name == name);
        let Some(index) = index else { return Ok(false) };
        if self.by_input[index].is_some() {
            let kernel = self.signature.name;
            return Err(Fault::new(format!("{kernel}: input {name} is given twice")));
        }
        self.add(index, value).map(|()| true)
    }

    fn add(&mut self, index: usize, value: Value<'_>) -> Checked<()> {
        let spec = &self.signature.inputs[index];
        let objects = self.by_input[index].get_or_insert_default();
        let added = match spec.arity {
            Arity::One => Handle::object(value).map(|object| objects.push(object)),
            Arity::Many { .. } => Handle::objects(value, objects),
        };
        added.map_err(|mut fault| {
            let kernel = self.signature.name;
            fault.message = format!("{kernel}, input {}: {}", spec.name, fault.message);
            fault
        })
    }

    fn finish(self) -> Checked<Vec<Input>> {
        let mut inputs = Vec::new();
        for (spec, objects) in self.signature.inputs.iter().zip(self.by_input) {
            match (objects, spec.arity) {
                (Some(objects), _) => inputs.extend(objects),
                (None, Arity::Many { .. }) => {}
                (None, Arity::One) => {
                    let (kernel, name, doc) = (self.signature.name, spec.name, spec.doc);
                    let message = format!("{kernel}: input {name} is missing ({doc})");
                    return Err(Fault::new(message));
                }
            }
        }
        Ok(inputs)
    }
}

impl fmt::Display for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<kernels>")
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Holds nothing on the heap.
impl Allocative for Kernels {
    fn visit<'a, 'b: 'a>(&self, visitor: &'a mut Visitor<'b>) {
        visitor.enter_self_sized::<Self>().exit();
    }
}

/// Holds nothing on the heap.
impl Allocative for Kernel {
    fn visit<'a, 'b: 'a>(&self, visitor: &'a mut Visitor<'b>) {
        visitor.enter_self_sized::<Self>().exit();
    }
}
