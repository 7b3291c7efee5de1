//! An object on its way in, straight into the place where it will stay.

use drawloom_executor_core::RoomFor;
use drawloom_model::{ObjectKey, ObjectType, Value};
use drawloom_proto::{ChunkError, Description, Rejection, Tally, v1};
use tonic::{Code, Status};

use crate::NoRoom;
use crate::store::{Buffer, Store};

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
    place: Buffer,
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
        // The size was held against the store's limit, which is an address space's length.
        let place = store.buffer(key.job, size_bytes as usize, purpose).await?;
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
