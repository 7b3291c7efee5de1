//! Arguments and constants of calls, as they are typed.

use drawloom_client::ActorName;
use drawloom_model::{Attribute, DType, ObjectType, Shape, Value};
use half::{bf16, f16};
use serde_json::{Number, Value as Json};

use crate::commands::call::task_ref;

/// An actor: `JOB/TASK`, or its name in the cluster.
pub fn actor_name(text: &str) -> Result<ActorName, String> {
    if text.is_empty() {
        return Err("an actor has a name".to_owned());
    }
    if let Some((job, task)) = text.split_once('/')
        && let Ok(job) = job.parse()
    {
        return Ok(ActorName::Task { job, task: task_ref(task) });
    }
    Ok(ActorName::Name(text.to_owned()))
}

/// An argument whose element type is not known yet.
#[derive(Clone, PartialEq, Debug)]
pub enum Argument {
    /// A text.
    Text(String),
    /// A number, or nested lists of numbers of equal lengths.
    Numbers {
        /// The lengths, outermost first.
        extents: Vec<u64>,
        /// The numbers, row by row.
        numbers: Vec<Number>,
    },
}

/// An argument. What is no JSON is taken as text.
pub fn argument(text: &str) -> Result<Argument, String> {
    match serde_json::from_str(text) {
        Ok(Json::String(text)) => Ok(Argument::Text(text)),
        Ok(json) => numbers(&json),
        Err(error) if text.starts_with(['[', '{', '"']) => Err(error.to_string()),
        Err(_) => Ok(Argument::Text(text.to_owned())),
    }
}

fn numbers(json: &Json) -> Result<Argument, String> {
    let mut extents = Vec::new();
    let mut level = json;
    while let Json::Array(items) = level {
        extents.push(items.len() as u64);
        match items.first() {
            Some(first) => level = first,
            None => break,
        }
    }
    let mut numbers = Vec::new();
    flatten(json, &extents, &mut numbers)?;
    Ok(Argument::Numbers { extents, numbers })
}

impl Argument {
    /// The object to send. Numbers are of this type; where none is given, of i64 when all of them
    /// are whole, else of f64.
    ///
    /// # Errors
    /// A number is none of that type.
    pub fn value(self, dtype: Option<DType>) -> Result<Value, String> {
        let (extents, numbers) = match self {
            Argument::Text(text) => return Ok(Value::blob(text.into_bytes())),
            Argument::Numbers { extents, numbers } => (extents, numbers),
        };
        let usual = if numbers.iter().all(Number::is_i64) { DType::I64 } else { DType::F64 };
        let dtype = dtype.unwrap_or(usual);
        let mut data = Vec::with_capacity(numbers.len() * dtype.size_bytes());
        for number in &numbers {
            put(dtype, number, &mut data).ok_or_else(|| format!("{number} is no {dtype}"))?;
        }
        let object_type = ObjectType::Tensor { dtype, shape: Shape::new(extents) };
        Ok(Value { object_type, data: data.into() })
    }
}

/// Appends a number's bytes, unless it is none of this type.
fn put(dtype: DType, number: &Number, data: &mut Vec<u8>) -> Option<()> {
    let float = number.as_f64()?;
    // What is larger than the type's largest is no number of it.
    let finite = |stays: bool| stays.then_some(());
    match dtype {
        DType::U8 => data.push(u8::try_from(number.as_i64()?).ok()?),
        DType::I32 => data.extend(i32::try_from(number.as_i64()?).ok()?.to_le_bytes()),
        DType::I64 => data.extend(number.as_i64()?.to_le_bytes()),
        DType::F16 => {
            let half = f16::from_f64(float);
            finite(half.is_finite())?;
            data.extend(half.to_le_bytes());
        }
        DType::BF16 => {
            let half = bf16::from_f64(float);
            finite(half.is_finite())?;
            data.extend(half.to_le_bytes());
        }
        DType::F32 => {
            let single = float as f32;
            finite(single.is_finite())?;
            data.extend(single.to_le_bytes());
        }
        DType::F64 => data.extend(float.to_le_bytes()),
    }
    Some(())
}

/// An element type, by its name.
pub fn dtype(text: &str) -> Result<DType, String> {
    DType::from_name(text).ok_or_else(|| {
        let names = DType::ALL.map(DType::name).join(", ");
        format!("there is no element type {text:?}; there are: {names}")
    })
}

fn flatten(json: &Json, extents: &[u64], numbers: &mut Vec<Number>) -> Result<(), String> {
    match (json, extents.split_first()) {
        (Json::Number(number), None) => {
            numbers.push(number.clone());
            Ok(())
        }
        (Json::Array(items), Some((extent, rest))) if items.len() as u64 == *extent => {
            items.iter().try_for_each(|item| flatten(item, rest, numbers))
        }
        (Json::Array(_), _) => Err("the lists must have equal lengths at each level".to_owned()),
        (other, _) => Err(format!("{other} is neither a number, a list of numbers nor a text")),
    }
}

/// A constant: `NAME=VALUE`.
pub fn constant(text: &str) -> Result<(String, Attribute), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let json = serde_json::from_str(value).unwrap_or_else(|_| Json::String(value.to_owned()));
    Ok((name.to_owned(), attribute(&json)?))
}

fn attribute(json: &Json) -> Result<Attribute, String> {
    match json {
        Json::Bool(value) => Ok(Attribute::Bool(*value)),
        Json::String(text) => Ok(Attribute::Text(text.clone())),
        Json::Number(number) => Ok(match number.as_i64() {
            Some(value) => Attribute::Int(value),
            None => Attribute::Float(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Json::Array(items) => {
            let whole: Option<Vec<i64>> = items.iter().map(Json::as_i64).collect();
            let floats: Option<Vec<f64>> = items.iter().map(Json::as_f64).collect();
            let list = whole.map(Attribute::Ints).or(floats.map(Attribute::Floats));
            list.ok_or_else(|| "a list of numbers is wanted".to_owned())
        }
        Json::Null | Json::Object(_) => Err(format!("{json} is no constant")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        shown_as(text, None)
    }

    fn shown_as(text: &str, dtype: Option<DType>) -> String {
        match argument(text).and_then(|argument| argument.value(dtype)) {
            Ok(value) => crate::value::describe(&value),
            Err(error) => error,
        }
    }

    #[test]
    fn json_becomes_objects() {
        assert_eq!(shown("2"), "2");
        assert_eq!(shown("-2.5"), "-2.5");
        assert_eq!(shown("[[1, 2], [3, 4]]"), "i64[2, 2] [1, 2, 3, 4]");
        assert_eq!(shown("[1, 2.5]"), "f64[2] [1.0, 2.5]");
        assert_eq!(shown("\"text\""), "text");
        assert_eq!(shown("two words"), "two words");
        assert_eq!(shown("[[1], [2, 3]]"), "the lists must have equal lengths at each level");
        assert!(shown("[1, null]").starts_with("null is neither"));
        assert!(shown("[1,").starts_with("EOF while parsing"));
    }

    #[test]
    fn numbers_are_of_the_type_that_is_asked_for() {
        let check = |text: &str, name: &str, expected: &str| {
            assert_eq!(shown_as(text, DType::from_name(name)), expected);
        };
        check("[1, 2.5]", "f32", "f32[2] [1.0, 2.5]");
        check("2", "f32", "2.0");
        check("[0.5]", "f16", "f16[1] [0.5]");
        check("[[1], [2]]", "u8", "u8[2, 1] [1, 2]");
        check("words", "f32", "words");
        check("256", "u8", "256 is no u8");
        check("0.5", "i32", "0.5 is no i32");
        check("1e39", "f32", "1e+39 is no f32");
        check("[]", "f32", "f32[0] []");
        assert!(
            dtype("float")
                .is_err_and(|why| why.ends_with("there are: u8, i32, i64, f16, bf16, f32, f64"))
        );
    }

    #[test]
    fn constants_have_names() {
        assert_eq!(constant("by=2"), Ok(("by".to_owned(), Attribute::Int(2))));
        assert_eq!(constant("to=x=y"), Ok(("to".to_owned(), Attribute::Text("x=y".to_owned()))));
        assert!(constant("by").is_err());
    }

    #[test]
    fn actors_are_named_two_ways() {
        assert_eq!(actor_name("tally"), Ok(ActorName::Name("tally".to_owned())));
        let job = drawloom_model::JobId(1);
        assert_eq!(actor_name(&format!("{job}/3")), Ok(ActorName::from((job, 3))));
        assert_eq!(actor_name(&format!("{job}/c")), Ok(ActorName::from((job, "c"))));
        assert_eq!(actor_name("a/b"), Ok(ActorName::Name("a/b".to_owned())));
    }
}
