//! Copies from a device.

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cudarc::driver::{CudaEvent, CudaSlice, CudaStream, DevicePtr as _, DriverError, result};

use super::pinned::Pinned;
use super::{PIECE_BYTES, event, say_refused};

/// Slots of a device. One copy takes two, so that a piece is read while the next one arrives.
const SLOTS: usize = 4;

/// Copies from a device, for threads that wait for them.
pub(crate) struct Downloads {
    stream: Arc<CudaStream>,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Slot>,
    made: usize,
    is_refused: bool,
}

/// Locked memory for one piece.
struct Slot {
    memory: Pinned,
    /// The copy into it has ended.
    arrived: CudaEvent,
}

/// Slots of one copy, which go back to where they came from.
struct Loan<'d> {
    downloads: &'d Downloads,
    slots: Vec<Slot>,
}

impl Slot {
    fn new(stream: &CudaStream) -> Result<Self, DriverError> {
        let memory = Pinned::new(stream.context(), PIECE_BYTES)?;
        Ok(Slot { arrived: event(memory.context())?, memory })
    }

    /// Has so many bytes copied here, at most a piece. What was here before has been read.
    fn fill(&mut self, from: u64, bytes: usize, stream: &CudaStream) -> Result<(), DriverError> {
        let base = self.memory.start();
        // SAFETY: a slot has room for a piece, and nobody reads it until its event has passed.
        let staged = unsafe { std::slice::from_raw_parts_mut(base, bytes.min(PIECE_BYTES)) };
        // SAFETY: the caller names bytes of a slice; the slot lives until its event has passed.
        unsafe { result::memcpy_dtoh_async(staged, from, stream.cu_stream()) }?;
        self.arrived.record(stream).or_else(|error| {
            // Nothing tells when the copy has ended but the stream's end.
            stream.synchronize()?;
            Err(error)
        })
    }

    /// Waits for what was copied here, and reads it.
    fn read(&self, into: &mut [u8]) -> Result<(), DriverError> {
        self.arrived.synchronize()?;
        let base = self.memory.start();
        // SAFETY: the copy has ended, and wrote as many bytes.
        into.copy_from_slice(unsafe { std::slice::from_raw_parts(base, into.len()) });
        Ok(())
    }
}

impl Drop for Loan<'_> {
    /// Where a copy failed midway, pieces may still arrive.
    fn drop(&mut self) {
        for slot in &self.slots {
            // Where the context is broken, nothing arrives any more.
            let _ = slot.arrived.synchronize();
        }
        self.downloads.pool().idle.append(&mut self.slots);
        self.downloads.returned.notify_all();
    }
}

impl Drop for Slot {
    /// A copy that nobody waits for any more may still write the memory.
    fn drop(&mut self) {
        // Where the context is broken, nothing writes any more.
        let _ = self.arrived.synchronize();
    }
}

impl Downloads {
    /// Copies in this stream.
    pub(crate) fn new(stream: &Arc<CudaStream>) -> Self {
        Downloads { stream: Arc::clone(stream), pool: Mutex::default(), returned: Condvar::new() }
    }

    /// Copies as many bytes as `into` has, from `start` of a slice on, once whatever writes the slice
    /// has ended, and waits.
    ///
    /// # Errors
    /// The device fails, or what was to write the slice has.
    pub(crate) fn copy(
        &self,
        from: &CudaSlice<u8>,
        start: usize,
        into: &mut [u8],
    ) -> Result<(), DriverError> {
        if into.is_empty() {
            return Ok(());
        }
        let view = from.slice(start..start + into.len());
        let Some(slot) = self.take()? else {
            self.stream.memcpy_dtoh(&view, into)?;
            return self.stream.synchronize();
        };
        let mut slots = vec![slot];
        if into.len() > PIECE_BYTES {
            slots.extend(self.take_now());
        }
        let mut loan = Loan { downloads: self, slots };
        self.stream.context().bind_to_thread()?;
        let (address, _reads) = view.device_ptr(&self.stream);
        let (pieces, count) = (pieces(into.len()), loan.slots.len());
        for (number, piece) in pieces.iter().enumerate() {
            let slot = &mut loan.slots[number % count];
            if let Some(earlier) = number.checked_sub(count) {
                slot.read(&mut into[pieces[earlier].clone()])?;
            }
            slot.fill(address + piece.start as u64, piece.len(), &self.stream)?;
        }
        let last = pieces.len().saturating_sub(count);
        for (number, piece) in pieces.into_iter().enumerate().skip(last) {
            loan.slots[number % count].read(&mut into[piece])?;
        }
        Ok(())
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot; waits for one. Nothing where there is no locked memory.
    fn take(&self) -> Result<Option<Slot>, DriverError> {
        let mut pool = self.pool();
        loop {
            if let Some(slot) = pool.idle.pop() {
                return Ok(Some(slot));
            }
            if pool.made < SLOTS && !pool.is_refused {
                match Slot::new(&self.stream) {
                    Ok(slot) => {
                        pool.made += 1;
                        return Ok(Some(slot));
                    }
                    Err(error) => {
                        // Where the context is broken, it is this that is told, not the refusal.
                        self.stream.context().check_err()?;
                        say_refused(error);
                        pool.is_refused = true;
                    }
                }
            }
            if pool.made == 0 {
                return Ok(None);
            }
            // Who has one gives it back without waiting for another.
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A slot that nobody has now.
    fn take_now(&self) -> Option<Slot> {
        let mut pool = self.pool();
        if let Some(slot) = pool.idle.pop() {
            return Some(slot);
        }
        if pool.made == SLOTS || pool.is_refused {
            return None;
        }
        let slot = Slot::new(&self.stream).ok()?;
        pool.made += 1;
        Some(slot)
    }
}

/// So many bytes, cut.
fn pieces(bytes: usize) -> Vec<Range<usize>> {
    let starts = (0..bytes).step_by(PIECE_BYTES);
    starts.map(|start| start..bytes.min(start + PIECE_BYTES)).collect()
}
