//! `cuCtx*` and primary contexts.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::context::{self, Context, current, healthy};
use super::error::{Code, give};
use super::system::{CONTEXTS, system};

type Handle = *mut c_void;

fn limit_default(limit: c_uint) -> Option<usize> {
    Some(match limit {
        0 => 1024,
        1 => 1 << 20,
        2 => 8 << 20,
        3 => 2,
        4 => 2048,
        5 => 64,
        6 => 0,
        _ => return None,
    })
}

fn destroy(handle: usize) -> Result<(), Code> {
    let context = CONTEXTS.get(handle).map_err(|_| Code::INVALID_CONTEXT)?;
    context.destroy();
    if context::current_handle() == handle {
        context::set_current(0);
    }
    Ok(())
}

fn create(device: c_int) -> Result<usize, Code> {
    let context = Context::create(system()?.device(device)?, false);
    context::push_current(context.handle);
    Ok(context.handle)
}

api! {
    /// Retains a primary context.
    fn cuDevicePrimaryCtxRetain(context: *mut usize, device: c_int) {
        give(context, system()?.device(device)?.retain()?.handle)
    }

    /// Releases a primary context.
    fn cuDevicePrimaryCtxRelease_v2(device: c_int) { system()?.device(device)?.release() }

    /// Ends a primary context.
    fn cuDevicePrimaryCtxReset_v2(device: c_int) {
        system()?.device(device)?.reset();
        Ok(())
    }

    /// Sets a primary context's flags.
    fn cuDevicePrimaryCtxSetFlags_v2(device: c_int, flags: c_uint) {
        system()?.device(device)?.set_primary_flags(flags);
        Ok(())
    }

    /// A primary context's state.
    fn cuDevicePrimaryCtxGetState(device: c_int, flags: *mut c_uint, active: *mut c_int) {
        let (known, there) = system()?.device(device)?.primary_state();
        give(flags, known)?;
        give(active, c_int::from(there))
    }

    /// Makes a context.
    fn cuCtxCreate_v2(context: *mut usize, _flags: c_uint, device: c_int) {
        give(context, create(device)?)
    }

    /// Makes a context.
    fn cuCtxCreate_v3(context: *mut usize, _params: Handle, _count: c_int, _flags: c_uint, device: c_int) {
        give(context, create(device)?)
    }

    /// Makes a context.
    fn cuCtxCreate_v4(context: *mut usize, _params: Handle, _flags: c_uint, device: c_int) {
        give(context, create(device)?)
    }

    /// Ends a context.
    fn cuCtxDestroy_v2(context: usize) { destroy(context) }

    /// Makes a context current.
    fn cuCtxPushCurrent_v2(context: usize) {
        CONTEXTS.get(context).map_err(|_| Code::INVALID_CONTEXT)?;
        context::push_current(context);
        Ok(())
    }

    /// Takes the current context away.
    fn cuCtxPopCurrent_v2(context: *mut usize) {
        let popped = context::pop_current().ok_or(Code::INVALID_CONTEXT)?;
        if context.is_null() { Ok(()) } else { give(context, popped) }
    }

    /// Replaces the current context.
    fn cuCtxSetCurrent(context: usize) {
        if context != 0 {
            CONTEXTS.get(context).map_err(|_| Code::INVALID_CONTEXT)?;
        }
        context::set_current(context);
        Ok(())
    }

    /// The current context.
    fn cuCtxGetCurrent(context: *mut usize) { give(context, context::current_handle()) }

    /// The current context's device.
    fn cuCtxGetDevice(device: *mut c_int) { give(device, current()?.device.ordinal as c_int) }

    /// The current context's flags.
    fn cuCtxGetFlags(flags: *mut c_uint) {
        current()?;
        give(flags, 0)
    }

    /// Sets the current context's flags.
    fn cuCtxSetFlags(_flags: c_uint) { current().map(drop) }

    /// A context's version.
    fn cuCtxGetApiVersion(_context: usize, version: *mut c_uint) { give(version, 3020) }

    /// A context's number.
    fn cuCtxGetId(context: usize, id: *mut u64) {
        let handle = if context == 0 { current()?.handle } else { context };
        give(id, handle as u64)
    }

    /// Waits for all streams of the current context.
    fn cuCtxSynchronize() {
        let context = healthy()?;
        if context.capturing.load(Ordering::Acquire) > 0 {
            return Err(Code::CAPTURE_UNSUPPORTED);
        }
        context.synchronise()
    }

    /// A limit.
    fn cuCtxGetLimit(value: *mut usize, limit: c_uint) {
        let context = current()?;
        let set = context.limits.lock().unwrap_or_else(PoisonError::into_inner).get(&limit).copied();
        give(value, set.or_else(|| limit_default(limit)).ok_or(Code::UNSUPPORTED_LIMIT)?)
    }

    /// Sets a limit.
    fn cuCtxSetLimit(limit: c_uint, value: usize) {
        limit_default(limit).ok_or(Code::UNSUPPORTED_LIMIT)?;
        current()?.limits.lock().unwrap_or_else(PoisonError::into_inner).insert(limit, value);
        Ok(())
    }

    /// How the first-level cache is split.
    fn cuCtxGetCacheConfig(config: *mut c_int) {
        current()?;
        give(config, 0)
    }

    /// Splits the first-level cache.
    fn cuCtxSetCacheConfig(_config: c_int) { current().map(drop) }

    /// The range of streams' priorities.
    fn cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) {
        current()?;
        if !least.is_null() {
            give(least, 0)?;
        }
        if greatest.is_null() { Ok(()) } else { give(greatest, -5) }
    }

    /// Lets kernels of the current context reach another's memory.
    fn cuCtxEnablePeerAccess(peer: usize, _flags: c_uint) {
        let peer = CONTEXTS.get(peer).map_err(|_| Code::INVALID_CONTEXT)?;
        let context = healthy()?;
        if peer.device.ordinal == context.device.ordinal {
            return Err(Code::INVALID_DEVICE);
        }
        context.set_peer(peer.device.ordinal, true)
    }

    /// Ends that.
    fn cuCtxDisablePeerAccess(peer: usize) {
        let peer = CONTEXTS.get(peer).map_err(|_| Code::INVALID_CONTEXT)?;
        healthy()?.set_peer(peer.device.ordinal, false)
    }
}
