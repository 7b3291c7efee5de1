//! Label requirements and tolerations as text.

use std::borrow::Cow;

use drawloom_model::{LabelOperator, LabelRequirement, Toleration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

/// A requirement: `zone in (a, b)`, `zone not in (a)`, `zone = a`, `zone != a`, `zone` or `!zone`.
pub(crate) struct Label(pub LabelRequirement);

/// A taint that is put up with: `key` or `key=value`.
pub(crate) struct TolerationText(pub Toleration);

const FORMS: &str =
    "write `zone in (a, b)`, `zone not in (a)`, `zone = a`, `zone != a`, `zone` or `!zone`";

fn parse_label(text: &str) -> Result<LabelRequirement, String> {
    let text = text.trim();
    let one = |value: &str| vec![value.trim().to_owned()];
    let (key, operator) = if let Some((key, values)) = text.split_once(" not in ") {
        (key, values_of(values).map(LabelOperator::NotIn))
    } else if let Some((key, values)) = text.split_once(" in ") {
        (key, values_of(values).map(LabelOperator::In))
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Some(LabelOperator::NotIn(one(value))))
    } else if let Some((key, value)) = text.split_once('=') {
        (key, Some(LabelOperator::In(one(value))))
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Some(LabelOperator::Absent))
    } else {
        (text, Some(LabelOperator::Exists))
    };
    let key = key.trim();
    let odd = |c: char| c.is_whitespace() || "()!=,".contains(c);
    match operator {
        Some(operator) if !key.is_empty() && !key.contains(odd) => {
            Ok(LabelRequirement { key: key.to_owned(), operator })
        }
        _ => Err(format!("cannot be {text:?}; {FORMS}")),
    }
}

fn values_of(list: &str) -> Option<Vec<String>> {
    let inner = list.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_label(&String::deserialize(deserializer)?).map(Label).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for TolerationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value.trim().to_owned())),
            None => (text.trim(), None),
        };
        if key.is_empty() {
            return Err(D::Error::custom("write `key` or `key=value`"));
        }
        Ok(TolerationText(Toleration { key: key.to_owned(), value }))
    }
}

impl JsonSchema for Label {
    fn schema_name() -> Cow<'static, str> {
        "Label".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": FORMS })
    }
}

impl JsonSchema for TolerationText {
    fn schema_name() -> Cow<'static, str> {
        "Toleration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "`key` or `key=value`" })
    }
}

#[cfg(test)]
mod tests {
    use super::parse_label;

    #[test]
    fn labels_are_read_as_they_are_shown() {
        for text in ["zone in (a, b)", "zone not in (a)", "zone", "!spot"] {
            assert_eq!(parse_label(text).map(|label| label.to_string()), Ok(text.to_owned()));
        }
        let shown = |text| parse_label(text).expect("a label").to_string();
        assert_eq!(shown("zone=a"), "zone in (a)");
        assert_eq!(shown("zone != a"), "zone not in (a)");
        for text in ["", "!", "zone in a", "two words", "in (a)"] {
            assert!(parse_label(text).is_err(), "{text}");
        }
    }
}
