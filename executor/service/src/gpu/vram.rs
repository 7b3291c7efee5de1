//! What a device's memory keeps of objects, so that they need not be copied there again.
//!
//! Every object is in the store, too: what is kept here may be dropped at any time.

use std::collections::HashMap;

use drawloom_cuda::Buffer;
use drawloom_model::ObjectKey;

/// Copies of objects on one device, and which of them was used last.
#[derive(Default)]
pub(super) struct Vram {
    copies: HashMap<ObjectKey, Copy>,
    bytes: u64,
    uses: u64,
}

struct Copy {
    buffer: Buffer,
    used: u64,
}

impl Vram {
    /// The copy of an object.
    pub(super) fn find(&mut self, object: ObjectKey) -> Option<Buffer> {
        self.uses += 1;
        let copy = self.copies.get_mut(&object)?;
        copy.used = self.uses;
        Some(copy.buffer.clone())
    }

    /// Keeps a copy, in place of an earlier one.
    pub(super) fn keep(&mut self, object: ObjectKey, buffer: Buffer) {
        self.uses += 1;
        self.bytes += buffer.len() as u64;
        let copy = Copy { buffer, used: self.uses };
        if let Some(earlier) = self.copies.insert(object, copy) {
            self.bytes -= earlier.buffer.len() as u64;
        }
    }

    /// Forgets an object.
    pub(super) fn forget(&mut self, object: ObjectKey) {
        if let Some(copy) = self.copies.remove(&object) {
            self.bytes -= copy.buffer.len() as u64;
        }
    }

    /// Bytes of all copies.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets copies that nothing reads now, the least recently used first, until so many bytes
    /// are free; how many that makes.
    pub(super) fn evict(&mut self, wanted_bytes: u64) -> u64 {
        let idle = self.copies.iter().filter(|(_, copy)| copy.buffer.is_unshared());
        let mut idle: Vec<(u64, ObjectKey)> =
            idle.map(|(object, copy)| (copy.used, *object)).collect();
        idle.sort_unstable();
        let before = self.bytes;
        for (_, object) in idle {
            if before - self.bytes >= wanted_bytes {
                break;
            }
            self.forget(object);
        }
        before - self.bytes
    }
}
