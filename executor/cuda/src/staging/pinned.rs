//! Page-locked memory of this process's own.

use std::ptr;
use std::sync::Arc;

use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, DriverError};

/// Memory that is mapped here and locked by the driver.
///
/// The driver could give memory, too, but takes it away when a context is reset, under whoever is copying
/// to it then. This stays; only the lock goes.
pub(super) struct Pinned {
    context: Arc<CudaContext>,
    start: *mut u8,
    len: usize,
}

// SAFETY: it owns its memory, as a `Vec` does.
unsafe impl Send for Pinned {}

impl Pinned {
    /// So many bytes, all 0.
    ///
    /// # Errors
    /// The system or the driver refuses.
    pub(super) fn new(context: &Arc<CudaContext>, len: usize) -> Result<Self, DriverError> {
        context.bind_to_thread()?;
        // SAFETY: a new mapping, which nobody else knows of.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY));
        }
        let memory = Pinned { context: Arc::clone(context), start: start.cast(), len };
        // A child's copy would be of no use, and in making it, older kernels give the child the pages
        // that the device knows.
        // SAFETY: the mapping is this one's own.
        unsafe { libc::madvise(start, len, libc::MADV_DONTFORK) };
        // SAFETY: as above; it is unregistered before it is unmapped.
        unsafe { sys::cuMemHostRegister_v2(start, len, 0) }.result()?;
        Ok(memory)
    }

    /// Where it begins. Who uses it knows which part nobody else does.
    pub(super) fn start(&self) -> *mut u8 {
        self.start
    }

    /// The context that the memory is locked for.
    pub(super) fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // Where the context was reset, or the memory was never locked, there is nothing to unlock.
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: whoever had copies under way has waited for them.
            let _ = unsafe { sys::cuMemHostUnregister(self.start.cast()) };
        }
        // SAFETY: mapped in `new`, and nobody else uses it.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}
