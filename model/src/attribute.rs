//! Attributes: the constants a kernel call takes beside its inputs.

use std::collections::BTreeMap;
use std::fmt;

/// A constant argument of a kernel.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Attribute {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
}

impl Attribute {
    /// The name of the kind, for errors.
    pub const fn kind(&self) -> &'static str {
        match self {
            Attribute::Bool(_) => "bool",
            Attribute::Int(_) => "int",
            Attribute::Float(_) => "float",
            Attribute::Text(_) => "text",
            Attribute::Ints(_) => "list of ints",
            Attribute::Floats(_) => "list of floats",
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attribute::Bool(value) => write!(f, "{value}"),
            Attribute::Int(value) => write!(f, "{value}"),
            Attribute::Float(value) => write!(f, "{value:?}"),
            Attribute::Text(value) => write!(f, "{value:?}"),
            Attribute::Ints(values) => write!(f, "{values:?}"),
            Attribute::Floats(values) => write!(f, "{values:?}"),
        }
    }
}

/// Attributes by name, in the order of their names.
pub type Attributes = BTreeMap<String, Attribute>;
