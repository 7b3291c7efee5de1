//! Host memory that devices may use: pinned and managed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::arena::Arena;
use super::table::{Range, Table};

/// A range of the host that devices may use.
#[derive(Debug)]
struct Lent {
    /// The memory, where it is ours.
    arena: Option<Arena>,
    start: u64,
    managed: bool,
    /// The handle of the context that it goes with.
    context: usize,
}

/// What the host lends.
#[derive(Debug, Default)]
pub struct HostMemory {
    table: RwLock<(Table, Vec<Lent>)>,
    generation: AtomicU64,
}

/// The kind of a host range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pinned.
    Pinned,
    /// Managed: used by host and devices alike.
    Managed,
}

impl HostMemory {
    /// Changes whenever something is lent or taken back.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Fresh memory, for a context.
    pub fn allocate(&self, bytes: u64, kind: Kind, context: usize) -> Option<u64> {
        let arena = Arena::reserve(usize::try_from(bytes).ok()?)?;
        let start = arena.start() as u64;
        let managed = kind == Kind::Managed;
        self.lend(Lent { arena: Some(arena), start, managed, context }, bytes);
        Some(start)
    }

    /// Memory the caller owns, for a context.
    pub fn register(&self, start: u64, bytes: u64, context: usize) {
        self.lend(Lent { arena: None, start, managed: false, context }, bytes);
    }

    /// A context is gone, and all that was lent for it. What was ours is unmapped, whoever uses it.
    pub fn end(&self, context: usize) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let (ranges, lent) = &mut *table;
        lent.retain(|one| {
            let goes = one.context == context;
            if goes {
                ranges.remove(one.start);
            }
            !goes
        });
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn lend(&self, lent: Lent, bytes: u64) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.0.insert(Range { start: lent.start, bytes: bytes.max(1) });
        table.1.push(lent);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes back what starts at `start`.
    pub fn take_back(&self, start: u64) -> Option<Range> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let range = table.0.remove(start)?;
        // The arena, if it is ours, is unmapped here.
        table.1.retain(|lent| lent.start != start);
        self.generation.fetch_add(1, Ordering::AcqRel);
        Some(range)
    }

    /// The range that holds an address, and its kind.
    pub fn find(&self, address: u64) -> Option<(Range, Kind)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let range = table.0.find(address)?;
        let lent = table.1.iter().find(|lent| lent.start == range.start)?;
        let _ = &lent.arena;
        Some((range, if lent.managed { Kind::Managed } else { Kind::Pinned }))
    }

    /// What lies around an address, in words.
    pub fn describe(&self, address: u64, bytes: u64) -> String {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        if table.0.live().next().is_none() {
            return "no device memory, and the host lends none".into();
        }
        format!("no device memory; of what the host lends: {}", table.0.describe(address, bytes))
    }
}
