//! Direct calls and their replies, cut into parts where they are large.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use drawloom_model::{AttemptId, Call, CallArgument, CallFault, ObjectType, Value, WhenFull};

use crate::chunk::CHUNK_BYTES;
use crate::convert::{attributes, nanos, object_type, wire_attributes, wire_type};
use crate::field::{FieldError, required};
use crate::v1;

/// The most bytes of one call's arguments, or of one reply's results.
pub const CALL_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// A call or reply has more bytes than may travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{bytes} bytes are more than the {CALL_LIMIT_BYTES} that travel in a call; put the object and pass a reference"
)]
pub struct CallTooLarge {
    /// How many there are.
    pub bytes: u64,
}

/// Cuts a call into parts, the first with everything but bytes beyond a part's length.
///
/// # Errors
/// When its arguments are too large to travel.
pub fn encode_call(
    id: u64,
    call: Call,
    parts: &mut Vec<v1::ActorCall>,
) -> Result<(), CallTooLarge> {
    let mut rest = Vec::new();
    let arguments = split(call.arguments, &mut rest)?;
    parts.push(v1::ActorCall {
        id,
        method: call.method,
        attributes: wire_attributes(&call.attributes),
        arguments,
        timeout_nanos: call.timeout.map(nanos),
        waits: call.when_full == WhenFull::Wait,
        more: Bytes::new(),
    });
    parts.extend(pieces(rest).map(|more| v1::ActorCall { id, more, ..Default::default() }));
    Ok(())
}

/// Cuts a reply into parts.
///
/// # Errors
/// When its results are too large to travel.
pub fn encode_reply(
    id: u64,
    result: Result<Vec<Value>, CallFault>,
    parts: &mut Vec<v1::CallReply>,
) -> Result<(), CallTooLarge> {
    let mut rest = Vec::new();
    let (results, fault) = match result {
        Ok(values) => {
            (split(values.into_iter().map(CallArgument::Value).collect(), &mut rest)?, None)
        }
        Err(fault) => (Vec::new(), Some(fault.into())),
    };
    parts.push(v1::CallReply { id, results, fault, more: Bytes::new() });
    parts.extend(pieces(rest).map(|more| v1::CallReply { id, more, ..Default::default() }));
    Ok(())
}

/// Values as they go into a first part; what does not fit is left in `rest`.
fn split(
    values: Vec<CallArgument>,
    rest: &mut Vec<Bytes>,
) -> Result<Vec<v1::CallValue>, CallTooLarge> {
    let mut total = 0;
    let mut room = CHUNK_BYTES;
    let mut encode = |value| match value {
        CallArgument::Object { key, sources } => {
            let addresses = sources.iter().map(|source| source.to_string()).collect();
            let object = v1::RemoteObject { key: Some(key.into()), addresses };
            v1::CallValue { object: Some(object), ..Default::default() }
        }
        CallArgument::Value(Value { object_type, mut data }) => {
            total += data.len() as u64;
            let missing = data.split_off(data.len().min(room));
            room -= data.len();
            let missing_bytes = missing.len() as u64;
            if !missing.is_empty() {
                rest.push(missing);
            }
            let object_type = wire_type(&object_type);
            v1::CallValue { r#type: object_type, data, missing_bytes, object: None }
        }
    };
    let encoded = values.into_iter().map(&mut encode).collect();
    if total > CALL_LIMIT_BYTES { Err(CallTooLarge { bytes: total }) } else { Ok(encoded) }
}

fn pieces(rest: Vec<Bytes>) -> impl Iterator<Item = Bytes> {
    rest.into_iter().flat_map(|mut bytes| {
        std::iter::from_fn(move || {
            let piece = bytes.split_to(bytes.len().min(CHUNK_BYTES));
            (!piece.is_empty()).then_some(piece)
        })
    })
}

/// Puts calls together from their parts, which follow each other.
#[derive(Debug, Default)]
pub struct CallReceiver {
    open: Option<(v1::ActorCall, Assembly)>,
}

impl CallReceiver {
    /// Takes in a part; the call's id and the call, once all of it is there.
    ///
    /// # Errors
    /// The first field that means nothing.
    pub fn add(&mut self, part: v1::ActorCall) -> Result<Option<(u64, Call)>, FieldError> {
        let (head, assembly) = match self.open.take() {
            Some((head, mut assembly)) => {
                expect(head.id, part.id)?;
                assembly.add(&part.more)?;
                (head, assembly)
            }
            None => {
                let mut head = part;
                let values = std::mem::take(&mut head.arguments);
                (head, Assembly::begin(values, "arguments")?)
            }
        };
        if !assembly.is_complete() {
            self.open = Some((head, assembly));
            return Ok(None);
        }
        let call = Call {
            method: head.method,
            attributes: attributes(head.attributes)?,
            arguments: assembly.finish("arguments")?,
            timeout: head.timeout_nanos.map(Duration::from_nanos),
            when_full: if head.waits { WhenFull::Wait } else { WhenFull::Refuse },
        };
        Ok(Some((head.id, call)))
    }
}

/// A reply: the call's id and how it ended.
pub type Reply = (u64, Result<Vec<Value>, CallFault>);

/// Puts replies together from their parts, which follow each other.
#[derive(Debug)]
pub struct ReplyReceiver {
    incarnation: AttemptId,
    open: Option<(u64, Assembly)>,
}

impl ReplyReceiver {
    /// Replies from this incarnation.
    pub fn new(incarnation: AttemptId) -> Self {
        ReplyReceiver { incarnation, open: None }
    }

    /// Takes in a part; the reply, once all of it is there.
    ///
    /// # Errors
    /// The first field that means nothing.
    pub fn add(&mut self, part: v1::CallReply) -> Result<Option<Reply>, FieldError> {
        let (id, assembly) = match self.open.take() {
            Some((id, mut assembly)) => {
                expect(id, part.id)?;
                assembly.add(&part.more)?;
                (id, assembly)
            }
            None => {
                if let Some(fault) = part.fault {
                    let fault = fault.decode(self.incarnation).map_err(|e| e.within("fault"))?;
                    return Ok(Some((part.id, Err(fault))));
                }
                (part.id, Assembly::begin(part.results, "results")?)
            }
        };
        if !assembly.is_complete() {
            self.open = Some((id, assembly));
            return Ok(None);
        }
        let values = assembly.finish("results")?.into_iter().map(|value| match value {
            CallArgument::Value(value) => Ok(value),
            CallArgument::Object { .. } => {
                Err(FieldError::new("results", "a result is a value, not a reference"))
            }
        });
        Ok(Some((id, Ok(values.collect::<Result<_, _>>()?))))
    }
}

fn expect(open: u64, id: u64) -> Result<(), FieldError> {
    if open == id {
        return Ok(());
    }
    Err(FieldError::new("id", format_args!("{id} begins before {open} is complete")))
}

/// Values whose bytes come in parts.
#[derive(Debug)]
struct Assembly {
    values: Vec<Slot>,
    /// Where the next bytes belong.
    next: usize,
}

#[derive(Debug)]
enum Slot {
    Whole(CallArgument),
    Open { object_type: ObjectType, data: BytesMut, missing: usize },
}

impl Assembly {
    fn begin(wire: Vec<v1::CallValue>, field: &str) -> Result<Self, FieldError> {
        let mut total = 0u64;
        let mut values = Vec::with_capacity(wire.len());
        for (place, value) in wire.into_iter().enumerate() {
            let at = |error: FieldError| error.within(format_args!("{field}[{place}]"));
            total =
                total.saturating_add(value.data.len() as u64).saturating_add(value.missing_bytes);
            if total > CALL_LIMIT_BYTES {
                return Err(at(FieldError::new("missing_bytes", CallTooLarge { bytes: total })));
            }
            values.push(Slot::of(value).map_err(at)?);
        }
        let mut assembly = Assembly { values, next: 0 };
        assembly.skip_whole();
        Ok(assembly)
    }

    fn skip_whole(&mut self) {
        while let Some(slot) = self.values.get(self.next)
            && matches!(slot, Slot::Whole(_) | Slot::Open { missing: 0, .. })
        {
            self.next += 1;
        }
    }

    fn is_complete(&self) -> bool {
        self.next == self.values.len()
    }

    fn add(&mut self, more: &Bytes) -> Result<(), FieldError> {
        let Some(Slot::Open { data, missing, .. }) = self.values.get_mut(self.next) else {
            return Err(FieldError::new("more", "nothing is missing"));
        };
        if more.is_empty() || more.len() > *missing {
            let message = format_args!("{} bytes came where {missing} are missing", more.len());
            return Err(FieldError::new("more", message));
        }
        data.put_slice(more);
        *missing -= more.len();
        self.skip_whole();
        Ok(())
    }

    fn finish(self, field: &str) -> Result<Vec<CallArgument>, FieldError> {
        let finish = |(place, slot)| match slot {
            Slot::Whole(value) => Ok(value),
            Slot::Open { object_type, data, .. } => {
                let value = Value { object_type, data: data.freeze() };
                consistent(value).map_err(|error| error.within(format_args!("{field}[{place}]")))
            }
        };
        self.values.into_iter().enumerate().map(finish).collect()
    }
}

impl Slot {
    fn of(wire: v1::CallValue) -> Result<Self, FieldError> {
        if let Some(object) = wire.object {
            let key = required(object.key, "object.key")?.into();
            let sources = object.addresses.into_iter().map(Arc::from).collect();
            return Ok(Slot::Whole(CallArgument::Object { key, sources }));
        }
        let object_type = object_type(wire.r#type)?;
        let missing = usize::try_from(wire.missing_bytes).unwrap_or(usize::MAX);
        if missing == 0 {
            return consistent(Value { object_type, data: wire.data }).map(Slot::Whole);
        }
        let mut data = BytesMut::with_capacity(wire.data.len() + missing);
        data.put_slice(&wire.data);
        Ok(Slot::Open { object_type, data, missing })
    }
}

fn consistent(value: Value) -> Result<CallArgument, FieldError> {
    if value.is_consistent() {
        return Ok(CallArgument::Value(value));
    }
    let message = format_args!("{} bytes do not go with {}", value.data.len(), value.object_type);
    Err(FieldError::new("data", message))
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attributes, Failure, FailureKind, ObjectKey};

    use super::*;

    fn call(sizes: &[usize]) -> Call {
        let value = |size: &usize| CallArgument::Value(Value::blob(vec![*size as u8; *size]));
        let mut arguments: Vec<CallArgument> = sizes.iter().map(value).collect();
        arguments.push(CallArgument::Object {
            key: ObjectKey::default(),
            sources: vec!["unix:/x".into()],
        });
        Call {
            method: "add".into(),
            attributes: Attributes::new(),
            arguments,
            timeout: Some(Duration::from_secs(1)),
            when_full: WhenFull::Wait,
        }
    }

    #[test]
    fn calls_of_any_size_come_through() {
        for sizes in [&[][..], &[3], &[0, 5], &[CHUNK_BYTES, 1], &[7, 3 * CHUNK_BYTES + 1, 0, 9]] {
            let mut parts = Vec::new();
            encode_call(5, call(sizes), &mut parts).expect("small enough");
            let biggest = parts.iter().map(|part| {
                let inside: usize = part.arguments.iter().map(|value| value.data.len()).sum();
                part.more.len() + inside
            });
            assert!(biggest.max() <= Some(CHUNK_BYTES), "a part is too large");
            let mut receiver = CallReceiver::default();
            let last = parts.pop().expect("a part");
            for part in parts {
                assert_eq!(receiver.add(part), Ok(None));
            }
            assert_eq!(receiver.add(last), Ok(Some((5, call(sizes)))));
        }
    }

    #[test]
    fn replies_come_through() {
        let incarnation = AttemptId { number: 3, ..AttemptId::default() };
        let results = [
            Ok(vec![Value::scalar_f32(1.0), Value::blob(vec![1; 2 * CHUNK_BYTES])]),
            Err(CallFault::Failed(Failure::new(FailureKind::Application, "no"))),
            Err(CallFault::MailboxFull { limit: 7 }),
            Err(CallFault::NotHere { incarnation }),
            Err(CallFault::Lost { why: "gone".into() }),
            Err(CallFault::Cancelled),
            Err(CallFault::TimedOut { limit: Duration::from_millis(4) }),
        ];
        let mut receiver = ReplyReceiver::new(incarnation);
        for result in results {
            let mut parts = Vec::new();
            encode_reply(9, result.clone(), &mut parts).expect("small enough");
            let replies = parts.into_iter().filter_map(|part| receiver.add(part).transpose());
            let replies: Vec<_> = replies.collect::<Result<_, _>>().expect("good parts");
            assert_eq!(replies, [(9, result)]);
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let mut parts = Vec::new();
        encode_call(1, call(&[2 * CHUNK_BYTES]), &mut parts).expect("small enough");
        let refuse = |part: v1::ActorCall| {
            let mut receiver = CallReceiver::default();
            receiver.add(parts[0].clone()).expect("the first part");
            receiver.add(part).expect_err("a bad part").to_string()
        };
        let more = parts[1].more.clone();
        let other = v1::ActorCall { id: 2, more, ..Default::default() };
        assert_eq!(refuse(other), "id: 2 begins before 1 is complete");
        let longer = vec![0; CHUNK_BYTES + 1].into();
        let long = v1::ActorCall { id: 1, more: longer, ..Default::default() };
        assert_eq!(refuse(long), "more: 1048577 bytes came where 1048576 are missing");
        let huge = v1::CallValue { missing_bytes: u64::MAX, ..Default::default() };
        let huge = v1::ActorCall { arguments: vec![huge], ..Default::default() };
        let told = CallReceiver::default().add(huge).expect_err("too large").to_string();
        assert!(
            told.starts_with("arguments[0].missing_bytes: 18446744073709551615 bytes"),
            "{told}"
        );
    }
}
