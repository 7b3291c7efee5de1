//! A fast hasher for keys that the scheduler chose.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Mixes small integer keys by multiplication, the same way in every run. Not for keys that an
/// adversary chooses.
#[derive(Clone, Copy, Default)]
pub struct FastHasher(u64);

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(26) ^ word).wrapping_mul(MULTIPLIER);
    }

    fn finish(&self) -> u64 {
        // Tables take their bucket from the low bits, multiplication mixes best into the high ones.
        self.0.rotate_left(26)
    }
}

/// A hash map over [`FastHasher`]. For lookups alone: its order means nothing.
pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;
