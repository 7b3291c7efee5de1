//! One stretch of shared memory, cut into blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::MemfdFlags;

/// Blocks begin and end at multiples of this: a cache line, and enough for every vector unit.
const ALIGNMENT: usize = 64;

/// There is no room for a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the object store is full: {wanted_bytes} bytes wanted, {free_bytes} of {limit_bytes} free (not all in one piece)"
)]
pub struct ArenaFull {
    /// What was asked for.
    pub wanted_bytes: u64,
    /// What is free in all.
    pub free_bytes: u64,
    /// The arena's size.
    pub limit_bytes: u64,
}

/// Shared memory of a fixed size that takes up physical memory only where it was written.
/// Freed blocks are used again before fresh ones, since fresh pages cost a fault each.
#[derive(Debug)]
pub struct Arena {
    map: MmapRaw,
    free: Mutex<FreeList>,
}

impl Arena {
    /// An arena of at most `limit_bytes`.
    ///
    /// # Errors
    /// When the system grants no such memory.
    pub fn new(limit_bytes: u64) -> io::Result<Arc<Self>> {
        let limit = usize::try_from(limit_bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the arena is too large"))?;
        let limit = limit.next_multiple_of(ALIGNMENT).max(ALIGNMENT);
        let memory = rustix::fs::memfd_create("drawloom-arena", MemfdFlags::CLOEXEC)?;
        let file = File::from(memory);
        file.set_len(limit as u64)?;
        let map = MmapOptions::new().len(limit).no_reserve_swap().map_raw(&file)?;
        Ok(Arc::new(Arena { map, free: Mutex::new(FreeList::new(limit)) }))
    }

    /// A block of `len` bytes to be written. Its contents are whatever was there before.
    ///
    /// # Errors
    /// When no free stretch is as long.
    pub fn allocate(self: &Arc<Self>, len: usize) -> Result<Draft, ArenaFull> {
        // On a line of its own, so that the lock is free again for what follows.
        let offset = self.free_list().take(padded(len));
        let offset = offset.ok_or_else(|| self.full(len))?;
        Ok(Draft(Block { arena: Arc::clone(self), offset, len }))
    }

    /// Bytes in use.
    pub fn used_bytes(&self) -> u64 {
        (self.map.len() - self.free_list().free_bytes) as u64
    }

    /// Bytes in all.
    pub fn limit_bytes(&self) -> u64 {
        self.map.len() as u64
    }

    fn full(&self, wanted: usize) -> ArenaFull {
        let free_bytes = self.free_list().free_bytes as u64;
        ArenaFull { wanted_bytes: wanted as u64, free_bytes, limit_bytes: self.limit_bytes() }
    }

    fn free_list(&self) -> MutexGuard<'_, FreeList> {
        // Nothing in the list's own code panics half-way.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn padded(len: usize) -> usize {
    len.max(1).checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX)
}

/// A block that only its owner sees, to be written and then frozen.
#[derive(Debug)]
pub struct Draft(Block);

impl Draft {
    /// The bytes to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let Block { arena, offset, len } = &self.0;
        // SAFETY: the free list gave `offset..offset + len` to this block alone, inside the
        // mapping, which lives as long as the arena; only this draft refers to it, mutably here.
        // Every bit pattern is a byte.
        unsafe { std::slice::from_raw_parts_mut(arena.map.as_mut_ptr().add(*offset), *len) }
    }

    /// The bytes, for ever after unchanged. The block is freed when the last clone goes.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

#[derive(Debug)]
struct Block {
    arena: Arc<Arena>,
    offset: usize,
    len: usize,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: as in `Draft::bytes_mut`; a frozen block is never written again while it lives.
        unsafe { std::slice::from_raw_parts(self.arena.map.as_ptr().add(self.offset), self.len) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.arena.free_list().give_back(self.offset, padded(self.len));
    }
}

/// Free stretches, by place (to join neighbours) and by length (to find the best fit).
#[derive(Debug)]
struct FreeList {
    by_offset: BTreeMap<usize, usize>,
    by_len: BTreeSet<(usize, usize)>,
    free_bytes: usize,
}

impl FreeList {
    fn new(len: usize) -> Self {
        FreeList {
            by_offset: BTreeMap::from([(0, len)]),
            by_len: BTreeSet::from([(len, 0)]),
            free_bytes: len,
        }
    }

    /// The shortest stretch that is long enough; so the untouched rest is used last.
    fn take(&mut self, len: usize) -> Option<usize> {
        let (found, offset) = self.by_len.range((len, 0)..).next().copied()?;
        self.remove(offset, found);
        if found > len {
            self.insert(offset + len, found - len);
        }
        self.free_bytes -= len;
        Some(offset)
    }

    fn give_back(&mut self, offset: usize, len: usize) {
        self.free_bytes += len;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_apart_and_come_back() {
        let arena = Arena::new(1024).expect("memory");
        let mut blocks = (1..=4)
            .map(|fill| {
                let mut draft = arena.allocate(200).expect("room");
                draft.bytes_mut().fill(fill);
                draft.freeze()
            })
            .collect::<Vec<_>>();
        assert_eq!(arena.used_bytes(), 1024);
        for (fill, block) in (1..).zip(&blocks) {
            assert_eq!(block.as_ptr() as usize % ALIGNMENT, 0);
            assert!(block.iter().all(|byte| *byte == fill));
        }
        let full = arena.allocate(1).expect_err("full");
        assert_eq!((full.wanted_bytes, full.free_bytes), (1, 0));
        blocks.swap(0, 2);
        blocks.truncate(1);
        let part = blocks[0].slice(10..20);
        blocks.clear();
        assert_eq!(arena.used_bytes(), 256);
        assert_eq!(part, vec![3; 10]);
        drop(part);
        assert!(arena.allocate(1024).is_ok(), "neighbours are joined");
    }

    #[test]
    fn huge_sizes_are_refused() {
        let arena = Arena::new(64).expect("memory");
        assert!(arena.allocate(usize::MAX).is_err());
        assert_eq!(arena.allocate(0).expect("room").freeze().len(), 0);
    }
}
