//! `cuStream*` and host functions.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::capture::Capture;
use super::context::{StreamKind, healthy};
use super::error::{Code, give};
use super::order;
use super::stream::Stream;
use super::system::{EVENTS, STREAMS};
use super::work::{HostFn, Work};

/// The stream of a handle: 0 and 1 are the current context's default stream, 2 the thread's own one.
pub fn stream_of(handle: usize) -> Result<Arc<Stream>, Code> {
    match handle {
        0..=2 => Ok(healthy()?.legacy()),
        handle => {
            let stream = STREAMS.get(handle)?;
            stream.context.check()?;
            Ok(stream)
        }
    }
}

/// The capture a stream is part of.
pub fn capture_of(stream: &Stream) -> Option<Arc<Capture>> {
    stream.capture.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Refuses what a captured stream must not do; the capture is spoilt.
pub fn not_captured(stream: &Stream) -> Result<(), Code> {
    match capture_of(stream) {
        Some(capture) => {
            capture.invalid.store(true, Ordering::Release);
            Err(Code::CAPTURE_UNSUPPORTED)
        }
        None => Ok(()),
    }
}

fn create(flags: c_uint, priority: c_int) -> Result<usize, Code> {
    let kind = if flags & 1 != 0 { StreamKind::NonBlocking } else { StreamKind::Blocking };
    let stream = Stream::create(&healthy()?, kind, priority.clamp(-5, 0));
    STREAMS.insert(stream.handle, Arc::clone(&stream));
    Ok(stream.handle)
}

fn status(stream: &Stream) -> c_int {
    match capture_of(stream) {
        None => 0,
        Some(capture) if capture.invalid.load(Ordering::Acquire) => 2,
        Some(_) => 1,
    }
}

api! {
    /// Makes a stream.
    fn cuStreamCreate(stream: *mut usize, flags: c_uint) { give(stream, create(flags, 0)?) }

    /// Makes a stream with a priority.
    fn cuStreamCreateWithPriority(stream: *mut usize, flags: c_uint, priority: c_int) {
        give(stream, create(flags, priority)?)
    }

    /// Ends a stream; what is queued still runs.
    fn cuStreamDestroy_v2(stream: usize) {
        let stream = STREAMS.remove(stream)?;
        stream.close();
        Ok(())
    }

    /// Waits for a stream.
    fn cuStreamSynchronize(stream: usize) {
        let stream = stream_of(stream)?;
        not_captured(&stream)?;
        if stream.kind == StreamKind::Legacy {
            for other in stream.context.streams() {
                if other.kind == StreamKind::Blocking {
                    other.synchronise();
                }
            }
        }
        stream.synchronise();
        stream.context.check()
    }

    /// Whether a stream is through.
    fn cuStreamQuery(stream: usize) {
        let stream = stream_of(stream)?;
        not_captured(&stream)?;
        let point = stream.point();
        if !point.reached() {
            return Err(Code::NOT_READY);
        }
        order::host_waited(&stream, point.count);
        stream.context.check()
    }

    /// A stream's priority.
    fn cuStreamGetPriority(stream: usize, priority: *mut c_int) {
        give(priority, stream_of(stream)?.priority)
    }

    /// A stream's flags.
    fn cuStreamGetFlags(stream: usize, flags: *mut c_uint) {
        give(flags, c_uint::from(stream_of(stream)?.kind == StreamKind::NonBlocking))
    }

    /// A stream's context.
    fn cuStreamGetCtx(stream: usize, context: *mut usize) {
        give(context, stream_of(stream)?.context.handle)
    }

    /// A stream's number.
    fn cuStreamGetId(stream: usize, id: *mut u64) { give(id, stream_of(stream)?.number) }

    /// Makes a stream wait for an event.
    fn cuStreamWaitEvent(stream: usize, event: usize, _flags: c_uint) {
        let stream = stream_of(stream)?;
        let event = EVENTS.get(event)?;
        if let Some(capture) = event.capture() {
            capture.take_in(&stream)?;
            if stream.handle == capture.origin {
                capture.joined_by(&event);
            } else {
                capture.set_joined(stream.handle, false);
            }
            return Ok(());
        }
        if stream.captured.load(Ordering::Acquire) {
            return match event.point() {
                Some((point, _)) if !point.reached() => Err(Code::CAPTURE_ISOLATION),
                _ => Ok(()),
            };
        }
        if let Some((point, clock)) = event.point() {
            stream.push(Arc::new(Work::Wait { point, clock }), true);
        }
        Ok(())
    }

    /// Calls a host function when the stream gets there.
    fn cuLaunchHostFunc(stream: usize, function: Option<HostFn>, data: *mut c_void) {
        let stream = stream_of(stream)?;
        let function = function.ok_or(Code::INVALID_VALUE)?;
        stream.submit(Work::Host { function, data: data as usize })
    }

    /// Begins a capture.
    fn cuStreamBeginCapture_v2(stream: usize, _mode: c_int) {
        if stream <= 1 {
            return Err(Code::CAPTURE_UNSUPPORTED);
        }
        Capture::begin(&stream_of(stream)?)
    }

    /// Ends a capture.
    fn cuStreamEndCapture(stream: usize, graph: *mut usize) {
        let made = Capture::end(&stream_of(stream)?)?;
        super::system::GRAPHS.insert(made.handle, Arc::clone(&made));
        give(graph, made.handle)
    }

    /// Whether a stream is captured.
    fn cuStreamIsCapturing(stream: usize, answer: *mut c_int) {
        give(answer, status(&*stream_of(stream)?))
    }

    /// What a stream's capture is.
    fn cuStreamGetCaptureInfo_v2(
        stream: usize,
        answer: *mut c_int,
        id: *mut u64,
        graph: *mut usize,
        _dependencies: *mut c_void,
        count: *mut usize,
    ) {
        let stream = stream_of(stream)?;
        give(answer, status(&stream))?;
        if !id.is_null() {
            give(id, capture_of(&stream).map_or(0, |capture| capture.id))?;
        }
        if !graph.is_null() {
            give(graph, 0)?;
        }
        if count.is_null() { Ok(()) } else { give(count, 0) }
    }

    /// How captures of this thread forbid unsafe calls: not at all here.
    fn cuThreadExchangeStreamCaptureMode(_mode: *mut c_int) { Ok(()) }

    /// Attaches managed memory to a stream.
    fn cuStreamAttachMemAsync(stream: usize, _address: u64, _bytes: usize, _flags: c_uint) {
        stream_of(stream).map(drop)
    }
}
