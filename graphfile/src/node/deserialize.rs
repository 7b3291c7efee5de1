//! Nodes as a source for serde: errors carry the line and the path of the field.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Entry, Kind, Node};
use crate::error::Fault;
use crate::suggest::advice;

/// A fault as serde's traits want it.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Fault>);

impl From<Refusal> for Box<Fault> {
    fn from(refusal: Refusal) -> Self {
        refusal.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refusal {}

impl Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Refusal(Fault::new(message.to_string()))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let advice = advice(field, expected.iter().copied(), "there are");
        Refusal(Fault::new(format!("unknown field{advice}")))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let advice = advice(variant, expected.iter().copied(), "it may be");
        Refusal(Fault::new(format!("cannot be {variant:?}{advice}")))
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let value = match &self.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Int(value) => visitor.visit_i64(*value),
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Text(value) => visitor.visit_borrowed_str(value),
            Kind::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Kind::Map(entries) => visitor.visit_map(Fields { entries, next: 0 }),
        };
        value.map_err(|Refusal(fault)| Refusal(fault.on_line(self.line)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    /// By name only: serde would also take a list for the fields in their order.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        if !matches!(self.kind, Kind::Map(_)) {
            let fault = Fault::new("must be a table of fields");
            return Err(Refusal(fault.on_line(self.line)));
        }
        self.deserialize_any(visitor)
    }

    /// Only enums without payload occur in graph files: their names as text.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match &self.kind {
            Kind::Text(name) => {
                let name: StrDeserializer<'_, Refusal> = name.as_str().into_deserializer();
                visitor.visit_enum(name).map_err(|Refusal(fault)| Refusal(fault.on_line(self.line)))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de> {
    items: &'de [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refusal> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        let value = seed.deserialize(item);
        value.map(Some).map_err(|Refusal(fault)| Refusal(fault.within(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

struct Fields<'de> {
    entries: &'de [Entry],
    /// The entry whose key is read next; its value is read when this is one further.
    next: usize,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refusal> {
        let Some(entry) = self.entries.get(self.next) else { return Ok(None) };
        self.next += 1;
        let key: StrDeserializer<'_, Refusal> = entry.key.as_str().into_deserializer();
        let key = seed.deserialize(key);
        key.map(Some).map_err(|Refusal(fault)| Refusal(fault.on_line(entry.line).under(&entry.key)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let entry = self.next.checked_sub(1).and_then(|index| self.entries.get(index));
        let Some(entry) = entry else { return Err(Refusal::custom("a value without a key")) };
        let value = seed.deserialize(&entry.value);
        value.map_err(|Refusal(fault)| Refusal(fault.under(&entry.key)))
    }
}
