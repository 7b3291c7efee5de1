//! How a running attempt hears that it is to end.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::event::EventfdFlags;

/// A request to end, seen by kernels as a flag and by whoever waits for a process as a file
/// descriptor that becomes readable.
#[derive(Debug, Default)]
pub struct Cancellation {
    flag: AtomicBool,
    wake: OnceLock<OwnedFd>,
}

impl Cancellation {
    /// No request yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Makes the request.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::SeqCst);
        if let Some(wake) = self.wake.get() {
            // Fails only when the counter is full, and then it is readable already.
            let _ = rustix::io::write(wake, &1u64.to_ne_bytes());
        }
    }

    /// Whether the request was made.
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }

    /// The flag itself.
    pub fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// A descriptor that is readable once the request was made.
    ///
    /// # Errors
    /// When there are too many open files.
    pub fn descriptor(&self) -> io::Result<impl AsFd + '_> {
        if self.wake.get().is_none() {
            let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
            // Where another was first, its descriptor serves and this one is closed.
            let _ = self.wake.set(rustix::event::eventfd(0, flags)?);
        }
        if self.is_cancelled() {
            self.cancel(); // It may have been requested before there was a descriptor.
        }
        self.wake.get().ok_or_else(|| io::Error::other("no event descriptor"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_and_late_requests_wake() {
        for early in [true, false] {
            let cancellation = Cancellation::new();
            if early {
                cancellation.cancel();
            }
            let descriptor = cancellation.descriptor().expect("a descriptor");
            cancellation.cancel();
            let mut count = [0; 8];
            assert!(rustix::io::read(descriptor, &mut count).is_ok());
        }
    }
}
