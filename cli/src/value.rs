//! Objects for people and programs to read.

use drawloom_model::{DType, ObjectType, Value};
use half::{bf16, f16};
use serde_json::json;

/// How many elements of a tensor are shown.
const SHOWN_ELEMENTS: usize = 8;
/// How much of a text is shown.
const SHOWN_CHARACTERS: usize = 400;

/// A line for people.
pub fn describe(value: &Value) -> String {
    match &value.object_type {
        ObjectType::Tensor { dtype, shape } if shape.rank() == 0 => {
            number(*dtype, &value.data).map_or_else(|| "empty".to_owned(), |n| n.to_string())
        }
        ObjectType::Tensor { dtype, .. } => {
            let elements = value.data.chunks_exact(dtype.size_bytes());
            let total = elements.len();
            let shown = elements.take(SHOWN_ELEMENTS).filter_map(|bytes| number(*dtype, bytes));
            let mut shown: Vec<String> = shown.map(|number| number.to_string()).collect();
            if total > SHOWN_ELEMENTS {
                shown.push("...".to_owned());
            }
            format!("{} [{}]", value.object_type, shown.join(", "))
        }
        ObjectType::Blob => describe_blob(&value.data),
    }
}

fn describe_blob(data: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(data) else {
        return format!("blob of {}", crate::text::bytes(data.len() as u64));
    };
    let mut shown: String = text.trim_end().chars().take(SHOWN_CHARACTERS).collect();
    if shown.len() < text.trim_end().len() {
        shown.push_str("...");
    }
    shown
}

/// JSON for programs: a scalar is a number, a text blob a string; anything else is described.
pub fn to_json(value: &Value) -> serde_json::Value {
    match &value.object_type {
        ObjectType::Tensor { dtype, shape } if shape.rank() == 0 => {
            number(*dtype, &value.data).unwrap_or(serde_json::Value::Null)
        }
        ObjectType::Blob if std::str::from_utf8(&value.data).is_ok() => {
            json!(String::from_utf8_lossy(&value.data))
        }
        object_type => summary(object_type, value.data.len() as u64),
    }
}

/// What is said of an object that is not shown.
pub fn summary(object_type: &ObjectType, size_bytes: u64) -> serde_json::Value {
    json!({ "type": object_type.to_string(), "size_bytes": size_bytes })
}

/// One element. Numbers that JSON does not have become texts.
fn number(dtype: DType, bytes: &[u8]) -> Option<serde_json::Value> {
    Some(match dtype {
        DType::U8 => json!(bytes.first()?),
        DType::I32 => json!(i32::from_le_bytes(bytes.try_into().ok()?)),
        DType::I64 => json!(i64::from_le_bytes(bytes.try_into().ok()?)),
        DType::F16 => float(f16::from_le_bytes(bytes.try_into().ok()?).to_f32()),
        DType::BF16 => float(bf16::from_le_bytes(bytes.try_into().ok()?).to_f32()),
        DType::F32 => float(f32::from_le_bytes(bytes.try_into().ok()?)),
        DType::F64 => {
            let value = f64::from_le_bytes(bytes.try_into().ok()?);
            if value.is_finite() { json!(value) } else { json!(value.to_string()) }
        }
    })
}

/// The shortest decimal that means the same f32, rather than the digits of its f64.
fn float(value: f32) -> serde_json::Value {
    match value.to_string().parse::<f64>() {
        Ok(exact) if exact.is_finite() => json!(exact),
        _ => json!(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::Shape;

    use super::*;

    #[test]
    fn scalars_are_numbers() {
        assert_eq!(describe(&Value::scalar_f32(0.975)), "0.975");
        assert_eq!(to_json(&Value::scalar_f32(0.1)), json!(0.1));
        assert_eq!(to_json(&Value::scalar_f64(f64::NAN)), json!("NaN"));
    }

    #[test]
    fn large_tensors_are_cut() {
        let shape = Shape::new([3, 4]);
        let object_type = ObjectType::Tensor { dtype: DType::U8, shape };
        let value = Value { object_type, data: (0..12).collect::<Vec<u8>>().into() };
        assert_eq!(describe(&value), "u8[3, 4] [0, 1, 2, 3, 4, 5, 6, 7, ...]");
        assert_eq!(to_json(&value), json!({"type": "u8[3, 4]", "size_bytes": 12}));
    }

    #[test]
    fn bytes_that_are_no_text_are_described() {
        assert_eq!(describe(&Value::blob("two words\n")), "two words");
        assert_eq!(describe(&Value::blob(vec![0xff, 0xfe])), "blob of 2 B");
        let described = json!({"type": "blob", "size_bytes": 1});
        assert_eq!(to_json(&Value::blob(vec![0xff])), described);
    }
}
