//! Memory for an object that is being made.

use bytes::Bytes;

use super::memory::Draft;

/// What kernels ask of their outputs' places.
const ALIGNMENT: usize = 64;

/// Memory where an object of its size belongs, to be written before others read it. It holds zeros
/// or whatever was there before.
pub(crate) enum Buffer {
    Arena(Draft),
    /// Longer than the object, which begins where the alignment wants it.
    Heap {
        bytes: Vec<u8>,
        start: usize,
        len: usize,
    },
}

impl Buffer {
    pub(super) fn on_heap(len: usize) -> Self {
        let bytes = vec![0; len + ALIGNMENT];
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Buffer::Heap { bytes, start, len }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Buffer::Arena(draft) => draft.bytes_mut(),
            Buffer::Heap { bytes, start, len } => &mut bytes[*start..*start + *len],
        }
    }

    pub(crate) fn freeze(self) -> Bytes {
        match self {
            Buffer::Arena(draft) => draft.freeze(),
            Buffer::Heap { bytes, start, len } => Bytes::from(bytes).slice(start..start + len),
        }
    }
}
