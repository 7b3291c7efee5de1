//! Quantities with units: cores, bytes and spans of time.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Thousandths: of a core, a device, or a custom resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Milli(pub u64);

/// Bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ByteSize(pub u64);

/// A span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimeSpan(pub Duration);

/// A number with an optional unit.
trait Quantity: Sized {
    const NAME: &'static str;
    const EXPECTED: &'static str;
    /// How many base units one of `unit` is; `None` when there is no such unit.
    fn scale(unit: &str) -> Option<f64>;
    /// The quantity of that many base units.
    fn new(base_units: f64) -> Self;
}

impl Quantity for Milli {
    const NAME: &'static str = "Amount";
    const EXPECTED: &'static str = r#"an amount such as 2, 0.5 or "500m""#;

    fn scale(unit: &str) -> Option<f64> {
        match unit {
            "" => Some(1000.0),
            "m" => Some(1.0),
            _ => None,
        }
    }

    fn new(base_units: f64) -> Self {
        Milli(base_units.ceil() as u64)
    }
}

impl Quantity for ByteSize {
    const NAME: &'static str = "Bytes";
    const EXPECTED: &'static str = r#"bytes such as 4096, "500MB" or "1.5GiB""#;

    fn scale(unit: &str) -> Option<f64> {
        let power = |base: f64, power| Some(base.powi(power));
        match unit {
            "" | "B" => Some(1.0),
            "kB" | "KB" => power(1000.0, 1),
            "MB" => power(1000.0, 2),
            "GB" => power(1000.0, 3),
            "TB" => power(1000.0, 4),
            "KiB" => power(1024.0, 1),
            "MiB" => power(1024.0, 2),
            "GiB" => power(1024.0, 3),
            "TiB" => power(1024.0, 4),
            _ => None,
        }
    }

    fn new(base_units: f64) -> Self {
        ByteSize(base_units.ceil() as u64)
    }
}

impl Quantity for TimeSpan {
    const NAME: &'static str = "TimeSpan";
    const EXPECTED: &'static str = r#"a span of time such as "100ms", "30s", "5min", "2h" or "1d""#;

    fn scale(unit: &str) -> Option<f64> {
        match unit {
            "us" => Some(1e3),
            "ms" => Some(1e6),
            "s" => Some(1e9),
            "min" | "m" => Some(60e9),
            "h" => Some(3600e9),
            "d" => Some(86_400e9),
            _ => None,
        }
    }

    fn new(base_units: f64) -> Self {
        TimeSpan(Duration::from_nanos(base_units.round() as u64))
    }
}

fn convert<Q: Quantity>(number: f64, unit: &str) -> Option<Q> {
    let base_units = number * Q::scale(unit)?;
    // Beyond 2^63 nothing is meant seriously.
    (0.0..9.2e18).contains(&base_units).then(|| Q::new(base_units))
}

fn parse<Q: Quantity>(text: &str) -> Option<Q> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    convert(number.parse().ok()?, unit.trim_start())
}

struct QuantityVisitor<Q>(PhantomData<Q>);

impl<Q: Quantity> QuantityVisitor<Q> {
    fn or_refuse<E: Error>(value: Option<Q>, given: &str) -> Result<Q, E> {
        value.ok_or_else(|| E::custom(format!("cannot be {given}; give {}", Q::EXPECTED)))
    }
}

impl<Q: Quantity> Visitor<'_> for QuantityVisitor<Q> {
    type Value = Q;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Q::EXPECTED)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Q, E> {
        Self::or_refuse(convert(value as f64, ""), &value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Q, E> {
        Self::or_refuse(convert(value, ""), &value.to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Q, E> {
        Self::or_refuse(parse(value), &format!("{value:?}"))
    }
}

macro_rules! quantities {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(QuantityVisitor(PhantomData))
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                <$type>::NAME.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let bare = <$type>::scale("").is_some();
                let kinds: &[&str] = if bare { &["number", "string"] } else { &["string"] };
                json_schema!({ "description": <$type>::EXPECTED, "type": kinds })
            }
        }
    )*};
}

quantities!(Milli, ByteSize, TimeSpan);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_units() {
        assert_eq!(parse("500m"), Some(Milli(500)));
        assert_eq!(convert(0.5, ""), Some(Milli(500)));
        assert_eq!(parse("1GiB"), Some(ByteSize(1 << 30)));
        assert_eq!(parse("1.5 kB"), Some(ByteSize(1500)));
        assert_eq!(parse("100ms"), Some(TimeSpan(Duration::from_millis(100))));
        assert_eq!(parse("2min"), Some(TimeSpan(Duration::from_secs(120))));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "-1", "1e3", "5 lightyears", "999999999999999TiB", "NaN"] {
            assert_eq!(parse::<ByteSize>(text), None, "{text}");
        }
        assert_eq!(parse::<TimeSpan>("5"), None, "a time needs its unit");
        assert_eq!(convert::<Milli>(f64::NAN, ""), None);
        assert_eq!(convert::<Milli>(-1.0, ""), None);
    }
}
