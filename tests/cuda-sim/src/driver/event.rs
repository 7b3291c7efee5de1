//! Events: a place in a stream, and when it was passed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::capture::Capture;
use super::context::Context;
use super::order;
use super::stream::Point;

/// An event.
pub struct Event {
    /// Its handle.
    pub handle: usize,
    /// The context.
    pub context: Arc<Context>,
    /// Whether it notes the time.
    pub timing: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    point: Option<Point>,
    clock: Option<order::Clock>,
    passed: Option<(u64, Instant)>,
    recorded: u64,
    capture: Option<(Arc<Capture>, usize)>,
}

impl Event {
    /// An event that nobody recorded yet.
    pub fn new(handle: usize, context: Arc<Context>, timing: bool) -> Self {
        Self { handle, context, timing, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record is about to be queued; gives its number.
    pub fn announce(&self) -> u64 {
        let mut state = self.state();
        state.recorded += 1;
        state.capture = None;
        state.recorded
    }

    /// The record is queued at that place.
    pub fn recorded_at(&self, point: Point, clock: Option<order::Clock>) {
        let mut state = self.state();
        state.point = Some(point);
        state.clock = clock;
    }

    /// Recorded in a stream that is captured.
    pub fn captured_in(&self, capture: &Arc<Capture>, stream: usize) {
        self.state().capture = Some((Arc::clone(capture), stream));
    }

    /// The capture it was last recorded in.
    pub fn capture(&self) -> Option<Arc<Capture>> {
        self.state().capture.as_ref().map(|(capture, _)| Arc::clone(capture))
    }

    /// The captured stream it was last recorded in.
    pub fn captured_stream(&self) -> Option<usize> {
        self.state().capture.as_ref().map(|(_, stream)| *stream)
    }

    /// A stream passed the record of that number.
    pub fn pass(&self, number: u64) {
        let mut state = self.state();
        if state.passed.is_none_or(|(known, _)| known <= number) {
            state.passed = Some((number, Instant::now()));
        }
    }

    /// The place of the latest record, if there was one, and what is ordered before it.
    pub fn point(&self) -> Option<(Point, Option<order::Clock>)> {
        let state = self.state();
        state.point.clone().map(|point| (point, state.clock.clone()))
    }

    /// When the latest record was passed.
    pub fn time(&self) -> Option<Instant> {
        let state = self.state();
        state.passed.filter(|(number, _)| *number == state.recorded).map(|(_, when)| when)
    }
}
