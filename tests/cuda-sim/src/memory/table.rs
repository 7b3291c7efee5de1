//! Which ranges are allocated, and which were until lately.

use std::collections::{BTreeMap, VecDeque};

/// How many freed ranges are remembered.
const REMEMBERED: usize = 4096;

/// An allocated range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its first address.
    pub start: u64,
    /// Its size.
    pub bytes: u64,
}

impl Range {
    /// One past its last address.
    pub fn end(self) -> u64 {
        self.start + self.bytes
    }

    /// Whether all of `bytes` at `address` are inside.
    pub fn holds(self, address: u64, bytes: u64) -> bool {
        address >= self.start && address.checked_add(bytes).is_some_and(|end| end <= self.end())
    }
}

/// Allocated ranges and the latest freed ones.
#[derive(Debug, Default)]
pub struct Table {
    live: BTreeMap<u64, u64>,
    freed: VecDeque<Range>,
}

impl Table {
    /// Takes a range in.
    pub fn insert(&mut self, range: Range) {
        self.live.insert(range.start, range.bytes);
    }

    /// Takes the range out that starts at `start`.
    pub fn remove(&mut self, start: u64) -> Option<Range> {
        let bytes = self.live.remove(&start)?;
        let range = Range { start, bytes };
        if self.freed.len() == REMEMBERED {
            self.freed.pop_front();
        }
        self.freed.push_back(range);
        Some(range)
    }

    /// The range that holds an address.
    pub fn find(&self, address: u64) -> Option<Range> {
        let (&start, &bytes) = self.live.range(..=address).next_back()?;
        (address < start + bytes.max(1)).then_some(Range { start, bytes })
    }

    /// All ranges in order.
    pub fn live(&self) -> impl Iterator<Item = Range> + '_ {
        self.live.iter().map(|(&start, &bytes)| Range { start, bytes })
    }

    /// What lies around an address, in words.
    pub fn describe(&self, address: u64, bytes: u64) -> String {
        if let Some(range) = self.find(address) {
            return format!(
                "{} bytes past the end of the allocation of {} bytes at {:#x}",
                (address + bytes).saturating_sub(range.end()),
                range.bytes,
                range.start
            );
        }
        if let Some(range) = self.freed.iter().rev().find(|range| range.holds(address, 1)) {
            return format!(
                "inside an allocation of {} bytes at {:#x} that was freed (use after free)",
                range.bytes, range.start
            );
        }
        let below = self.live.range(..=address).next_back();
        let above = self.live.range(address..).next();
        let below = below.map(|(&start, &bytes)| {
            (
                address - start - bytes,
                format!(
                    "{} bytes after the allocation of {bytes} bytes at {start:#x}",
                    address - start - bytes
                ),
            )
        });
        let above = above.map(|(&start, &bytes)| {
            (
                start - address,
                format!(
                    "{} bytes before the allocation of {bytes} bytes at {start:#x}",
                    start - address
                ),
            )
        });
        match (below, above) {
            (Some(below), Some(above)) => {
                if below.0 <= above.0 {
                    below.1
                } else {
                    above.1
                }
            }
            (Some(one), None) | (None, Some(one)) => one.1,
            (None, None) => "nothing is allocated there".into(),
        }
    }
}
