//! A queue between two threads whose reader is woken when the writer says so: to wake it for each
//! of many small things costs more than the things do.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How often a reader looks for more, giving way in between, before it sleeps.
const LOOKS: u32 = 8;

/// The end that is written to. The reader finds the end of the line when this is dropped.
pub(super) struct Entrance<T>(Arc<Line<T>>);

/// The end that is read.
pub(super) struct Exit<T>(Arc<Line<T>>);

struct Line<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    reader_sleeps: bool,
    is_closed: bool,
}

/// A new line.
pub(super) fn line<T>() -> (Entrance<T>, Exit<T>) {
    let state = State { waiting: VecDeque::new(), reader_sleeps: false, is_closed: false };
    let line = Arc::new(Line { state: Mutex::new(state), arrived: Condvar::new() });
    (Entrance(Arc::clone(&line)), Exit(line))
}

impl<T> Line<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Entrance<T> {
    /// Puts something at the end. A reader that sleeps goes on sleeping.
    pub(super) fn push(&self, item: T) {
        self.0.state().waiting.push_back(item);
    }

    /// Wakes the reader, if it sleeps and there is something.
    pub(super) fn ring(&self) {
        let state = self.0.state();
        let wakes = state.reader_sleeps && !state.waiting.is_empty();
        drop(state);
        if wakes {
            self.0.arrived.notify_one();
        }
    }
}

impl<T> Drop for Entrance<T> {
    fn drop(&mut self) {
        self.0.state().is_closed = true;
        self.0.arrived.notify_one();
    }
}

impl<T> Exit<T> {
    /// The next; waits for it. Nothing once the writer is gone and all has been read.
    pub(super) fn next(&self) -> Option<T> {
        // To sleep and to be woken takes longer than most waits do.
        for _ in 0..LOOKS {
            if let Some(item) = self.next_now() {
                return Some(item);
            }
            std::thread::yield_now();
        }
        let mut state = self.0.state();
        loop {
            if let Some(item) = state.waiting.pop_front() {
                return Some(item);
            }
            if state.is_closed {
                return None;
            }
            state.reader_sleeps = true;
            state = self.0.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.reader_sleeps = false;
        }
    }

    /// The next, if there is one.
    pub(super) fn next_now(&self) -> Option<T> {
        self.0.state().waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_before_the_end() {
        let (entrance, exit) = line();
        let reader = std::thread::spawn(move || {
            let mut read = Vec::new();
            while let Some(item) = exit.next() {
                read.push(item);
            }
            (read, exit.next_now())
        });
        for item in 0..1000 {
            entrance.push(item);
            if item % 10 == 0 {
                entrance.ring();
            }
        }
        drop(entrance);
        let (read, after) = reader.join().expect("it ends");
        assert_eq!((read, after), ((0..1000).collect(), None));
    }
}
