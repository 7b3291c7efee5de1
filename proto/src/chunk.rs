//! Objects as streams of pieces, with a checksum over the whole.

use bytes::{Bytes, BytesMut};
use drawloom_model::{ObjectKey, ObjectType, Value};

use crate::convert::object_type;
use crate::v1;

/// The most bytes of data in one piece.
pub const CHUNK_BYTES: usize = 1024 * 1024;

/// A stream of pieces does not make an object.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChunkError {
    /// The first piece's description means nothing.
    #[error(transparent)]
    Description(#[from] crate::FieldError),
    /// The object is larger than its receiver takes.
    #[error("size_bytes: {size_bytes} bytes are more than the limit of {limit_bytes}")]
    TooLarge {
        /// The size that the first piece told.
        size_bytes: u64,
        /// The most that is taken.
        limit_bytes: u64,
    },
    /// The type asks for another size.
    #[error("size_bytes: {size_bytes} bytes do not go with {object_type}")]
    Inconsistent {
        /// The size that the first piece told.
        size_bytes: u64,
        /// The type that the first piece told.
        object_type: ObjectType,
    },
    /// The data is shorter or longer than the first piece told.
    #[error("data: {received_bytes} bytes arrived where size_bytes told {size_bytes}")]
    WrongSize {
        /// What arrived.
        received_bytes: u64,
        /// What the first piece told.
        size_bytes: u64,
    },
    /// The data was changed on its way.
    #[error(
        "crc32c: the object has {actual:#010x}, not {expected:#010x}; it was damaged on its way"
    )]
    Damaged {
        /// What the sender computed.
        expected: u32,
        /// What arrived.
        actual: u32,
    },
    /// A piece was changed on its way; what came before it was not.
    #[error(
        "piece_crc32c: the piece at byte {start} has {actual:#010x}, not {expected:#010x}; it was damaged on its way"
    )]
    DamagedPiece {
        /// Where in the object the piece begins.
        start: u64,
        /// What the sender computed.
        expected: u32,
        /// What arrived.
        actual: u32,
    },
}

/// What the first piece tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// Which object, where the first piece tells.
    pub key: Option<ObjectKey>,
    /// What the bytes mean.
    pub object_type: ObjectType,
    /// How many there are.
    pub size_bytes: u64,
}

impl Description {
    /// Reads the description in a first piece and checks it against a limit.
    ///
    /// # Errors
    /// When it means nothing, contradicts itself, or is of too large an object.
    pub fn of(first: &mut v1::ObjectChunk, limit_bytes: u64) -> Result<Self, ChunkError> {
        let object_type = object_type(first.r#type.take())?;
        let size_bytes = first.size_bytes;
        if size_bytes > limit_bytes {
            return Err(ChunkError::TooLarge { size_bytes, limit_bytes });
        }
        // A blob's type tells no size; neither does a tensor too large to address.
        let blob = object_type == ObjectType::Blob;
        if !blob && object_type.size_bytes() != Some(size_bytes) {
            return Err(ChunkError::Inconsistent { size_bytes, object_type });
        }
        Ok(Description { key: first.key.map(Into::into), object_type, size_bytes })
    }
}

/// Checks size and checksum of a stream of pieces as it passes.
#[derive(Debug)]
pub struct Tally {
    size_bytes: u64,
    received_bytes: u64,
    crc: u32,
    expected_crc: Option<u32>,
}

impl Tally {
    /// Nothing has arrived of so many bytes.
    pub fn new(size_bytes: u64) -> Self {
        Tally { size_bytes, received_bytes: 0, crc: 0, expected_crc: None }
    }

    /// A piece has arrived.
    ///
    /// # Errors
    /// When more arrived than was told, or the piece was damaged; then it does not count as arrived.
    pub fn add(&mut self, chunk: &v1::ObjectChunk) -> Result<(), ChunkError> {
        let received_bytes = self.received_bytes + chunk.data.len() as u64;
        if received_bytes > self.size_bytes {
            return Err(ChunkError::WrongSize { received_bytes, size_bytes: self.size_bytes });
        }
        let actual = crc32c::crc32c(&chunk.data);
        if let Some(expected) = chunk.piece_crc32c
            && expected != actual
        {
            let start = self.received_bytes;
            return Err(ChunkError::DamagedPiece { start, expected, actual });
        }
        self.crc = join_crcs(self.received_bytes, self.crc, actual, chunk.data.len());
        self.received_bytes = received_bytes;
        self.expected_crc = chunk.crc32c.or(self.expected_crc);
        Ok(())
    }

    /// Whether the sender has told the checksum of the whole.
    pub fn has_checksum(&self) -> bool {
        self.expected_crc.is_some()
    }

    /// How many bytes have arrived undamaged.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// The stream has ended.
    ///
    /// # Errors
    /// When something is missing or was damaged.
    pub fn finish(&self) -> Result<(), ChunkError> {
        if self.received_bytes != self.size_bytes {
            return Err(self.wrong_size());
        }
        match self.expected_crc {
            Some(expected) if expected != self.crc => {
                Err(ChunkError::Damaged { expected, actual: self.crc })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn wrong_size(&self) -> ChunkError {
        ChunkError::WrongSize { received_bytes: self.received_bytes, size_bytes: self.size_bytes }
    }
}

/// Puts the pieces of an object together in memory.
#[derive(Debug)]
pub struct Assembly {
    description: Description,
    tally: Tally,
    data: Data,
}

/// An object in one piece is not copied.
#[derive(Debug)]
enum Data {
    One(Bytes),
    Many(BytesMut),
}

impl Assembly {
    /// Begins with the first piece.
    ///
    /// # Errors
    /// See [`Description::of`] and [`Tally::add`].
    pub fn begin(mut first: v1::ObjectChunk, limit_bytes: u64) -> Result<Self, ChunkError> {
        let description = Description::of(&mut first, limit_bytes)?;
        let mut tally = Tally::new(description.size_bytes);
        tally.add(&first)?;
        Ok(Assembly { description, tally, data: Data::One(first.data) })
    }

    /// What the first piece told.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// See [`Tally::add`].
    pub fn add(&mut self, chunk: &v1::ObjectChunk) -> Result<(), ChunkError> {
        self.tally.add(chunk)?;
        if chunk.data.is_empty() {
            return Ok(());
        }
        if let Data::One(first) = &self.data {
            // Grows with what arrives, not with what was told: a liar costs nothing.
            self.data = Data::Many(BytesMut::from(first.as_ref()));
        }
        if let Data::Many(data) = &mut self.data {
            data.extend_from_slice(&chunk.data);
        }
        Ok(())
    }

    /// The object.
    ///
    /// # Errors
    /// See [`Tally::finish`].
    pub fn finish(self) -> Result<Value, ChunkError> {
        self.tally.finish()?;
        let data = match self.data {
            Data::One(data) => data,
            Data::Many(data) => data.freeze(),
        };
        Ok(Value { object_type: self.description.object_type, data })
    }
}

/// The checksum of what has `crc` and of `len` bytes with `next` behind it.
fn join_crcs(before_bytes: u64, crc: u32, next: u32, len: usize) -> u32 {
    if before_bytes == 0 { next } else { crc32c::crc32c_combine(crc, next, len) }
}

/// The pieces of an object, at least one; none of them copies its data.
pub fn split_object(key: Option<ObjectKey>, value: Value) -> impl Iterator<Item = v1::ObjectChunk> {
    split_object_from(key, value, 0)
}

/// The pieces of an object from a byte on. Checksums are computed as the pieces are taken; that
/// of what comes before `offset` at once.
///
/// # Panics
/// When the object has fewer than `offset` bytes.
pub fn split_object_from(
    key: Option<ObjectKey>,
    value: Value,
    offset: usize,
) -> impl Iterator<Item = v1::ObjectChunk> {
    let mut passed_bytes = offset as u64;
    let mut crc = crc32c::crc32c(&value.data[..offset]);
    let mut first = Some(v1::ObjectChunk {
        key: key.map(Into::into),
        r#type: crate::convert::wire_type(&value.object_type),
        size_bytes: value.data.len() as u64,
        ..Default::default()
    });
    let mut rest = value.data.slice(offset..);
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let mut chunk = first.take().unwrap_or_default();
        chunk.data = rest.split_to(rest.len().min(CHUNK_BYTES));
        done = rest.is_empty();
        let piece_crc = crc32c::crc32c(&chunk.data);
        crc = join_crcs(passed_bytes, crc, piece_crc, chunk.data.len());
        passed_bytes += chunk.data.len() as u64;
        chunk.piece_crc32c = Some(piece_crc);
        chunk.crc32c = done.then_some(crc);
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(chunks: Vec<v1::ObjectChunk>) -> Result<Value, ChunkError> {
        let mut chunks = chunks.into_iter();
        let first = chunks.next().expect("at least one piece");
        let mut assembly = Assembly::begin(first, u64::MAX)?;
        chunks.try_for_each(|chunk| assembly.add(&chunk))?;
        assembly.finish()
    }

    #[test]
    fn objects_survive_the_pieces() {
        for size in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let value = Value::blob(vec![7; size]);
            let chunks: Vec<_> = split_object(None, value.clone()).collect();
            assert_eq!(chunks.len(), size.div_ceil(CHUNK_BYTES).max(1));
            assert_eq!(join(chunks), Ok(value));
        }
    }

    #[test]
    fn damage_is_noticed() {
        let mut chunks: Vec<_> = split_object(None, Value::blob("drawloom")).collect();
        chunks[0].data = Bytes::from_static(b"drawl00m");
        assert!(matches!(join(chunks.clone()), Err(ChunkError::DamagedPiece { start: 0, .. })));
        chunks[0].piece_crc32c = None;
        assert!(matches!(join(chunks.clone()), Err(ChunkError::Damaged { .. })));
        chunks[0].data = Bytes::from_static(b"draw");
        let short = ChunkError::WrongSize { received_bytes: 4, size_bytes: 8 };
        assert_eq!(join(chunks), Err(short));
    }

    #[test]
    fn a_broken_stream_goes_on_where_it_ended() {
        let value =
            Value::blob((0..3 * CHUNK_BYTES + 5).map(|i| (i / 3) as u8).collect::<Vec<_>>());
        let mut tally = Tally::new(value.data.len() as u64);
        for chunk in split_object(None, value.clone()).take(2) {
            tally.add(&chunk).expect("undamaged");
        }
        let mut damaged = split_object_from(None, value.clone(), 2 * CHUNK_BYTES);
        let mut chunk = damaged.next().expect("a piece");
        chunk.data = vec![0; CHUNK_BYTES].into();
        let error = tally.add(&chunk).expect_err("damaged").to_string();
        assert!(error.contains("the piece at byte 2097152"), "{error}");
        assert_eq!(tally.received_bytes(), 2 * CHUNK_BYTES as u64);
        for chunk in split_object_from(None, value.clone(), 2 * CHUNK_BYTES) {
            tally.add(&chunk).expect("undamaged");
        }
        assert_eq!(tally.finish(), Ok(()));
    }

    #[test]
    fn descriptions_are_checked() {
        let mut first = split_object(None, Value::scalar_f32(1.0)).next().expect("a piece");
        assert!(matches!(
            Description::of(&mut first.clone(), 3),
            Err(ChunkError::TooLarge { size_bytes: 4, limit_bytes: 3 })
        ));
        first.size_bytes = 5;
        assert_eq!(
            Description::of(&mut first, 9).expect_err("too long").to_string(),
            "size_bytes: 5 bytes do not go with f32[]"
        );
    }
}
