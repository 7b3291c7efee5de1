//! What attributes a kernel takes.

use std::fmt;

use drawloom_model::Attribute;

/// A constant that a kernel takes.
#[derive(Clone, Copy, Debug)]
pub struct AttributeSpec {
    /// Its name.
    pub name: &'static str,
    /// Which values it may have.
    pub kind: AttributeKind,
    /// Whether it must be given.
    pub presence: Presence,
    /// What it means.
    pub doc: &'static str,
}

/// Which values an attribute may have.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum AttributeKind {
    Bool,
    /// From `min` to `max`, both included.
    Int {
        min: i64,
        max: i64,
    },
    /// From `min` to `max`, both included; never NaN. Integers are taken too.
    Float {
        min: f64,
        max: f64,
    },
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of integers, each at least `min`.
    Ints {
        min: i64,
    },
}

/// Whether an attribute must be given.
#[derive(Clone, Copy, Debug)]
pub enum Presence {
    /// It must be given.
    Required,
    /// It may be absent, which has a meaning of its own.
    Optional,
    /// It has this value where none is given.
    Default(Constant),
}

/// A default value.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub enum Constant {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'static str),
}

impl AttributeKind {
    /// Any integer.
    pub const INT: AttributeKind = AttributeKind::Int { min: i64::MIN, max: i64::MAX };
    /// An integer that counts something.
    pub const COUNT: AttributeKind = AttributeKind::Int { min: 0, max: i64::MAX };
    /// Any number but NaN.
    pub const FLOAT: AttributeKind =
        AttributeKind::Float { min: f64::NEG_INFINITY, max: f64::INFINITY };

    /// Why `value` is refused, or `None` when it may be.
    pub(crate) fn refusal(&self, value: &Attribute) -> Option<String> {
        let fits = match (self, value) {
            (AttributeKind::Bool, Attribute::Bool(_)) => true,
            (AttributeKind::Int { min, max }, Attribute::Int(value)) => {
                (min..=max).contains(&value)
            }
            (AttributeKind::Float { min, max }, Attribute::Float(value)) => {
                (min..=max).contains(&value)
            }
            (AttributeKind::Float { min, max }, Attribute::Int(value)) => {
                (*min..=*max).contains(&(*value as f64))
            }
            (AttributeKind::Text, Attribute::Text(_)) => true,
            (AttributeKind::OneOf(allowed), Attribute::Text(value)) => {
                allowed.contains(&value.as_str())
            }
            (AttributeKind::Ints { min }, Attribute::Ints(values)) => {
                values.iter().all(|value| value >= min)
            }
            // A list without elements says nothing of their kind.
            (AttributeKind::Ints { .. }, Attribute::Floats(values)) => values.is_empty(),
            _ => false,
        };
        (!fits).then(|| format!("must be {self}, is {value}"))
    }
}

impl fmt::Display for AttributeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeKind::Bool => f.write_str("bool"),
            AttributeKind::Int { min: i64::MIN, max: i64::MAX } => f.write_str("int"),
            AttributeKind::Int { min, max: i64::MAX } => write!(f, "int >= {min}"),
            AttributeKind::Int { min, max } => write!(f, "int from {min} to {max}"),
            AttributeKind::Float { min, max } => match (min.abs() < f64::MAX, max.abs() < f64::MAX)
            {
                (true, true) => write!(f, "float from {min} to {max}"),
                (true, false) if *min == f64::MIN_POSITIVE => f.write_str("float > 0"),
                (true, false) => write!(f, "float >= {min}"),
                (false, true) => write!(f, "float <= {max}"),
                (false, false) => f.write_str("float"),
            },
            AttributeKind::Text => f.write_str("text"),
            AttributeKind::OneOf(allowed) => write!(f, "one of {}", allowed.join(", ")),
            AttributeKind::Ints { min: i64::MIN } => f.write_str("list of ints"),
            AttributeKind::Ints { min } => write!(f, "list of ints >= {min}"),
        }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constant::Bool(value) => write!(f, "{value}"),
            Constant::Int(value) => write!(f, "{value}"),
            Constant::Float(value) => write!(f, "{value:?}"),
            Constant::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// An attribute that must be given.
pub(crate) const fn required(
    name: &'static str,
    kind: AttributeKind,
    doc: &'static str,
) -> AttributeSpec {
    AttributeSpec { name, kind, presence: Presence::Required, doc }
}

/// An attribute that may be absent.
pub(crate) const fn optional(
    name: &'static str,
    kind: AttributeKind,
    doc: &'static str,
) -> AttributeSpec {
    AttributeSpec { name, kind, presence: Presence::Optional, doc }
}

/// An attribute with a default.
pub(crate) const fn defaulted(
    name: &'static str,
    kind: AttributeKind,
    default: Constant,
    doc: &'static str,
) -> AttributeSpec {
    AttributeSpec { name, kind, presence: Presence::Default(default), doc }
}

/// `name: kind = default`; a `?` follows the name of one that may be absent.
impl fmt::Display for AttributeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AttributeSpec { name, kind, .. } = self;
        match &self.presence {
            Presence::Required => write!(f, "{name}: {kind}"),
            Presence::Optional => write!(f, "{name}?: {kind}"),
            Presence::Default(default) => write!(f, "{name}: {kind} = {default}"),
        }
    }
}
