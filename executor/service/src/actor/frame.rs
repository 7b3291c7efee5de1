//! The frames of the actor protocol, see `docs/guide/actor-protocol.md`.

use bytes::{Buf as _, BufMut as _, Bytes};
use drawloom_model::{Attribute, Attributes, DType, ObjectType, Shape, Value};

/// The version of the protocol that is spoken here.
pub(super) const VERSION: u16 = 1;
/// The first bytes of the first frame.
pub(super) const MAGIC: &[u8; 4] = b"DRWL";
/// The most bytes of a frame, its length not counted.
pub(super) const FRAME_LIMIT_BYTES: usize = 260 * 1024 * 1024;
/// The bytes that tell a frame's length.
pub(super) const LENGTH_BYTES: usize = 4;
/// The most bytes of an ERROR's text that are kept: it travels to the scheduler and to clients.
const ERROR_LIMIT_BYTES: usize = 16 * 1024;
/// The most extents of a tensor.
const RANK_LIMIT: usize = 32;

const HELLO: u8 = 1;
const START: u8 = 2;
const CALL: u8 = 3;
const CHECKPOINT: u8 = 4;
const RESTORE: u8 = 5;
const STOP: u8 = 6;
const READY: u8 = 65;
const RESULT: u8 = 66;
const ERROR: u8 = 67;

/// What the executor says.
pub(super) enum Order<'a> {
    Hello { incarnation: u32 },
    Start { attributes: &'a Attributes, arguments: &'a [Value] },
    Call { id: u64, method: &'a str, attributes: &'a Attributes, arguments: &'a [Value] },
    Checkpoint { id: u64 },
    Restore { state: &'a Value },
    Stop,
}

/// What the process says.
#[derive(PartialEq, Debug)]
pub(super) enum Answer {
    Ready { version: u16 },
    Result { id: u64, values: Vec<Value> },
    Error { id: u64, message: String },
}

/// A frame of more bytes than may travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame of {0} bytes is larger than the limit of {FRAME_LIMIT_BYTES}")]
pub(super) struct FrameTooLarge(pub u64);

impl Order<'_> {
    /// The frame, its length in front.
    pub(super) fn encode(&self) -> Result<Vec<u8>, FrameTooLarge> {
        let mut frame = vec![0; LENGTH_BYTES];
        match self {
            Order::Hello { incarnation } => {
                frame.put_u8(HELLO);
                frame.put_slice(MAGIC);
                frame.put_u16_le(VERSION);
                frame.put_u32_le(FRAME_LIMIT_BYTES as u32);
                frame.put_u32_le(*incarnation);
            }
            Order::Start { attributes, arguments } => {
                frame.put_u8(START);
                put_text(&mut frame, &json(attributes));
                put_values(&mut frame, arguments);
            }
            Order::Call { id, method, attributes, arguments } => {
                frame.put_u8(CALL);
                frame.put_u64_le(*id);
                put_text(&mut frame, method);
                put_text(&mut frame, &json(attributes));
                put_values(&mut frame, arguments);
            }
            Order::Checkpoint { id } => {
                frame.put_u8(CHECKPOINT);
                frame.put_u64_le(*id);
            }
            Order::Restore { state } => {
                frame.put_u8(RESTORE);
                put_values(&mut frame, std::slice::from_ref(state));
            }
            Order::Stop => frame.put_u8(STOP),
        }
        let length = frame.len() - LENGTH_BYTES;
        if length > FRAME_LIMIT_BYTES {
            return Err(FrameTooLarge(length as u64));
        }
        frame[..LENGTH_BYTES].copy_from_slice(&(length as u32).to_le_bytes());
        Ok(frame)
    }
}

fn put_text(frame: &mut Vec<u8>, text: &str) {
    frame.put_u32_le(text.len() as u32);
    frame.put_slice(text.as_bytes());
}

fn put_values(frame: &mut Vec<u8>, values: &[Value]) {
    frame.put_u16_le(values.len() as u16);
    for Value { object_type, data } in values {
        match object_type {
            ObjectType::Blob => frame.put_slice(&[0, 0]),
            ObjectType::Tensor { dtype, shape } => {
                frame.put_u8(dtype_number(*dtype));
                frame.put_u8(shape.rank() as u8);
                for extent in shape.extents() {
                    frame.put_u64_le(*extent);
                }
            }
        }
        frame.put_u64_le(data.len() as u64);
        frame.put_slice(data);
    }
}

/// Element types are numbered from 1, in the order of [`DType::ALL`].
fn dtype_number(dtype: DType) -> u8 {
    let place = DType::ALL.iter().position(|known| *known == dtype);
    place.map_or(0, |place| place as u8 + 1)
}

/// Constants as a JSON object. Numbers that JSON does not know become texts.
fn json(attributes: &Attributes) -> String {
    let float = |value: f64| match serde_json::Number::from_f64(value) {
        Some(number) => serde_json::Value::Number(number),
        None => serde_json::Value::String(value.to_string()),
    };
    let value = |attribute: &Attribute| match attribute {
        Attribute::Bool(value) => (*value).into(),
        Attribute::Int(value) => (*value).into(),
        Attribute::Float(value) => float(*value),
        Attribute::Text(value) => value.as_str().into(),
        Attribute::Ints(values) => values.clone().into(),
        Attribute::Floats(values) => values.iter().map(|value| float(*value)).collect(),
    };
    let object: serde_json::Map<String, serde_json::Value> =
        attributes.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect();
    serde_json::Value::Object(object).to_string()
}

impl Answer {
    /// What a frame without its length means; otherwise what is wrong with it.
    pub(super) fn decode(frame: Bytes) -> Result<Answer, String> {
        let mut reader = Reader(frame);
        let answer = match reader.number(1)? as u8 {
            READY => Answer::Ready { version: reader.number(2)? as u16 },
            RESULT => Answer::Result { id: reader.number(8)?, values: reader.values()? },
            ERROR => Answer::Error { id: reader.number(8)?, message: reader.message()? },
            other => return Err(format!("there is no frame of type {other}")),
        };
        match reader.0.len() {
            0 => Ok(answer),
            rest => Err(format!("{rest} bytes are left at the frame's end")),
        }
    }
}

struct Reader(Bytes);

impl Reader {
    fn take(&mut self, bytes: usize) -> Result<Bytes, String> {
        let left = self.0.len();
        if bytes > left {
            return Err(format!("the frame ends where {bytes} bytes are missing, it has {left}"));
        }
        Ok(self.0.split_to(bytes))
    }

    fn number(&mut self, bytes: usize) -> Result<u64, String> {
        Ok(self.take(bytes)?.get_uint_le(bytes))
    }

    /// A text for people; of a long one its beginning.
    fn message(&mut self) -> Result<String, String> {
        let length = self.number(4)? as usize;
        let text = self.take(length)?;
        if length <= ERROR_LIMIT_BYTES {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        // A character that the cut falls into is left out.
        let mut end = ERROR_LIMIT_BYTES;
        while end > ERROR_LIMIT_BYTES - 4 && text[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        let kept = String::from_utf8_lossy(&text[..end]);
        Ok(format!("{kept}... (cut: the first {end} of {length} bytes)"))
    }

    fn values(&mut self) -> Result<Vec<Value>, String> {
        let count = self.number(2)?;
        (0..count)
            .map(|place| self.value().map_err(|why| format!("value {place}: {why}")))
            .collect()
    }

    fn value(&mut self) -> Result<Value, String> {
        let (dtype, rank) = (self.number(1)?, self.number(1)? as usize);
        if rank > RANK_LIMIT {
            return Err(format!("{rank} extents are more than the limit of {RANK_LIMIT}"));
        }
        let extents = (0..rank).map(|_| self.number(8)).collect::<Result<Vec<_>, _>>()?;
        let object_type = match dtype.checked_sub(1) {
            None if rank == 0 => ObjectType::Blob,
            None => return Err("a blob has no extents".to_owned()),
            Some(place) => {
                let known = DType::ALL.get(place as usize);
                let dtype = *known.ok_or_else(|| format!("there is no element type {dtype}"))?;
                ObjectType::Tensor { dtype, shape: Shape::new(extents) }
            }
        };
        let length = usize::try_from(self.number(8)?).unwrap_or(usize::MAX);
        let value = Value { object_type, data: self.take(length)? };
        if value.is_consistent() {
            return Ok(value);
        }
        Err(format!("{length} bytes do not go with {}", value.object_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(id: u64, values: &[Value]) -> Vec<u8> {
        let mut frame = vec![RESULT];
        frame.put_u64_le(id);
        put_values(&mut frame, values);
        frame
    }

    #[test]
    fn values_come_through() {
        let values =
            [Value::scalar_f32(1.5), Value::blob(vec![1, 2, 3]), Value::blob(Bytes::new())];
        let answer = Answer::decode(result(7, &values).into());
        assert_eq!(answer, Ok(Answer::Result { id: 7, values: values.to_vec() }));
    }

    #[test]
    fn constants_are_json() {
        let attributes = Attributes::from([
            ("by".to_owned(), Attribute::Int(2)),
            ("rate".to_owned(), Attribute::Float(f64::INFINITY)),
            ("sizes".to_owned(), Attribute::Floats(vec![0.5])),
        ]);
        assert_eq!(json(&attributes), r#"{"by":2,"rate":"inf","sizes":[0.5]}"#);
    }

    #[test]
    fn long_errors_are_cut() {
        let error = |text: &str| {
            let mut frame = vec![ERROR];
            frame.put_u64_le(1);
            put_text(&mut frame, text);
            match Answer::decode(frame.into()) {
                Ok(Answer::Error { message, .. }) => message,
                other => panic!("no error: {other:?}"),
            }
        };
        let fits = "x".repeat(ERROR_LIMIT_BYTES);
        assert_eq!(error(&fits), fits);
        let long = format!("y{}", "\u{00e4}".repeat(2_500_000));
        let end = ERROR_LIMIT_BYTES - 1;
        let kept = &long[..end];
        let told = format!("{kept}... (cut: the first {end} of {} bytes)", long.len());
        assert_eq!(error(&long), told);
    }

    #[test]
    fn garbage_is_told() {
        let check = |frame: Vec<u8>, told: &str| {
            assert_eq!(Answer::decode(frame.into()), Err(told.to_owned()));
        };
        check(vec![], "the frame ends where 1 bytes are missing, it has 0");
        check(vec![9], "there is no frame of type 9");
        check(vec![READY, 1, 0, 5], "1 bytes are left at the frame's end");
        let mut wrong = result(1, &[Value::scalar_f32(1.0)]);
        wrong[11] = 200;
        check(wrong, "value 0: there is no element type 200");
        let mut short = result(1, &[Value::scalar_f32(1.0)]);
        short[11] = 7;
        check(short, "value 0: 4 bytes do not go with f64[]");
        let mut deep = result(1, &[]);
        deep[9] = 1;
        deep.extend([6, 33]);
        check(deep, "value 0: 33 extents are more than the limit of 32");
    }
}
