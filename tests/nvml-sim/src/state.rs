//! The machine and what is live of it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use drawloom_gpu_sim::{Device, Live, LiveDevice, Machine};

use crate::code::Code;

static MACHINE: OnceLock<Machine> = OnceLock::new();
static USERS: AtomicU32 = AtomicU32::new(0);
static LIVE: AtomicPtr<Live> = AtomicPtr::new(std::ptr::null_mut());

/// Counts a user in.
pub fn start() {
    MACHINE.get_or_init(Machine::from_env);
    USERS.fetch_add(1, Ordering::AcqRel);
}

/// Counts a user out.
pub fn end() -> Result<(), Code> {
    let left = |users: u32| users.checked_sub(1);
    USERS
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, left)
        .map_err(|_| Code::UNINITIALIZED)?;
    Ok(())
}

/// The machine, while there is a user.
pub fn machine() -> Result<&'static Machine, Code> {
    if USERS.load(Ordering::Acquire) == 0 {
        return Err(Code::UNINITIALIZED);
    }
    MACHINE.get().ok_or(Code::UNINITIALIZED)
}

/// What changes: the file's where one is named, otherwise that of the stand-in of libcuda, which may be
/// loaded later than this library.
fn live() -> &'static Live {
    if std::env::var_os("DRAWLOOM_SIM_STATE").is_some() {
        return Live::get();
    }
    let known = LIVE.load(Ordering::Acquire);
    if !known.is_null() {
        // SAFETY: the other library's state stays until the process ends.
        return unsafe { &*known };
    }
    // SAFETY: a look-up of a name; the function has this type in the library that has it.
    unsafe {
        let found = libc::dlsym(libc::RTLD_DEFAULT, c"simGetLive".as_ptr());
        if found.is_null() {
            return Live::get();
        }
        let get: extern "C" fn() -> *const Live = std::mem::transmute(found);
        LIVE.store(get().cast_mut(), Ordering::Release);
        &*get()
    }
}

/// The number of a device behind its handle.
pub fn index_of(handle: usize) -> Result<usize, Code> {
    let at = handle.checked_sub(1).ok_or(Code::INVALID_ARGUMENT)?;
    if at < machine()?.devices.len() { Ok(at) } else { Err(Code::INVALID_ARGUMENT) }
}

/// The handle of a device.
pub fn handle_of(index: usize) -> usize {
    index + 1
}

/// What a device is.
pub fn device(handle: usize) -> Result<&'static Device, Code> {
    Ok(&machine()?.devices[index_of(handle)?])
}

/// What is live of a device, even if it is lost.
pub fn live_of(index: usize) -> &'static LiveDevice {
    live().device(index)
}

/// What is live of a device that answers.
pub fn answering(handle: usize) -> Result<(&'static Device, &'static LiveDevice), Code> {
    let live = live_of(index_of(handle)?);
    if live.lost.load(Ordering::Acquire) != 0 {
        return Err(Code::GPU_IS_LOST);
    }
    Ok((device(handle)?, live))
}
