//! CUDA kernels of one's own in programs.

use std::collections::BTreeMap;

use starlark::environment::GlobalsBuilder;
use starlark::eval::{Arguments, Evaluator};
use starlark::starlark_module;
use starlark::values::Value;

use super::call::TaskCall;
use super::handle::Handle;
use super::values::node;
use crate::error::Fault;
use crate::node::Kind;
use crate::suggest::advice;

/// What a CUDA kernel has of its own, beside what every task has.
const CUDA_FIELDS: [&str; 9] =
    ["source", "ptx", "file", "entry", "grid", "block", "shared_bytes", "arguments", "options"];

/// CUDA kernels of one's own.
#[starlark_module]
pub(super) fn cuda(builder: &mut GlobalsBuilder) {
    /// A CUDA kernel of one's own. Positional arguments are the objects that it takes.
    fn cuda<'v>(
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let named = args.names_map()?;
        let mut call = TaskCall::new(eval);
        let mut inputs = Vec::new();
        for value in args.positions(eval.heap())? {
            Handle::objects(value, &mut inputs)?;
        }
        let mut entries = Vec::new();
        for (name, value) in &named {
            let name = name.as_str();
            if CUDA_FIELDS.contains(&name) {
                let value = node(*value, call.line()).map_err(|fault| fault.under(name))?;
                entries.push((name, value.kind));
            } else if !call.add_option(name, *value)? {
                let known = CUDA_FIELDS.iter().chain(&TaskCall::OPTIONS).copied();
                let advice = advice(name, known, "it takes");
                return Err(Fault::new(format!("cuda takes no argument {name:?}{advice}")).into());
            }
        }
        let entries = entries.into_iter().map(|(name, kind)| call.entry(name, kind)).collect();
        call.set("cuda", Kind::Map(entries));
        call.finish(inputs, &BTreeMap::new(), eval)
    }
}
