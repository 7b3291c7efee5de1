//! Memory for what is of use for a moment.

use std::sync::{Mutex, PoisonError};

use crate::element::Number;

/// Buffers that go from one part of a call to the next: as many as there are cores at work.
pub(crate) struct Scratch<T>(Mutex<Vec<Vec<T>>>);

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Scratch(Mutex::new(Vec::new()))
    }
}

impl<T: Number> Scratch<T> {
    /// Calls `use_it` with memory for `len` elements, whose values mean nothing.
    pub(crate) fn lend<R>(&self, len: usize, use_it: impl FnOnce(&mut [T]) -> R) -> R {
        let buffers = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = buffers().pop().unwrap_or_default();
        if buffer.len() < len {
            buffer.resize(len, T::ZERO);
        }
        let result = use_it(&mut buffer[..len]);
        buffers().push(buffer);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again() {
        let scratch = Scratch::<f32>::default();
        let place = |len| scratch.lend(len, |memory| (memory.as_ptr(), memory.len()));
        let (large, small) = (place(100), place(10));
        assert_eq!((large.0, small.1), (small.0, 10));
        let inner = scratch.lend(10, |_| place(20));
        assert_ne!(inner.0, large.0);
    }
}
