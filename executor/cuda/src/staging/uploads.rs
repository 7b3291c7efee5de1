//! Copies to a device.

use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::{CudaEvent, CudaSlice, CudaStream, DevicePtrMut as _, DriverError, result};

use super::pinned::Pinned;
use super::ring::Ring;
use super::{PIECE_BYTES, event, say_refused};

/// Bytes that may be on their way at the same time.
const RING_BYTES: usize = 16 << 20;

/// Copies to a device, which go on while the caller does.
pub(crate) struct Uploads {
    stream: Arc<CudaStream>,
    stage: Mutex<Stage>,
}

/// Memory that is locked when it is first needed.
enum Stage {
    Unmade,
    Made(Made),
    Refused,
}

struct Made {
    memory: Pinned,
    /// Each part is free once its event has passed.
    ring: Ring<CudaEvent>,
    spare: Vec<CudaEvent>,
}

impl Uploads {
    /// Copies in this stream.
    pub(crate) fn new(stream: &Arc<CudaStream>) -> Self {
        Uploads { stream: Arc::clone(stream), stage: Mutex::new(Stage::Unmade) }
    }

    /// Copies all of `data` to the beginning of a slice. Returns when `data` is needed no longer;
    /// whatever uses the slice waits for the end.
    ///
    /// # Errors
    /// The device fails.
    pub(crate) fn copy(&self, data: &[u8], to: &mut CudaSlice<u8>) -> Result<(), DriverError> {
        if data.is_empty() {
            return Ok(());
        }
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match stage.made(&self.stream)? {
            Some(made) => made.copy(data, to, &self.stream),
            None => {
                drop(stage);
                self.stream.memcpy_htod(data, &mut to.slice_mut(..data.len()))
            }
        }
    }
}

impl Stage {
    /// The memory, unless it is refused.
    fn made(&mut self, stream: &CudaStream) -> Result<Option<&mut Made>, DriverError> {
        if let Stage::Unmade = self {
            *self = match Pinned::new(stream.context(), RING_BYTES) {
                Ok(memory) => {
                    Stage::Made(Made { memory, ring: Ring::new(RING_BYTES), spare: Vec::new() })
                }
                Err(error) => {
                    // Where the context is broken, it is this that is told, not the refusal.
                    stream.context().check_err()?;
                    say_refused(error);
                    Stage::Refused
                }
            };
        }
        match self {
            Stage::Made(made) => Ok(Some(made)),
            Stage::Unmade | Stage::Refused => Ok(None),
        }
    }
}

impl Made {
    fn copy(
        &mut self,
        data: &[u8],
        to: &mut CudaSlice<u8>,
        stream: &Arc<CudaStream>,
    ) -> Result<(), DriverError> {
        stream.context().bind_to_thread()?;
        let base = self.memory.start();
        // Notes, when it is dropped, that the stream writes the slice until then.
        let (address, _writes) = to.device_ptr_mut(stream);
        for (number, piece) in data.chunks(PIECE_BYTES).enumerate() {
            let spare = &mut self.spare;
            let part = self.ring.next(piece.len(), |passed: CudaEvent| {
                passed.synchronize()?;
                spare.push(passed);
                Ok::<(), DriverError>(())
            })?;
            let passes = match self.spare.pop() {
                Some(event) => event,
                None => event(stream.context())?,
            };
            // SAFETY: the part is within the memory, and nobody else has it: copies that read it have
            // passed their events.
            let staged =
                unsafe { std::slice::from_raw_parts_mut(base.add(part.start), part.len()) };
            staged.copy_from_slice(piece);
            let there = address + (number * PIECE_BYTES) as u64;
            // SAFETY: the slice is as long as the data; the part stays as it is until the event that
            // follows has passed.
            unsafe { result::memcpy_htod_async(there, staged, stream.cu_stream()) }?;
            if let Err(error) = passes.record(stream) {
                // Nothing tells when the part is free but the stream's end.
                stream.synchronize()?;
                return Err(error);
            }
            self.ring.take(&part, passes);
        }
        Ok(())
    }
}

impl Drop for Made {
    /// What is on its way still reads the memory.
    fn drop(&mut self) {
        for passes in self.ring.drain() {
            // Where the context is broken, nothing reads any more.
            let _ = passes.synchronize();
        }
    }
}
