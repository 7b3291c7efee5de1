//! Arguments and constants of calls, as they are typed.

use drawloom_client::ActorName;
use drawloom_model::{Attribute, DType, ObjectType, Shape, Value};
use serde_json::Value as Json;

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

/// An argument. What is no JSON is taken as text.
pub fn argument(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(Json::String(text)) => Ok(Value::blob(text.into_bytes())),
        Ok(json) => tensor(&json),
        Err(error) if text.starts_with(['[', '{', '"']) => Err(error.to_string()),
        Err(_) => Ok(Value::blob(text.to_owned().into_bytes())),
    }
}

/// A number, or nested lists of numbers of equal lengths.
fn tensor(json: &Json) -> Result<Value, String> {
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
    let whole: Option<Vec<i64>> = numbers.iter().map(|number| number.as_i64()).collect();
    let (dtype, data): (_, Vec<u8>) = match whole {
        Some(whole) => (DType::I64, whole.iter().flat_map(|n| n.to_le_bytes()).collect()),
        None => {
            let floats = numbers.iter().map(|number| number.as_f64().unwrap_or(f64::NAN));
            (DType::F64, floats.flat_map(f64::to_le_bytes).collect())
        }
    };
    let object_type = ObjectType::Tensor { dtype, shape: Shape::new(extents) };
    Ok(Value { object_type, data: data.into() })
}

fn flatten<'j>(
    json: &'j Json,
    extents: &[u64],
    numbers: &mut Vec<&'j serde_json::Number>,
) -> Result<(), String> {
    match (json, extents.split_first()) {
        (Json::Number(number), None) => {
            numbers.push(number);
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
        match argument(text) {
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
