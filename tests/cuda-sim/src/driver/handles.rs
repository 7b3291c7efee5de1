//! Handles that callers hold: numbers, so that stale ones are found out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::error::Code;

static NEXT: AtomicUsize = AtomicUsize::new(0x5100_0000_0010);

/// A number that no handle had before.
pub fn fresh() -> usize {
    NEXT.fetch_add(16, Ordering::Relaxed)
}

/// Things by handle.
#[derive(Debug)]
pub struct Handles<T> {
    all: RwLock<Option<HashMap<usize, Arc<T>>>>,
}

impl<T> Handles<T> {
    /// None yet.
    pub const fn new() -> Self {
        Self { all: RwLock::new(None) }
    }

    /// Takes a thing in under its handle.
    pub fn insert(&self, handle: usize, thing: Arc<T>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.get_or_insert_default().insert(handle, thing);
    }

    /// The thing of a handle.
    pub fn get(&self, handle: usize) -> Result<Arc<T>, Code> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.as_ref().and_then(|all| all.get(&handle).cloned()).ok_or(Code::INVALID_HANDLE)
    }

    /// Takes it out.
    pub fn remove(&self, handle: usize) -> Result<Arc<T>, Code> {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.as_mut().and_then(|all| all.remove(&handle)).ok_or(Code::INVALID_HANDLE)
    }
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self::new()
    }
}
