//! Values that have more than one form in a graph file, and how each is read and described.

use std::fmt;

use drawloom_model::{Attribute, FailureKind, ProcessOutput};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use super::file::GpuTable;
use super::quantity::Milli;

/// A kind of failure, by its name.
pub(crate) struct FailureName(pub FailureKind);

impl<'de> Deserialize<'de> for FailureName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const NAMES: [&str; 9] = {
            let mut names = [""; 9];
            let mut index = 0;
            while index < 9 {
                names[index] = FailureKind::ALL[index].name();
                index += 1;
            }
            names
        };
        let name = String::deserialize(deserializer)?;
        let kind = FailureKind::from_name(&name);
        kind.map(FailureName).ok_or_else(|| D::Error::unknown_variant(&name, &NAMES))
    }
}

impl JsonSchema for FailureName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Failure".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = FailureKind::ALL.map(FailureKind::name);
        json_schema!({ "type": "string", "enum": names })
    }
}

/// GPUs wanted: a number of whole devices, or a table.
#[derive(Clone)]
pub(crate) struct GpuEntry(pub GpuTable);

/// An attribute's value.
#[derive(Clone)]
pub(crate) struct AttributeValue(pub Attribute);

/// A number or nested lists of numbers.
pub(crate) enum Nested {
    Bool(bool),
    Int(i64),
    Float(f64),
    List(Vec<Nested>),
}

/// Where an output of a process comes from.
#[derive(Clone)]
pub(crate) struct OutputEntry(pub ProcessOutput);

/// Implements `Deserialize` by a visitor that is told what was expected.
macro_rules! visited {
    ($type:ty, $visitor:ident, $expected:expr, { $($methods:item)* }) => {
        struct $visitor;
        impl<'de> Visitor<'de> for $visitor {
            type Value = $type;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expected)
            }
            $($methods)*
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }
    };
}

pub(super) use visited;

visited!(AttributeValue, AttributeVisitor, "a number, text, true, false or a list of numbers", {
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(AttributeValue(Attribute::Bool(value)))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(AttributeValue(Attribute::Int(value)))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(AttributeValue(Attribute::Float(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(AttributeValue(Attribute::Text(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut ints = Vec::new();
        let mut floats = Vec::new();
        while let Some(item) = items.next_element::<Number>()? {
            if let Number::Int(value) = item {
                ints.push(value);
            }
            floats.push(item.as_f64());
        }
        let whole = ints.len() == floats.len();
        Ok(AttributeValue(if whole { Attribute::Ints(ints) } else { Attribute::Floats(floats) }))
    }
});

enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn as_f64(&self) -> f64 {
        match self {
            Number::Int(value) => *value as f64,
            Number::Float(value) => *value,
        }
    }
}

visited!(Number, NumberVisitor, "a number", {
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Number::Int(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::Float(value))
    }
});

visited!(Nested, NestedVisitor, "a number or nested lists of numbers", {
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Nested::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Nested::Int(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Nested::Float(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Nested::List(list))
    }
});

visited!(GpuEntry, GpuVisitor, "a number of GPUs, a part of one or a table", {
    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        let devices = u16::try_from(value)
            .map_err(|_| E::custom(format!("cannot be {value}; it may be from 0 to 65535")))?;
        Ok(GpuEntry(GpuTable { devices, ..GpuTable::default() }))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        let milli = (value * 1000.0).round();
        if value.fract() == 0.0 {
            return self.visit_i64(value as i64);
        }
        if !(1.0..1000.0).contains(&milli) {
            let message = "it is a number of whole GPUs or a part of one, such as 0.25";
            return Err(E::custom(format!("cannot be {value}: {message}")));
        }
        Ok(GpuEntry(GpuTable { share: Milli(milli as u64), ..GpuTable::default() }))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        GpuTable::deserialize(value::MapAccessDeserializer::new(map)).map(GpuEntry)
    }
});

#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FileOutput {
    /// A file's path, relative to the working directory.
    file: Option<String>,
    /// A file in shared memory: `DRAWLOOM_OUT_` and this name is the number of its descriptor.
    map: Option<String>,
}

const OUTPUT_FORMS: &str = "stdout, stderr, exit_code, { file = \"path\" } or { map = \"name\" }";

visited!(OutputEntry, OutputVisitor, OUTPUT_FORMS, {
    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(OutputEntry(match value {
            "stdout" => ProcessOutput::Stdout,
            "stderr" => ProcessOutput::Stderr,
            "exit_code" => ProcessOutput::ExitCode,
            _ => return Err(E::unknown_variant(value, &["stdout", "stderr", "exit_code"])),
        }))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let output = FileOutput::deserialize(value::MapAccessDeserializer::new(map))?;
        match (output.file, output.map) {
            (Some(path), None) => Ok(OutputEntry(ProcessOutput::File(path))),
            (None, Some(name)) => Ok(OutputEntry(ProcessOutput::Map(name))),
            _ => Err(A::Error::custom(format!("expected {OUTPUT_FORMS}"))),
        }
    }
});

/// Implements `JsonSchema` with an expression of the generator.
macro_rules! described {
    ($type:ty, $name:literal, |$generator:ident| $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

pub(super) use described;

described!(AttributeValue, "Attribute", |_g| json_schema!({
    "type": ["boolean", "integer", "number", "string", "array"],
    "items": { "type": "number" },
}));
described!(Nested, "Nested", |g| {
    let item = g.subschema_for::<Nested>();
    json_schema!({ "type": ["number", "boolean", "array"], "items": item })
});
described!(GpuEntry, "Gpu", |g| {
    let table = g.subschema_for::<GpuTable>();
    json_schema!({ "anyOf": [{ "type": "number", "minimum": 0, "maximum": 65535 }, table] })
});
described!(OutputEntry, "ProcessOutput", |g| {
    let file = g.subschema_for::<FileOutput>();
    json_schema!({ "anyOf": [{ "enum": ["stdout", "stderr", "exit_code"] }, file] })
});
