//! Functions that no driver has: what tests use to look in and to break things.

use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::Ordering;

use super::error::{Code, give};
use super::system::System;
use crate::{counters, report};

/// Copies `text` with its zero byte; gives the bytes needed.
///
/// # Safety
/// `to` is null or valid for `len` bytes.
unsafe fn copy_out(text: &str, to: *mut c_char, len: usize) -> usize {
    if !to.is_null() && len > 0 {
        let kept = text.len().min(len - 1);
        // SAFETY: the caller vouches for the room.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), to.cast::<u8>(), kept);
            *to.add(kept) = 0;
        }
    }
    text.len() + 1
}

/// Reports so far as lines `kind: text`; gives the bytes needed, with the zero at the end.
///
/// # Safety
/// `to` is null or valid for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simGetReports(to: *mut c_char, len: usize) -> usize {
    // SAFETY: as for the caller.
    unsafe { copy_out(&report::lines(), to, len) }
}

/// What kernels printed, in the same way.
///
/// # Safety
/// `to` is null or valid for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simGetPrinted(to: *mut c_char, len: usize) -> usize {
    // SAFETY: as for the caller.
    unsafe { copy_out(&report::printed(), to, len) }
}

/// The state that changes, for the stand-in of libnvidia-ml in the same process.
#[unsafe(no_mangle)]
pub extern "C" fn simGetLive() -> *const drawloom_gpu_sim::Live {
    drawloom_gpu_sim::Live::get()
}

api! {
    /// Forgets reports and what was printed.
    fn simClearReports() {
        report::clear();
        Ok(())
    }

    /// Adds faults, as `DRAWLOOM_SIM_FAULTS` lists them; counts start now.
    fn simInject(faults: *const c_char) {
        if faults.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        let text = CStr::from_ptr(faults).to_str().map_err(|_| Code::INVALID_VALUE)?;
        if System::get().faults.add(text) { Ok(()) } else { Err(Code::INVALID_VALUE) }
    }

    /// Forgets faults to come.
    fn simClearFaults() {
        System::get().faults.clear();
        Ok(())
    }

    /// Lets kernels of a device go on that hang.
    fn simRelease(device: c_int) {
        System::get().device(device)?.releases.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// A device falls off the bus.
    fn simLoseDevice(device: c_int) {
        System::get().device(device)?.lose();
        Ok(())
    }

    /// A lost device comes back; contexts from before stay broken.
    fn simReviveDevice(device: c_int) {
        System::get().device(device)?.revive();
        Ok(())
    }

    /// Other users of a device hold that many bytes.
    fn simSetForeignBytes(device: c_int, bytes: u64) {
        System::get().device(device)?.live.foreign_bytes.store(bytes, Ordering::Release);
        Ok(())
    }

    /// Launches, instructions of warps and bytes of global memory so far.
    fn simGetCounters(counters: *mut [u64; 3]) { give(counters, counters::read()) }

    /// Bytes copied between devices and pageable and pinned memory of the host so far.
    fn simGetCopies(bytes: *mut [u64; 2]) { give(bytes, counters::read_copies()) }

    /// Bytes that a device has in use.
    fn simGetUsedBytes(device: c_int, bytes: *mut u64) {
        give(bytes, System::get().device(device)?.memory.used())
    }
}
