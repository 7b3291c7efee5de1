//! Copies and fills.

use std::ffi::{c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::api_memory::{check, pinned};
use super::api_stream::stream_of;
use super::context::healthy;
use super::error::Code;
use super::stream::Stream;
use super::system::CONTEXTS;
use super::work::{Source, Work};
use crate::memory::device_of;

/// The driver keeps so many bytes of what is not pinned for a copy that goes on by itself.
const KEPT_BYTES: usize = 64 << 10;

/// A copy from the host. What is not pinned is read at once, as the driver's staging does, and where
/// it is more than a little, the call waits for the copy.
fn from_host(stream: &Stream, to: u64, from: *const c_void, bytes: usize) -> Result<(), Code> {
    if bytes == 0 {
        return Ok(());
    }
    if from.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    check(to, bytes, "write")?;
    let is_pinned = pinned(from as u64, bytes);
    crate::counters::add_copy(bytes as u64, is_pinned);
    let captured = stream.captured.load(Ordering::Acquire);
    let later = is_pinned || captured;
    let from = if later {
        Source::Address(from as u64)
    } else {
        // SAFETY: the caller of the exported function vouches for the bytes.
        Source::Staged(unsafe { std::slice::from_raw_parts(from.cast::<u8>(), bytes) }.to_vec())
    };
    stream.submit(Work::Copy { to, from, bytes: bytes as u64 })?;
    if !later && bytes > KEPT_BYTES { finish(stream) } else { Ok(()) }
}

/// A copy to the host. Into memory that is not pinned it ends before the call does.
fn to_host(stream: &Stream, to: *mut c_void, from: u64, bytes: usize) -> Result<(), Code> {
    if bytes == 0 {
        return Ok(());
    }
    if to.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    check(from, bytes, "read")?;
    let is_pinned = pinned(to as u64, bytes);
    crate::counters::add_copy(bytes as u64, is_pinned);
    let wait = !is_pinned && !stream.captured.load(Ordering::Acquire);
    stream.submit(Work::Copy {
        to: to as u64,
        from: Source::Address(from),
        bytes: bytes as u64,
    })?;
    if wait {
        stream.synchronise();
        stream.context.check()?;
    }
    Ok(())
}

fn between(stream: &Stream, to: u64, from: u64, bytes: usize) -> Result<(), Code> {
    check(to, bytes, "write")?;
    check(from, bytes, "read")?;
    stream.submit(Work::Copy { to, from: Source::Address(from), bytes: bytes as u64 })
}

/// The default stream of the current context, for calls that wait.
fn waiting() -> Result<Arc<Stream>, Code> {
    let context = healthy()?;
    if context.capturing.load(Ordering::Acquire) > 0 {
        return Err(Code::CAPTURE_IMPLICIT);
    }
    Ok(context.legacy())
}

fn finish(stream: &Stream) -> Result<(), Code> {
    stream.synchronise();
    stream.context.check()
}

fn fill(stream: &Stream, address: u64, pattern: u32, width: u32, count: usize) -> Result<(), Code> {
    if !address.is_multiple_of(u64::from(width)) {
        return Err(Code::INVALID_VALUE);
    }
    check(address, count * width as usize, "fill")?;
    stream.submit(Work::Fill { address, pattern, width, count: count as u64 })
}

fn any_copy(stream: &Stream, to: u64, from: u64, bytes: usize) -> Result<(), Code> {
    let managed = |at: u64| device_of(at).is_some() || pinned(at, bytes);
    match (managed(to), managed(from)) {
        (true, true) => between(stream, to, from, bytes),
        (true, false) => from_host(stream, to, from as *const c_void, bytes),
        (false, true) => to_host(stream, to as *mut c_void, from, bytes),
        (false, false) => Err(Code::INVALID_VALUE),
    }
}

api! {
    /// Copies from the host, and waits.
    fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) {
        let stream = waiting()?;
        from_host(&stream, to, from, bytes)?;
        finish(&stream)
    }

    /// Copies from the host.
    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: usize) {
        from_host(&*stream_of(stream)?, to, from, bytes)
    }

    /// Copies to the host, and waits.
    fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) {
        let stream = waiting()?;
        to_host(&stream, to, from, bytes)?;
        finish(&stream)
    }

    /// Copies to the host.
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: usize) {
        to_host(&*stream_of(stream)?, to, from, bytes)
    }

    /// Copies between devices' memories, and waits.
    fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) {
        let stream = waiting()?;
        between(&stream, to, from, bytes)?;
        finish(&stream)
    }

    /// Copies between devices' memories.
    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: usize) {
        between(&*stream_of(stream)?, to, from, bytes)
    }

    /// Copies between contexts, and waits.
    fn cuMemcpyPeer(to: u64, to_context: usize, from: u64, from_context: usize, bytes: usize) {
        CONTEXTS.get(to_context).map_err(|_| Code::INVALID_CONTEXT)?;
        CONTEXTS.get(from_context).map_err(|_| Code::INVALID_CONTEXT)?;
        let stream = waiting()?;
        between(&stream, to, from, bytes)?;
        finish(&stream)
    }

    /// Copies between contexts.
    fn cuMemcpyPeerAsync(to: u64, to_context: usize, from: u64, from_context: usize, bytes: usize, stream: usize) {
        CONTEXTS.get(to_context).map_err(|_| Code::INVALID_CONTEXT)?;
        CONTEXTS.get(from_context).map_err(|_| Code::INVALID_CONTEXT)?;
        between(&*stream_of(stream)?, to, from, bytes)
    }

    /// Copies between any memories, and waits.
    fn cuMemcpy(to: u64, from: u64, bytes: usize) {
        let stream = waiting()?;
        any_copy(&stream, to, from, bytes)?;
        finish(&stream)
    }

    /// Copies between any memories.
    fn cuMemcpyAsync(to: u64, from: u64, bytes: usize, stream: usize) {
        any_copy(&*stream_of(stream)?, to, from, bytes)
    }

    /// Fills bytes, and waits.
    fn cuMemsetD8_v2(address: u64, value: u8, count: usize) {
        let stream = waiting()?;
        fill(&stream, address, value.into(), 1, count)?;
        finish(&stream)
    }

    /// Fills 16-bit words, and waits.
    fn cuMemsetD16_v2(address: u64, value: u16, count: usize) {
        let stream = waiting()?;
        fill(&stream, address, value.into(), 2, count)?;
        finish(&stream)
    }

    /// Fills 32-bit words, and waits.
    fn cuMemsetD32_v2(address: u64, value: c_uint, count: usize) {
        let stream = waiting()?;
        fill(&stream, address, value, 4, count)?;
        finish(&stream)
    }

    /// Fills bytes.
    fn cuMemsetD8Async(address: u64, value: u8, count: usize, stream: usize) {
        fill(&*stream_of(stream)?, address, value.into(), 1, count)
    }

    /// Fills 16-bit words.
    fn cuMemsetD16Async(address: u64, value: u16, count: usize, stream: usize) {
        fill(&*stream_of(stream)?, address, value.into(), 2, count)
    }

    /// Fills 32-bit words.
    fn cuMemsetD32Async(address: u64, value: c_uint, count: usize, stream: usize) {
        fill(&*stream_of(stream)?, address, value, 4, count)
    }
}
