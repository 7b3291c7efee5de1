//! An object on its way in, straight into the place where it will stay.

use bytes::Bytes;
use drawloom_executor_core::RoomFor;
use drawloom_model::{INLINE_LIMIT_BYTES, ObjectKey, ObjectType, Value};
use drawloom_proto::{ChunkError, Description, Rejection, Tally, v1};
use tonic::{Code, Status};

use crate::NoRoom;
use crate::store::{Draft, Store};

/// Why an object does not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveError {
    /// The other end has said so, is gone or silent.
    #[error("{}", .0.message())]
    Sender(#[from] Status),
    /// What arrives makes no object.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// There is no room for it.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

impl From<ReceiveError> for Status {
    fn from(error: ReceiveError) -> Status {
        match error {
            ReceiveError::Sender(status) => status,
            ReceiveError::Chunk(error) => Rejection::from(error).into(),
            ReceiveError::NoRoom(error) => {
                Rejection::new(Code::ResourceExhausted, error.to_string()).into()
            }
        }
    }
}

/// What has arrived of an object so far.
pub(super) struct Arriving {
    object_type: ObjectType,
    size_bytes: u64,
    tally: Tally,
    place: Place,
}

impl Arriving {
    /// Makes room for what a first piece describes.
    pub(super) async fn new(
        store: &Store,
        key: ObjectKey,
        description: Description,
        purpose: RoomFor,
    ) -> Result<Self, ReceiveError> {
        let Description { object_type, size_bytes, .. } = description;
        let place = Place::new(store, key, size_bytes, purpose).await?;
        Ok(Arriving { object_type, size_bytes, tally: Tally::new(size_bytes), place })
    }

    /// Whether a first piece describes the same object.
    pub(super) fn agrees_with(&self, description: &Description) -> bool {
        description.object_type == self.object_type && description.size_bytes == self.size_bytes
    }

    /// How many bytes are here, undamaged.
    pub(super) fn received_bytes(&self) -> u64 {
        self.tally.received_bytes()
    }

    /// Takes in a piece.
    pub(super) fn add(&mut self, chunk: &v1::ObjectChunk) -> Result<(), ChunkError> {
        let start = self.received_bytes() as usize;
        self.tally.add(chunk)?;
        self.place.bytes_mut()[start..start + chunk.data.len()].copy_from_slice(&chunk.data);
        Ok(())
    }

    /// The object, if nothing is missing or damaged.
    pub(super) fn finish(self) -> Result<Value, ChunkError> {
        self.tally.finish()?;
        metrics::counter!("executor_received_bytes_total").increment(self.size_bytes);
        Ok(Value { object_type: self.object_type, data: self.place.freeze() })
    }

    /// Whether it is all there, with the checksum of the whole: pieces alone do not tell where they
    /// belong.
    pub(super) fn is_complete(&self) -> bool {
        self.received_bytes() == self.size_bytes && self.tally.has_checksum()
    }
}

/// Memory for an object of known size.
enum Place {
    Heap(Vec<u8>),
    Arena(Draft),
}

impl Place {
    async fn new(
        store: &Store,
        key: ObjectKey,
        size_bytes: u64,
        purpose: RoomFor,
    ) -> Result<Self, NoRoom> {
        // The size was held against the store's limit, which is an address space's length.
        let len = size_bytes as usize;
        if len <= INLINE_LIMIT_BYTES {
            return Ok(Place::Heap(vec![0; len]));
        }
        store.allocate(key.job, len, purpose).await.map(Place::Arena)
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Place::Heap(bytes) => bytes,
            Place::Arena(draft) => draft.bytes_mut(),
        }
    }

    fn freeze(self) -> Bytes {
        match self {
            Place::Heap(bytes) => bytes.into(),
            Place::Arena(draft) => draft.freeze(),
        }
    }
}
