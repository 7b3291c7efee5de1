//! What a launch sees of all memory, with the latest ranges at hand.

use std::sync::Arc;

use super::fault::BadAccess;
use crate::memory::device::DeviceMemory;
use crate::memory::host::HostMemory;
use crate::memory::{device_of, table::Range};

/// Ranges kept at hand.
const KEPT: usize = 6;

/// The memory that exists while a kernel runs.
#[derive(Clone, Debug)]
pub struct Memories {
    /// Every device's.
    pub devices: Arc<[Arc<DeviceMemory>]>,
    /// What the host lends.
    pub host: Arc<HostMemory>,
    /// The device the kernel runs on.
    pub own: usize,
    /// Devices it may reach, as bits.
    pub peers: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    range: Range,
    delta: isize,
    owner: usize,
    generation: u64,
}

/// A worker's view.
#[derive(Debug)]
pub struct View {
    memories: Memories,
    known: [Option<Known>; KEPT],
    next: usize,
    /// Bytes read and written in global memory.
    pub bytes: u64,
    /// Ranges touched: per allocation the lowest and highest byte read and written.
    pub touched: Option<Vec<Touched>>,
}

/// What a kernel touched of an allocation.
#[derive(Clone, Copy, Debug)]
pub struct Touched {
    /// The allocation's start.
    pub allocation: u64,
    /// Lowest and one past the highest byte read.
    pub read: (u64, u64),
    /// Lowest and one past the highest byte written.
    pub written: (u64, u64),
}

/// The owner that stands for the host.
const HOST: usize = usize::MAX;

impl View {
    /// A view of `memories`; `trace` notes what is touched.
    pub fn new(memories: Memories, trace: bool) -> Self {
        Self { memories, known: [None; KEPT], next: 0, bytes: 0, touched: trace.then(Vec::new) }
    }

    fn generation(&self, owner: usize) -> u64 {
        if owner == HOST {
            self.memories.host.generation()
        } else {
            self.memories.devices[owner].generation()
        }
    }

    /// The byte behind an address, when `bytes` from it lie in one allocation.
    #[inline]
    pub fn resolve(&mut self, address: u64, bytes: u64, write: bool) -> Result<*mut u8, BadAccess> {
        for at in 0..KEPT {
            if let Some(known) = self.known[at]
                && known.range.holds(address, bytes)
                && known.generation == self.generation(known.owner)
            {
                if self.touched.is_some() {
                    self.touch(known.range.start, address, bytes, write);
                }
                return Ok((address as *mut u8).wrapping_offset(known.delta));
            }
        }
        self.look_up(address, bytes, write)
    }

    #[cold]
    fn look_up(&mut self, address: u64, bytes: u64, write: bool) -> Result<*mut u8, BadAccess> {
        let bad = |what: String| BadAccess { address, bytes, write, what, misaligned: false };
        let (range, delta, owner) = match device_of(address) {
            Some(device) => {
                let Some(memory) = self.memories.devices.get(device) else {
                    return Err(bad("the address belongs to no device".into()));
                };
                if device != self.memories.own && self.memories.peers >> device & 1 == 0 {
                    return Err(bad(format!(
                        "the memory belongs to device {device}, the kernel runs on device {} \
                         without peer access to it",
                        self.memories.own
                    )));
                }
                let table = memory.table();
                match table.find(address) {
                    Some(range) if range.holds(address, bytes) => (range, memory.delta(), device),
                    _ => return Err(bad(table.describe(address, bytes))),
                }
            }
            None => match self.memories.host.find(address) {
                Some((range, _)) if range.holds(address, bytes) => (range, 0, HOST),
                _ => return Err(bad(self.memories.host.describe(address, bytes))),
            },
        };
        let generation = self.generation(owner);
        self.known[self.next] = Some(Known { range, delta, owner, generation });
        self.next = (self.next + 1) % KEPT;
        if self.touched.is_some() {
            self.touch(range.start, address, bytes, write);
        }
        Ok((address as *mut u8).wrapping_offset(delta))
    }

    fn touch(&mut self, allocation: u64, address: u64, bytes: u64, write: bool) {
        let Some(touched) = &mut self.touched else { return };
        let at = touched.iter().position(|touched| touched.allocation == allocation);
        let at = at.unwrap_or_else(|| {
            let none = (u64::MAX, 0);
            touched.push(Touched { allocation, read: none, written: none });
            touched.len() - 1
        });
        let range = if write { &mut touched[at].written } else { &mut touched[at].read };
        *range = (range.0.min(address), range.1.max(address + bytes));
    }
}
