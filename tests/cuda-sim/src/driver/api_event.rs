//! `cuEvent*`.

use std::ffi::c_uint;
use std::sync::Arc;

use super::api_stream::{capture_of, stream_of};
use super::context::healthy;
use super::error::{Code, give};
use super::event::Event;
use super::handles;
use super::order;
use super::system::EVENTS;
use super::work::Work;

fn record(event: usize, stream: usize) -> Result<(), Code> {
    let event = EVENTS.get(event)?;
    let stream = stream_of(stream)?;
    if event.context.handle != stream.context.handle {
        return Err(Code::INVALID_HANDLE);
    }
    if let Some(capture) = capture_of(&stream) {
        event.captured_in(&capture, stream.handle);
        return Ok(());
    }
    let number = event.announce();
    let point = stream.push(Arc::new(Work::Record { event: Arc::clone(&event), number }), true);
    event.recorded_at(point, order::clock_of(&stream));
    Ok(())
}

fn elapsed(start: usize, end: usize) -> Result<f32, Code> {
    let (start, end) = (EVENTS.get(start)?, EVENTS.get(end)?);
    start.context.check()?;
    for event in [&start, &end] {
        if !event.timing || event.point().is_none() {
            return Err(Code::INVALID_HANDLE);
        }
        if event.capture().is_some() {
            return Err(Code::CAPTURED_EVENT);
        }
    }
    let (Some(from), Some(to)) = (start.time(), end.time()) else { return Err(Code::NOT_READY) };
    let seconds = match to.checked_duration_since(from) {
        Some(time) => time.as_secs_f64(),
        None => -from.duration_since(to).as_secs_f64(),
    };
    Ok((seconds * 1e3) as f32)
}

api! {
    /// Makes an event.
    fn cuEventCreate(event: *mut usize, flags: c_uint) {
        let handle = handles::fresh();
        let made = Event::new(handle, healthy()?, flags & 2 == 0);
        EVENTS.insert(handle, Arc::new(made));
        give(event, handle)
    }

    /// Ends an event.
    fn cuEventDestroy_v2(event: usize) { EVENTS.remove(event).map(drop) }

    /// Records an event.
    fn cuEventRecord(event: usize, stream: usize) { record(event, stream) }

    /// Records an event.
    fn cuEventRecordWithFlags(event: usize, stream: usize, _flags: c_uint) { record(event, stream) }

    /// Whether an event is passed.
    fn cuEventQuery(event: usize) {
        let event = EVENTS.get(event)?;
        event.context.check()?;
        if event.capture().is_some() {
            return Err(Code::CAPTURED_EVENT);
        }
        match event.point() {
            Some((point, _)) if !point.reached() => Err(Code::NOT_READY),
            Some((_, clock)) => {
                if let Some(clock) = clock {
                    order::host_joined(&clock);
                }
                event.context.check()
            }
            None => Ok(()),
        }
    }

    /// Waits for an event.
    fn cuEventSynchronize(event: usize) {
        let event = EVENTS.get(event)?;
        event.context.check()?;
        if event.capture().is_some() {
            return Err(Code::CAPTURED_EVENT);
        }
        if let Some((point, clock)) = event.point() {
            point.wait();
            if let Some(clock) = clock {
                order::host_joined(&clock);
            }
        }
        event.context.check()
    }

    /// Milliseconds between two events.
    fn cuEventElapsedTime(milliseconds: *mut f32, start: usize, end: usize) {
        give(milliseconds, elapsed(start, end)?)
    }

    /// Milliseconds between two events.
    fn cuEventElapsedTime_v2(milliseconds: *mut f32, start: usize, end: usize) {
        give(milliseconds, elapsed(start, end)?)
    }
}
