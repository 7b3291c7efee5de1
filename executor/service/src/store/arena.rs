//! One job's stretch of shared memory, cut into blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use drawloom_model::JobKey;
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};

/// Blocks begin and end at pages, so that others can map one by itself, and freed pages can go.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Where an object is, for who maps it: in this file, at this offset.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Opened for reading alone, unless it was asked for otherwise.
    pub file: Arc<OwnedFd>,
    /// Tells files apart.
    pub number: u64,
    pub offset: u64,
    /// Whose objects the file has; only the one where nobody's.
    job: Option<JobKey>,
}

impl Place {
    /// Whether who sees the file sees nothing but objects of this job, and this one.
    pub(crate) fn shows_only(&self, job: JobKey) -> bool {
        self.job.is_none_or(|owner| owner == job)
    }
}

/// Shared memory that takes up physical memory only where it was written.
///
/// Freed blocks are *warm*: their pages stay and are used again before *cold* stretches, which
/// cost a fault a page.
pub(crate) struct Arena {
    file: File,
    read_only: OnceLock<Arc<OwnedFd>>,
    map: MmapRaw,
    warm: FreeList,
    cold: FreeList,
    blocks: usize,
    /// Sweeps since it was last found in use.
    idle_sweeps: u32,
}

impl Arena {
    /// An arena in which any object of up to `limit` bytes finds a place.
    pub(crate) fn new(limit: usize) -> io::Result<Self> {
        // Addresses cost nothing: with twice as many as memory, cold stretches never run out by
        // being cut up.
        let len = limit.saturating_mul(2);
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(rustix::fs::memfd_create("drawloom-objects", flags)?);
        file.set_len(len as u64)?;
        // Whoever has a descriptor cannot cut the file short under those who read it.
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let map = MmapOptions::new().len(len).no_reserve_swap().map_raw(&file)?;
        Ok(Arena {
            file,
            read_only: OnceLock::new(),
            map,
            warm: FreeList::default(),
            cold: FreeList::new(len),
            blocks: 0,
            idle_sweeps: 0,
        })
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    /// A stretch whose pages are there already.
    pub(crate) fn take_warm(&mut self, len: usize) -> Option<usize> {
        let offset = self.warm.take(len)?;
        self.blocks += 1;
        Some(offset)
    }

    /// A stretch whose pages are not.
    pub(crate) fn take_cold(&mut self, len: usize) -> Option<usize> {
        let offset = self.cold.take(len)?;
        self.blocks += 1;
        Some(offset)
    }

    pub(crate) fn give_back(&mut self, offset: usize, len: usize) {
        self.warm.give_back(offset, len);
        self.blocks -= 1;
        self.idle_sweeps = 0;
    }

    /// Whether nothing was ever taken.
    pub(crate) fn is_fresh(&self) -> bool {
        self.touched_bytes() == 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    pub(crate) fn warm_bytes(&self) -> usize {
        self.warm.bytes
    }

    pub(crate) fn touched_bytes(&self) -> usize {
        self.map.len() - self.cold.bytes
    }

    /// Whether it is in use, or was not so many sweeps ago.
    pub(crate) fn survives_sweep(&mut self, sweeps: u32) -> bool {
        if self.blocks == 0 {
            self.idle_sweeps += 1;
        }
        self.blocks > 0 || self.idle_sweeps < sweeps
    }

    /// Lets go of the pages of freed blocks until `bytes` are reached; how many went.
    pub(crate) fn trim(&mut self, bytes: usize) -> usize {
        let mut freed = 0;
        while freed < bytes
            && let Some((offset, len)) = self.warm.longest()
        {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let punched = rustix::fs::fallocate(&self.file, flags, offset as u64, len as u64);
            if let Err(error) = punched {
                tracing::warn!(%error, "freed memory could not be given back");
                return freed;
            }
            self.warm.remove(offset, len);
            self.warm.bytes -= len;
            self.cold.give_back(offset, len);
            freed += len;
        }
        freed
    }

    /// Where these bytes are, if they are here.
    pub(crate) fn place_of(&self, data: &Bytes, job: JobKey) -> Option<Place> {
        let offset = (data.as_ptr() as usize).checked_sub(self.base() as usize)?;
        if offset + data.len() > self.map.len() {
            return None;
        }
        let file = shown(&self.file, &self.read_only)?;
        let (number, offset) = (number(&self.file)?, offset as u64);
        Some(Place { file, number, offset, job: Some(job) })
    }

    /// A place that may be written, too.
    pub(crate) fn writable_place(&self, job: JobKey, offset: usize) -> io::Result<Place> {
        let file = Arc::new(OwnedFd::from(self.file.try_clone()?));
        let number = rustix::fs::fstat(&self.file)?.st_ino;
        Ok(Place { file, number, offset: offset as u64, job: Some(job) })
    }
}

/// A file's number, which no other has while it is open.
fn number(file: &File) -> Option<u64> {
    rustix::fs::fstat(file).ok().map(|stat| stat.st_ino)
}

/// The descriptor through which others see a file; made when it is first needed.
fn shown(file: &File, read_only: &OnceLock<Arc<OwnedFd>>) -> Option<Arc<OwnedFd>> {
    if let Some(shown) = read_only.get() {
        return Some(Arc::clone(shown));
    }
    // Opened anew: a duplicate would share the right to write.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    match rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(opened) => Some(Arc::clone(read_only.get_or_init(|| Arc::new(opened)))),
        Err(error) => {
            tracing::warn!(%error, "objects cannot be shared for reading");
            None
        }
    }
}

/// An object that is a file of its own: a process has written it, and it was kept as it is.
pub(crate) struct Solitary {
    file: File,
    read_only: OnceLock<Arc<OwnedFd>>,
    map: MmapRaw,
}

impl Solitary {
    /// Seals a file in memory and maps it.
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Self> {
        // Refused while anybody has it mapped for writing, as a process that outlived its session
        // might.
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(file, seals)?;
        let file = file.try_clone()?;
        let map = MmapOptions::new().len(len).map_raw_read_only(&file)?;
        Ok(Solitary { file, read_only: OnceLock::new(), map })
    }

    /// Where it begins in memory; never written to.
    pub(crate) fn base(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    /// Where these bytes are, if they are here.
    pub(crate) fn place_of(&self, data: &Bytes) -> Option<Place> {
        let offset = (data.as_ptr() as usize).checked_sub(self.map.as_ptr() as usize)?;
        if offset + data.len() > self.map.len() {
            return None;
        }
        let file = shown(&self.file, &self.read_only)?;
        Some(Place { file, number: number(&self.file)?, offset: offset as u64, job: None })
    }
}

/// Free stretches, by place (to join neighbours) and by length (to find the best fit).
#[derive(Debug, Default)]
struct FreeList {
    by_offset: BTreeMap<usize, usize>,
    by_len: BTreeSet<(usize, usize)>,
    bytes: usize,
}

impl FreeList {
    fn new(len: usize) -> Self {
        FreeList {
            by_offset: BTreeMap::from([(0, len)]),
            by_len: BTreeSet::from([(len, 0)]),
            bytes: len,
        }
    }

    /// The shortest stretch that is long enough.
    fn take(&mut self, len: usize) -> Option<usize> {
        let (found, offset) = self.by_len.range((len, 0)..).next().copied()?;
        self.remove(offset, found);
        if found > len {
            self.insert(offset + len, found - len);
        }
        self.bytes -= len;
        Some(offset)
    }

    fn longest(&self) -> Option<(usize, usize)> {
        self.by_len.last().map(|(len, offset)| (*offset, *len))
    }

    fn give_back(&mut self, offset: usize, len: usize) {
        self.bytes += len;
        let (mut start, mut end) = (offset, offset + len);
        if let Some((before, before_len)) = self.by_offset.range(..offset).next_back()
            && before + before_len == start
        {
            start = *before;
            self.remove(start, offset - start);
        }
        if let Some(after_len) = self.by_offset.get(&end).copied() {
            self.remove(end, after_len);
            end += after_len;
        }
        self.insert(start, end - start);
    }

    fn insert(&mut self, offset: usize, len: usize) {
        self.by_offset.insert(offset, len);
        self.by_len.insert((len, offset));
    }

    fn remove(&mut self, offset: usize, len: usize) {
        self.by_offset.remove(&offset);
        self.by_len.remove(&(len, offset));
    }
}
