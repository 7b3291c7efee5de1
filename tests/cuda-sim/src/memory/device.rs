//! A device's memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::arena::Arena;
use super::table::{Range, Table};
use super::{DEVICE_BASE, DEVICE_SPAN_BITS};

/// Allocations start at multiples of this.
const GRAIN: u64 = 512;

/// Kept free behind every allocation, so that an overrun hits nothing.
const GUARD: u64 = 4096;

/// Fresh memory is not zero: its first bytes are filled with this.
const POISON: u8 = 0xcd;

/// How many bytes are filled.
const POISONED: u64 = 4096;

/// Freed pages go back to the system above this size.
const DISCARDED: u64 = 64 << 10;

/// A device's memory: addresses, what is allocated, and the bytes behind.
#[derive(Debug)]
pub struct DeviceMemory {
    base: u64,
    span: u64,
    capacity: u64,
    arena: Arena,
    table: RwLock<Table>,
    cursor: AtomicU64,
    used: AtomicU64,
    generation: AtomicU64,
}

impl DeviceMemory {
    /// The memory of device `ordinal`; `None` if the system has no addresses left.
    pub fn new(ordinal: usize, capacity: u64) -> Option<Self> {
        let base = DEVICE_BASE + ((ordinal as u64) << DEVICE_SPAN_BITS);
        // More addresses than memory: freed ones are not used again soon.
        let span = (capacity * 4).clamp(1 << 30, (1 << DEVICE_SPAN_BITS) - (1 << 20));
        Some(Self {
            base,
            span,
            capacity,
            arena: Arena::reserve(usize::try_from(span).ok()?)?,
            table: RwLock::default(),
            cursor: AtomicU64::new(base + (2 << 20)),
            used: AtomicU64::new(0),
            generation: AtomicU64::new(0),
        })
    }

    /// All its bytes.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Changes whenever something is allocated or freed.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What is allocated.
    pub fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is added to an address to find its byte.
    pub fn delta(&self) -> isize {
        (self.arena.start() as u64).wrapping_sub(self.base) as isize
    }

    /// The byte behind an address of this device.
    pub fn host(&self, address: u64) -> *mut u8 {
        self.arena.start().wrapping_add((address - self.base) as usize)
    }

    fn charge(bytes: u64) -> u64 {
        bytes.max(1).next_multiple_of(GRAIN)
    }

    /// Memory of that many bytes; `None` when it is all in use.
    pub fn allocate(&self, bytes: u64) -> Option<u64> {
        let charge = Self::charge(bytes);
        let free = |used: u64| used.checked_add(charge).filter(|sum| *sum <= self.capacity);
        self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok()?;
        let mut table = self.table_mut();
        let Some(start) = self.place(&table, charge) else {
            self.used.fetch_sub(charge, Ordering::AcqRel);
            return None;
        };
        table.insert(Range { start, bytes: bytes.max(1) });
        self.generation.fetch_add(1, Ordering::AcqRel);
        drop(table);
        let filled = bytes.min(POISONED) as usize;
        // SAFETY: the range was just given to this caller, and lies in the arena.
        unsafe { std::ptr::write_bytes(self.host(start), POISON, filled) };
        Some(start)
    }

    /// Addresses for `charge` bytes: behind the latest ones, or in the first gap.
    fn place(&self, table: &Table, charge: u64) -> Option<u64> {
        let end = self.base + self.span;
        let start = self.cursor.load(Ordering::Relaxed);
        if start + charge + GUARD <= end {
            let next = (start + charge + GUARD).next_multiple_of(GRAIN);
            self.cursor.store(next, Ordering::Relaxed);
            return Some(start);
        }
        let mut at = self.base + (2 << 20);
        for range in table.live() {
            if at + charge + GUARD <= range.start {
                return Some(at);
            }
            at = (range.end() + GUARD).next_multiple_of(GRAIN);
        }
        (at + charge + GUARD <= end).then_some(at)
    }

    /// Frees what starts at `start`; `None` if nothing does.
    pub fn free(&self, start: u64) -> Option<Range> {
        let range = self.table_mut().remove(start)?;
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.used.fetch_sub(Self::charge(range.bytes), Ordering::AcqRel);
        if range.bytes >= DISCARDED {
            self.arena.discard((range.start - self.base) as usize, range.bytes as usize);
        }
        Some(range)
    }

    /// The bytes behind a range that lies in one allocation.
    pub fn bytes_at(&self, address: u64, bytes: u64) -> Option<*mut u8> {
        let range = self.table().find(address)?;
        range.holds(address, bytes).then(|| self.host(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_and_addresses_are_kept_apart() {
        let memory = DeviceMemory::new(0, 1 << 20).expect("a small reservation");
        let first = memory.allocate(1000).expect("room");
        let second = memory.allocate(1000).expect("room");
        assert!(second >= first + 1000 + GUARD);
        assert_eq!(memory.used(), 2048);
        assert!(memory.allocate(1 << 20).is_none());
        assert!(memory.free(first).is_some() && memory.free(first).is_none());
        assert!(memory.table().describe(first + 8, 4).contains("use after free"));
        assert!(memory.table().describe(second + 1000, 4).contains("0 bytes after"));
        assert!(memory.bytes_at(second, 1001).is_none());
    }

    #[test]
    fn addresses_are_found_again_when_the_range_is_through() {
        let memory = DeviceMemory::new(1, 1 << 20).expect("a small reservation");
        for _ in 0..5_000 {
            let at = memory.allocate(512 << 10).expect("room after each free");
            memory.free(at).expect("it was allocated");
        }
    }
}
