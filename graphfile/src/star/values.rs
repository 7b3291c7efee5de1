//! Starlark values turned into nodes, so that options go through the same structs as in plain
//! files.

use starlark::values::dict::DictRef;
use starlark::values::float::StarlarkFloat;
use starlark::values::{UnpackValue, Value, ValueLike};

use super::handle::items;
use crate::error::{Checked, Fault};
use crate::node::{Entry, Kind, Node};

/// The deepest nesting taken; values can contain themselves.
const DEPTH_LIMIT: usize = 32;

/// The node of `value`, which stands on `line`.
pub(super) fn node(value: Value<'_>, line: u32) -> Checked<Node> {
    nested(value, line, 0)
}

fn nested(value: Value<'_>, line: u32, depth: usize) -> Checked<Node> {
    if depth > DEPTH_LIMIT {
        return Err(Fault::new(format!("more than {DEPTH_LIMIT} levels of nesting")));
    }
    let kind = if value.is_none() {
        Kind::Null
    } else if let Some(value) = value.unpack_bool() {
        Kind::Bool(value)
    } else if let Some(text) = value.unpack_str() {
        Kind::Text(text.to_owned())
    } else if let Some(float) = value.downcast_ref::<StarlarkFloat>() {
        Kind::Float(float.0)
    } else if let Ok(Some(int)) = i64::unpack_value(value) {
        Kind::Int(int)
    } else if let Some(items) = items(value) {
        Kind::List(list(items, line, depth)?)
    } else if let Some(dict) = DictRef::from_value(value) {
        Kind::Map(map(&dict, line, depth)?)
    } else {
        return Err(Fault::new(format!("a value of type {} has no place here", value.get_type())));
    };
    Ok(Node::new(line, kind))
}

fn list(items: &[Value<'_>], line: u32, depth: usize) -> Checked<Vec<Node>> {
    let items = items.iter().enumerate();
    items
        .map(|(index, item)| nested(*item, line, depth + 1).map_err(|fault| fault.within(index)))
        .collect()
}

fn map(dict: &DictRef<'_>, line: u32, depth: usize) -> Checked<Vec<Entry>> {
    let entries = dict.iter().map(|(key, value)| {
        let key = key.unpack_str().ok_or_else(|| Fault::new("a key must be text"))?;
        let value = nested(value, line, depth + 1).map_err(|fault| fault.under(key))?;
        Ok(Entry { key: key.to_owned(), line, value })
    });
    entries.collect()
}
