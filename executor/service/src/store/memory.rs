//! Shared memory for objects: an arena per job, and one limit over all of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use drawloom_model::JobKey;

use super::arena::{Arena, PAGE_BYTES, Place, Solitary};

/// There is no room for an object.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoRoom {
    /// The whole store is too small.
    #[error(
        "an object of {wanted_bytes} bytes is larger than the object store of {limit_bytes}; executors take more with --object-memory"
    )]
    TooLarge {
        /// What was asked for.
        wanted_bytes: u64,
        /// The store's size.
        limit_bytes: u64,
    },
    /// Others take the room, and do not give it up.
    #[error(
        "the object store is full: {wanted_bytes} bytes wanted, {free_bytes} of {limit_bytes} free{}; release objects, or start executors with more --object-memory",
        why.as_deref().map(|why| format!("; {why}")).unwrap_or_default()
    )]
    Full {
        /// What was asked for.
        wanted_bytes: u64,
        /// What is free in all.
        free_bytes: u64,
        /// The store's size.
        limit_bytes: u64,
        /// Why nothing was written to disk to make room, where that was tried.
        why: Option<String>,
    },
    /// The system grants no memory.
    #[error("the system grants no shared memory for {wanted_bytes} bytes of objects: {reason}")]
    Refused {
        /// What was asked for.
        wanted_bytes: u64,
        /// What the system said.
        reason: String,
    },
}

/// Sweeps that an empty arena survives.
const IDLE_SWEEPS: u32 = 10;
/// How many empty arenas are kept for jobs that may come back to them.
const EMPTY_ARENAS: usize = 16;

/// The memory of all objects of an executor.
///
/// Every job has an arena of its own, a file in memory that no other job's objects are in, so a
/// descriptor of it shows nothing else. What counts against the limit is what was written to:
/// freed blocks keep their pages for the next object of the same job, which then costs no faults,
/// until another job needs the memory.
pub(crate) struct Memory {
    limit: usize,
    state: Mutex<State>,
    /// How many wait for a block to come free.
    waiting: AtomicUsize,
    freed: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Whether pages are being fetched ahead of need.
    fetching_pages: AtomicBool,
}

/// The most bytes of pages that are fetched ahead of need at a time.
const AHEAD_BYTES: usize = 64 << 20;
/// The least for which that is worth a thread.
const WORTHWHILE_BYTES: usize = 1 << 20;

#[derive(Default)]
struct State {
    /// Bytes of pages that were written to and not given back to the system.
    touched: usize,
    /// Of these, bytes whose pages are just being fetched.
    ahead: usize,
    arenas: BTreeMap<JobKey, Arena>,
    /// Objects that are files of their own, by number.
    solitary: BTreeMap<u64, Solitary>,
    next_solitary: u64,
}

impl Memory {
    pub(crate) fn new(limit_bytes: u64) -> io::Result<Arc<Self>> {
        let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "that is no address space");
        let limit = usize::try_from(limit_bytes).ok().filter(|limit| *limit < 1 << 46);
        let limit = limit.ok_or_else(too_large)?.next_multiple_of(PAGE_BYTES).max(PAGE_BYTES);
        // Whether there is shared memory at all is told at the start.
        Arena::new(limit)?;
        Ok(Arc::new(Memory {
            limit,
            state: Mutex::default(),
            waiting: AtomicUsize::new(0),
            freed: OnceLock::new(),
            fetching_pages: AtomicBool::new(false),
        }))
    }

    /// Is called whenever memory comes free while somebody waits.
    pub(crate) fn when_freed(&self, freed: impl Fn() + Send + Sync + 'static) {
        // Set once, at the start.
        let _ = self.freed.set(Box::new(freed));
    }

    /// A block of `len` bytes in a job's arena, to be written. Its contents are whatever the same
    /// job left there, or zeros.
    pub(crate) fn allocate(self: &Arc<Self>, job: JobKey, len: usize) -> Result<Draft, NoRoom> {
        let wanted_bytes = len as u64;
        let padded = padded(len);
        if padded > self.limit {
            return Err(NoRoom::TooLarge { wanted_bytes, limit_bytes: self.limit as u64 });
        }
        let mut state = self.state();
        let offset = state
            .take(job, padded, self.limit)
            .map_err(|error| NoRoom::Refused { wanted_bytes, reason: error.to_string() })?;
        let Some((offset, base, source)) = offset else {
            let free_bytes = (self.limit - state.used()) as u64;
            let limit_bytes = self.limit as u64;
            return Err(NoRoom::Full { wanted_bytes, free_bytes, limit_bytes, why: None });
        };
        drop(state);
        if source == Source::ColdAgain && len >= WORTHWHILE_BYTES {
            self.fetch_pages_ahead(job, padded.min(AHEAD_BYTES));
        }
        let home = Home::Arena(job);
        Ok(Draft(Block { memory: Arc::clone(self), home, base, offset, len }))
    }

    /// A job makes one large object after another: fetches pages for the next one from the system
    /// in the background, where there is plenty of memory.
    fn fetch_pages_ahead(self: &Arc<Self>, job: JobKey, len: usize) {
        if self.fetching_pages.swap(true, Ordering::SeqCst) {
            return;
        }
        let memory = Arc::clone(self);
        let fetch = move || {
            if let Some((offset, base)) = memory.take_ahead(job, len) {
                let advice = rustix::mm::Advice::LinuxPopulateWrite;
                // SAFETY: the range is inside the arena's mapping, which stays as long as the
                // range is taken, and nobody else has it. Kernels that do not know the advice
                // refuse it, and pages come when they are written to.
                let _ = unsafe { rustix::mm::madvise(base.0.add(offset).cast(), len, advice) };
                memory.return_ahead(job, offset, len);
            }
            memory.fetching_pages.store(false, Ordering::SeqCst);
        };
        let thread = std::thread::Builder::new().name("drawloom-pages".to_owned());
        if thread.spawn(fetch).is_err() {
            self.fetching_pages.store(false, Ordering::SeqCst);
        }
    }

    /// A stretch whose pages are not there yet, as long as half of the memory is left.
    fn take_ahead(&self, job: JobKey, len: usize) -> Option<(usize, Base)> {
        let mut state = self.state();
        if state.touched + len > self.limit / 2 {
            return None;
        }
        let arena = state.arenas.get_mut(&job)?;
        let taken = (arena.take_cold(len)?, Base(arena.base()));
        state.touched += len;
        state.ahead += len;
        Some(taken)
    }

    /// Its pages are there: it is the next to be used.
    fn return_ahead(&self, job: JobKey, offset: usize, len: usize) {
        let mut state = self.state();
        state.ahead -= len;
        if let Some(arena) = state.arenas.get_mut(&job) {
            arena.give_back(offset, len);
        }
    }

    /// Makes a file in memory that a process wrote an object. Nobody can write to it any more.
    pub(crate) fn adopt(self: &Arc<Self>, file: &File, len: usize) -> Result<Bytes, NoRoom> {
        let wanted_bytes = len as u64;
        if len == 0 {
            return Ok(Bytes::new());
        }
        let padded = padded(len);
        if padded > self.limit {
            return Err(NoRoom::TooLarge { wanted_bytes, limit_bytes: self.limit as u64 });
        }
        let mut state = self.state();
        if !state.make_room(padded, self.limit) {
            let free_bytes = (self.limit - state.used()) as u64;
            let limit_bytes = self.limit as u64;
            return Err(NoRoom::Full { wanted_bytes, free_bytes, limit_bytes, why: None });
        }
        let refused =
            |error: io::Error| NoRoom::Refused { wanted_bytes, reason: error.to_string() };
        let solitary = Solitary::new(file, len).map_err(refused)?;
        let base = Base(solitary.base());
        state.touched += padded;
        let number = state.next_solitary;
        state.next_solitary += 1;
        state.solitary.insert(number, solitary);
        drop(state);
        let home = Home::Own(number);
        Ok(Bytes::from_owner(Block { memory: Arc::clone(self), home, base, offset: 0, len }))
    }

    /// How much must come free for `len` bytes to fit.
    pub(crate) fn missing_bytes(&self, len: usize) -> u64 {
        let free = self.limit - self.state().used();
        // Where there is enough, but not in one piece, some must go all the same.
        padded(len).saturating_sub(free).max(PAGE_BYTES) as u64
    }

    /// Bytes that objects take.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.state().used() as u64
    }

    /// Bytes of memory in use, those of freed blocks among them.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.state().touched as u64
    }

    /// Bytes in all.
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limit as u64
    }

    /// How many arenas there are.
    pub(crate) fn arenas(&self) -> usize {
        self.state().arenas.len()
    }

    /// Where in which arena these bytes are, if they are in one.
    pub(crate) fn place_of(&self, data: &Bytes) -> Option<Place> {
        let state = self.state();
        let mut arenas = state.arenas.iter();
        arenas
            .find_map(|(job, arena)| arena.place_of(data, *job))
            .or_else(|| state.solitary.values().find_map(|object| object.place_of(data)))
    }

    /// Where in a job's arena a draft is, for another process to write it.
    pub(crate) fn writable_place_of(&self, job: JobKey, draft: &Draft) -> io::Result<Place> {
        let gone = || io::Error::other("there is no such arena");
        let state = self.state();
        let arena = state.arenas.get(&job).ok_or_else(gone)?;
        arena.writable_place(job, draft.0.offset)
    }

    /// Gives arenas back to the system that have been empty for some sweeps.
    pub(crate) fn sweep(&self) {
        let mut state = self.state();
        let State { touched, arenas, .. } = &mut *state;
        arenas.retain(|_, arena| {
            let keep = arena.survives_sweep(IDLE_SWEEPS);
            if !keep {
                *touched -= arena.touched_bytes();
            }
            keep
        });
    }

    pub(crate) fn begin_wait(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn end_wait(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn give_back(&self, home: Home, offset: usize, len: usize) {
        let mut gone = None;
        match home {
            Home::Arena(job) => {
                if let Some(arena) = self.state().arenas.get_mut(&job) {
                    arena.give_back(offset, padded(len));
                }
            }
            Home::Own(number) => {
                let mut state = self.state();
                state.touched -= padded(len);
                gone = state.solitary.remove(&number);
            }
        }
        drop(gone); // Unmapped after the lock is free.
        if self.waiting.load(Ordering::SeqCst) > 0
            && let Some(freed) = self.freed.get()
        {
            freed();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn used(&self) -> usize {
        let warm: usize = self.arenas.values().map(Arena::warm_bytes).sum();
        self.touched - self.ahead - warm
    }

    /// Offset in the job's arena, and its address in memory; nothing where there is no room.
    fn take(
        &mut self,
        job: JobKey,
        len: usize,
        limit: usize,
    ) -> io::Result<Option<(usize, Base, Source)>> {
        if let Some(arena) = self.arenas.get_mut(&job)
            && let Some(offset) = arena.take_warm(len)
        {
            return Ok(Some((offset, Base(arena.base()), Source::Warm)));
        }
        if !self.make_room(len, limit) {
            return Ok(None);
        }
        if !self.arenas.contains_key(&job) {
            self.retire_arenas();
        }
        let arena = match self.arenas.entry(job) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Arena::new(limit)?),
        };
        let source = if arena.is_fresh() { Source::Cold } else { Source::ColdAgain };
        let Some(offset) = arena.take_cold(len) else { return Ok(None) };
        self.touched += len;
        Ok(Some((offset, Base(arena.base()), source)))
    }

    /// Whether so many bytes more are within the limit, after what nobody uses was given back.
    fn make_room(&mut self, len: usize, limit: usize) -> bool {
        if self.touched + len > limit {
            self.trim(self.touched + len - limit);
        }
        self.touched + len <= limit
    }

    /// Gives the empty arenas of the earliest jobs back to the system, where there are many: each
    /// is an open file.
    fn retire_arenas(&mut self) {
        let empty = self.arenas.values().filter(|arena| arena.is_empty()).count();
        let mut excess = empty.saturating_sub(EMPTY_ARENAS);
        let touched = &mut self.touched;
        self.arenas.retain(|_, arena| {
            if excess == 0 || !arena.is_empty() {
                return true;
            }
            excess -= 1;
            *touched -= arena.touched_bytes();
            false
        });
    }

    /// Gives back to the system what freed blocks keep, at least so much where there is as much.
    fn trim(&mut self, bytes: usize) {
        let mut freed = 0;
        self.arenas.retain(|_, arena| {
            if freed >= bytes {
                return true;
            }
            if arena.is_empty() {
                freed += arena.touched_bytes();
                return false;
            }
            freed += arena.trim(bytes - freed);
            true
        });
        self.touched -= freed;
    }
}

fn padded(len: usize) -> usize {
    len.max(1).checked_next_multiple_of(PAGE_BYTES).unwrap_or(usize::MAX)
}

/// The address at which an arena is mapped. It is mapped as long as it has blocks.
#[derive(Clone, Copy, Debug)]
struct Base(*mut u8);

// SAFETY: an address alone; what it is used for is argued in `Draft::bytes_mut` and `Block::as_ref`.
unsafe impl Send for Base {}
// SAFETY: as above.
unsafe impl Sync for Base {}

/// A block that only its owner sees, to be written and then frozen.
#[derive(Debug)]
pub(crate) struct Draft(Block);

impl Draft {
    /// The bytes to write.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let Block { base, offset, len, .. } = &self.0;
        // SAFETY: the arena gave `offset..offset + len` to this block alone, inside its mapping,
        // which stays as long as the arena has blocks; only this draft refers to it, mutably here.
        // Every bit pattern is a byte.
        unsafe { std::slice::from_raw_parts_mut(base.0.add(*offset), *len) }
    }

    /// The bytes, for ever after unchanged. The block is freed when the last clone goes.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

/// What a block is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// Pages that are there.
    Warm,
    /// The first pages of an arena.
    Cold,
    /// More pages of an arena that has some.
    ColdAgain,
}

/// Where a block is.
#[derive(Clone, Copy, Debug)]
enum Home {
    /// In a job's arena.
    Arena(JobKey),
    /// In a file of its own, by number.
    Own(u64),
}

struct Block {
    memory: Arc<Memory>,
    home: Home,
    base: Base,
    offset: usize,
    len: usize,
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes at {} of {:?}", self.len, self.offset, self.home)
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: as in `Draft::bytes_mut`; a frozen block is never written again while it lives.
        unsafe { std::slice::from_raw_parts(self.base.0.add(self.offset), self.len) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.memory.give_back(self.home, self.offset, self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobKey = JobKey { slot: 1, generation: 0 };
    const OTHER: JobKey = JobKey { slot: 2, generation: 0 };

    fn memory(pages: usize) -> Arc<Memory> {
        Memory::new((pages * PAGE_BYTES) as u64).expect("memory")
    }

    fn filled(memory: &Arc<Memory>, job: JobKey, pages: usize, fill: u8) -> Bytes {
        let mut draft = memory.allocate(job, pages * PAGE_BYTES).expect("room");
        draft.bytes_mut().fill(fill);
        draft.freeze()
    }

    #[test]
    fn blocks_are_apart_and_come_back() {
        let memory = memory(8);
        let mut blocks: Vec<_> = (1..=4).map(|fill| filled(&memory, JOB, 2, fill)).collect();
        assert_eq!(memory.used_bytes(), memory.limit_bytes());
        for (fill, block) in (1..).zip(&blocks) {
            assert_eq!(block.as_ptr() as usize % PAGE_BYTES, 0);
            assert!(block.iter().all(|byte| *byte == fill));
        }
        let full = memory.allocate(JOB, 1).expect_err("full");
        assert_eq!(
            full.to_string(),
            "the object store is full: 1 bytes wanted, 0 of 32768 free; release objects, or start executors with more --object-memory"
        );
        assert_eq!(memory.missing_bytes(1), PAGE_BYTES as u64);
        blocks.swap(0, 2);
        blocks.truncate(1);
        let part = blocks[0].slice(10..20);
        blocks.clear();
        assert_eq!(memory.used_bytes(), 2 * PAGE_BYTES as u64);
        assert_eq!(part, vec![3; 10]);
        drop(part);
        assert!(memory.allocate(JOB, 8 * PAGE_BYTES).is_ok(), "neighbours are joined");
    }

    #[test]
    fn jobs_do_not_see_each_others_bytes() {
        let memory = memory(4);
        let (mine, theirs) = (filled(&memory, JOB, 2, 7), filled(&memory, OTHER, 1, 9));
        let place = memory.place_of(&theirs).expect("in an arena");
        assert!(place.shows_only(OTHER) && !place.shows_only(JOB) && place.offset == 0);
        assert!(memory.place_of(&Bytes::from_static(b"elsewhere")).is_none());
        drop(mine);
        // What the other job has left is given to the system before it is given to this one.
        assert_eq!((memory.used_bytes(), memory.resident_bytes()), (4096, 3 * 4096));
        let mut fresh = memory.allocate(OTHER, 3 * PAGE_BYTES).expect("room");
        assert!(fresh.bytes_mut().iter().all(|byte| *byte == 0));
        assert_eq!((memory.arenas(), memory.resident_bytes()), (1, 4 * 4096));
    }

    #[test]
    fn freed_pages_of_a_job_in_use_are_given_back_when_another_needs_them() {
        let memory = memory(4);
        let (kept, gone) = (filled(&memory, JOB, 1, 1), filled(&memory, JOB, 3, 2));
        drop(gone);
        let theirs = filled(&memory, OTHER, 3, 3);
        assert!(memory.allocate(JOB, 1).is_err());
        drop(theirs);
        let mut again = memory.allocate(JOB, 3 * PAGE_BYTES).expect("room");
        assert!(again.bytes_mut().iter().all(|byte| *byte == 0), "the pages were let go");
        assert!(kept.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn pages_are_fetched_ahead_of_need() {
        let memory = memory(64 << 10);
        let pages = WORTHWHILE_BYTES / PAGE_BYTES;
        let first = filled(&memory, JOB, pages, 1);
        let second = filled(&memory, JOB, pages, 1);
        let mut patience = 1000;
        while memory.resident_bytes() < 3 * WORTHWHILE_BYTES as u64 && patience > 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
            patience -= 1;
        }
        while memory.fetching_pages.load(Ordering::SeqCst) && patience > 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
            patience -= 1;
        }
        assert_eq!(memory.resident_bytes(), 3 * WORTHWHILE_BYTES as u64);
        assert_eq!(memory.used_bytes(), 2 * WORTHWHILE_BYTES as u64);
        let third = filled(&memory, JOB, pages, 1);
        assert_eq!(memory.used_bytes(), memory.resident_bytes(), "they are what is used next");
        drop((first, second, third));
    }

    #[test]
    fn empty_arenas_go_after_a_while() {
        let memory = memory(4);
        drop(filled(&memory, JOB, 2, 1));
        let kept = filled(&memory, OTHER, 1, 1);
        for _ in 0..IDLE_SWEEPS {
            assert_eq!(memory.arenas(), 2);
            memory.sweep();
        }
        assert_eq!((memory.arenas(), memory.resident_bytes()), (1, 4096));
        drop(kept);
    }

    #[test]
    fn files_that_processes_wrote_become_objects() {
        use std::io::{Seek as _, Write as _};
        use std::os::unix::fs::FileExt as _;
        let memory = memory(2);
        let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("written", flags).expect("a file");
        let mut file = File::from(file);
        file.write_all(&[7; 5000]).expect("written");
        let object = memory.adopt(&file, 5000).expect("room");
        assert_eq!((object.as_ref(), memory.used_bytes()), (&[7; 5000][..], 8192));
        assert!(file.rewind().is_ok() && file.write_all(b"x").is_err() && file.set_len(1).is_err());
        let place = memory.place_of(&object).expect("shared");
        assert!(place.shows_only(JOB) && place.offset == 0, "it shows nothing but itself");
        let mut read = [0; 2];
        let shown = File::from(place.file.try_clone().expect("a descriptor"));
        shown.read_exact_at(&mut read, 4998).expect("readable");
        assert_eq!(read, [7, 7]);
        assert!(memory.allocate(JOB, 1).is_err(), "it counts");
        let error = memory.adopt(&file, 5000).expect_err("full").to_string();
        assert!(error.contains("5000 bytes wanted"), "{error}");
        drop(object);
        assert_eq!((memory.used_bytes(), memory.resident_bytes()), (0, 0));
        assert_eq!(memory.adopt(&file, 0).expect("nothing to keep").len(), 0);
    }

    #[test]
    fn what_is_shown_cannot_be_written() {
        let memory = memory(2);
        let object = filled(&memory, JOB, 1, 5);
        let place = memory.place_of(&object).expect("shared");
        let shown = &*place.file;
        assert_eq!(rustix::io::write(shown, b"x"), Err(rustix::io::Errno::BADF));
        assert!(rustix::fs::ftruncate(shown, 0).is_err());
        // SAFETY: nothing is read through this mapping, which is not granted.
        assert!(unsafe { memmap2::MmapOptions::new().len(4096).map_mut(shown) }.is_err());
        assert_eq!(object.as_ref(), [5; 4096]);
    }

    #[test]
    fn huge_sizes_are_refused() {
        let memory = memory(1);
        for len in [4097, usize::MAX] {
            let error = memory.allocate(JOB, len).expect_err("too large").to_string();
            assert!(error.contains("larger than the object store of 4096"), "{error}");
        }
        assert_eq!(memory.allocate(JOB, 0).expect("room").freeze().len(), 0);
        assert!(Memory::new(u64::MAX).is_err());
    }

    #[test]
    fn who_waits_is_told_of_freed_blocks() {
        let memory = memory(1);
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        memory.when_freed(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        drop(filled(&memory, JOB, 1, 1));
        assert_eq!(told.load(Ordering::SeqCst), 0);
        memory.begin_wait();
        drop(filled(&memory, JOB, 1, 1));
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }
}
