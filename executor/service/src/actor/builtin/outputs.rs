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
            let len = len.ok_or(full)?;
            let bytes = vec![0; len + ALIGNMENT];
            let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
            self.made.push(Buffer { object_type: object_type.clone(), bytes, start, len });
        }
        let slices = self.made.iter_mut();
        Ok(slices.map(|made| &mut made.bytes[made.start..made.start + made.len]).collect())
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
