//! One tree for every format: values that know the line they stand on.

mod deserialize;
mod json;
mod toml;
mod yaml;

pub(crate) use json::parse_json;
pub(crate) use toml::parse_toml;
pub(crate) use yaml::parse_yaml;

use serde::de::DeserializeOwned;

use crate::error::{Checked, Step};

/// A value and its line, from 1.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Node {
    pub line: u32,
    pub kind: Kind,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key, the key's line and the value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub line: u32,
    pub value: Node,
}

impl Node {
    pub fn new(line: u32, kind: Kind) -> Self {
        Node { line, kind }
    }

    /// What the tree says, as `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Checked<T> {
        T::deserialize(self).map_err(Into::into)
    }

    /// The line at the end of `steps`, or as near to it as the tree goes.
    pub fn line_of<'a>(&self, steps: impl IntoIterator<Item = &'a Step>) -> u32 {
        let mut line = self.line;
        let mut node = self;
        for step in steps {
            match (&node.kind, step) {
                (Kind::List(items), Step::Index(index)) => {
                    let Some(item) = items.get(*index) else { return line };
                    line = item.line;
                    node = item;
                }
                (Kind::Map(entries), Step::Key(key)) => {
                    let Some(entry) = entries.iter().find(|entry| entry.key == *key) else {
                        return line;
                    };
                    line = entry.line;
                    node = &entry.value;
                }
                _ => return line,
            }
        }
        line
    }
}
