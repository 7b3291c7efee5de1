//! Objects in a device's memory.

use std::fmt;
use std::sync::Arc;

use drawloom_cuda::{Buffer, Device, Error};
use drawloom_model::{DeviceIndex, ObjectType, Value};

/// An object, or a copy of one, in a device's memory. With the last reference the memory is free.
pub(crate) struct Resident {
    pub object_type: ObjectType,
    /// Which of the executor's devices it is.
    pub home: DeviceIndex,
    device: Arc<Device>,
    buffer: Buffer,
}

impl Resident {
    pub(crate) fn new(
        object_type: ObjectType,
        home: DeviceIndex,
        device: Arc<Device>,
        buffer: Buffer,
    ) -> Arc<Self> {
        Arc::new(Resident { object_type, home, device, buffer })
    }

    pub(crate) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.buffer.len() as u64
    }

    /// Copies it, on a thread that may block.
    ///
    /// # Errors
    /// The device has failed.
    pub(crate) fn read(&self, into: &mut [u8]) -> Result<(), Error> {
        self.device.download(&self.buffer, into)
    }

    /// A copy on the heap, for those who need it once. On a thread that may block.
    ///
    /// # Errors
    /// As [`Resident::read`].
    pub(crate) fn load(&self) -> Result<Value, Error> {
        let mut data = vec![0; self.buffer.len()];
        self.read(&mut data)?;
        Ok(Value { object_type: self.object_type.clone(), data: data.into() })
    }
}

impl fmt::Debug for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of type {:?}", self.buffer, self.object_type)
    }
}
