//! Memory for what kernels make of an actor's state, which is the actor's own.

use bytes::Bytes;
use drawloom_kernels::{KernelError, Outputs};
use drawloom_model::{ObjectType, Value};

/// What kernels ask of their outputs' places.
const ALIGNMENT: usize = 64;

/// Buffers on the heap.
#[derive(Default)]
pub(super) struct HeapOutputs {
    made: Vec<Buffer>,
}

/// Longer than the output, which begins where the alignment wants it.
struct Buffer {
    object_type: ObjectType,
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Outputs for HeapOutputs {
    fn create(&mut self, types: &[ObjectType]) -> Result<Vec<&mut [u8]>, KernelError> {
        for object_type in types {
            let bytes = object_type.size_bytes().unwrap_or(u64::MAX);
            let full = KernelError::OutOfMemory { bytes };
            let len = usize::try_from(bytes).ok().filter(|len| *len < isize::MAX as usize);
            self.made.push(Buffer::new(object_type.clone(), len.ok_or(full)?));
        }
        Ok(self.made.iter_mut().map(Buffer::bytes_mut).collect())
    }

    fn create_blob(&mut self, bytes: usize) -> Result<&mut [u8], KernelError> {
        self.made.push(Buffer::new(ObjectType::Blob, bytes));
        let made = self.made.last_mut().map(Buffer::bytes_mut);
        made.ok_or_else(|| KernelError::Outputs("there is no buffer".to_owned()))
    }
}

impl Buffer {
    fn new(object_type: ObjectType, len: usize) -> Self {
        let bytes = vec![0; len + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Buffer { object_type, bytes, start, len }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

impl HeapOutputs {
    /// What was made, in order.
    pub(super) fn finish(self) -> Vec<Value> {
        let values = self.made.into_iter().map(|Buffer { object_type, bytes, start, len }| Value {
            object_type,
            data: Bytes::from(bytes).slice(start..start + len),
        });
        values.collect()
    }
}
