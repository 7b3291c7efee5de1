//! Memory on a device.

use std::fmt;
use std::sync::Arc;

use cudarc::driver::CudaSlice;

/// Bytes on a device, which do not change. Clones share them; with the last they are given back,
/// once whatever was told to read them has done so.
#[derive(Clone)]
pub struct Buffer {
    /// At least as long as `len`.
    pub(crate) slice: Arc<CudaSlice<u8>>,
    pub(crate) len: usize,
}

impl Buffer {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes on device {}", self.len, self.slice.ordinal())
    }
}
