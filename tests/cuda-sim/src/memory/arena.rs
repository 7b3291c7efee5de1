//! Reserved host memory that costs nothing until it is touched.

use std::ptr::NonNull;

/// A reserved range.
#[derive(Debug)]
pub struct Arena {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the range belongs to the arena alone; what is in it is raw bytes.
unsafe impl Send for Arena {}
// SAFETY: as above; races on the bytes are those of the simulated program.
unsafe impl Sync for Arena {}

impl Arena {
    /// Reserves a range; `None` if the system refuses.
    pub fn reserve(bytes: usize) -> Option<Self> {
        // SAFETY: a fresh anonymous mapping touches no memory in use.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes.max(1),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        Some(Self { start: NonNull::new(start.cast())?, bytes: bytes.max(1) })
    }

    /// The first byte.
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Gives the pages inside a part back to the system; they read as zero afterwards.
    pub fn discard(&self, offset: usize, bytes: usize) {
        const PAGE: usize = 4096;
        let first = offset.next_multiple_of(PAGE);
        let end = (offset + bytes).min(self.bytes) / PAGE * PAGE;
        if end > first {
            // SAFETY: the part is inside the mapping, and nobody owns what was freed.
            unsafe {
                libc::madvise(self.start().add(first).cast(), end - first, libc::MADV_DONTNEED)
            };
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `reserve` and ends here.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
