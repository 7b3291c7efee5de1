//! The executor's objects by key.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use drawloom_executor_core::FastHasher;
use drawloom_model::{INLINE_LIMIT_BYTES, ObjectKey, Value};

use super::arena::{Arena, ArenaFull};

/// Objects in host memory: small ones on the heap, larger ones in the arena. Reading one takes a
/// reference, not a copy, and it lives on for its readers after it was removed.
#[derive(Debug)]
pub struct Store {
    arena: Arc<Arena>,
    objects: Mutex<HashMap<ObjectKey, Value, BuildHasherDefault<FastHasher>>>,
}

impl Store {
    /// An empty store with an arena of so many bytes.
    ///
    /// # Errors
    /// When the system grants no such memory.
    pub fn new(arena_bytes: u64) -> io::Result<Self> {
        Ok(Store { arena: Arena::new(arena_bytes)?, objects: Mutex::default() })
    }

    /// Where larger objects are written before they are inserted.
    pub fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    /// The object, if it is here.
    pub fn get(&self, object: ObjectKey) -> Option<Value> {
        self.objects().get(&object).cloned()
    }

    /// Keeps an object whose data is where it belongs already, see [`Store::settle`].
    pub fn insert(&self, object: ObjectKey, value: Value) {
        self.objects().insert(object, value);
    }

    /// Forgets an object.
    pub fn remove(&self, object: ObjectKey) {
        // Freed after the lock is.
        let _value = self.objects().remove(&object);
    }

    /// Brings data to where objects of its size belong.
    ///
    /// # Errors
    /// When it belongs in the arena, and that is full.
    pub fn settle(&self, data: Bytes) -> Result<Bytes, ArenaFull> {
        if data.len() <= INLINE_LIMIT_BYTES {
            return Ok(data);
        }
        let mut draft = self.arena.allocate(data.len())?;
        draft.bytes_mut().copy_from_slice(&data);
        Ok(draft.freeze())
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<ObjectKey, Value, BuildHasherDefault<FastHasher>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
