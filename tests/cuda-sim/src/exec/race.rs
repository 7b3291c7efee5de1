//! A detector of races on shared memory.
//!
//! Every warp has a vector clock over the block's warps. Barriers join the clocks of those that met;
//! `bar.warp.sync` orders the lanes of a warp; atomic accesses order whoever meets at an address. Two
//! accesses of different threads to a byte, at least one a write and neither ordered before the other,
//! are a race.

use std::collections::BTreeMap;

/// One access of a byte.
#[derive(Clone, Copy, Debug, Default)]
struct Touch {
    /// The thread, from 1; 0 for none.
    thread: u32,
    clock: u32,
    line: u32,
}

/// The latest accesses of a byte.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    write: Touch,
    read: Touch,
    /// A read by a thread of another warp than `read`'s.
    other_read: Touch,
}

/// The detector of a block.
#[derive(Debug)]
pub struct Races {
    clocks: Vec<Vec<u32>>,
    cells: Vec<Cell>,
    meetings: BTreeMap<u64, Vec<u32>>,
    found: usize,
}

/// Findings told for a block.
const TOLD: usize = 4;

impl Races {
    /// A detector for that many warps and bytes.
    pub fn new(warps: usize, bytes: usize) -> Self {
        let clock = |warp| {
            let mut clock = vec![0; warps];
            clock[warp] = 1;
            clock
        };
        Self {
            clocks: (0..warps).map(clock).collect(),
            cells: vec![Cell::default(); bytes],
            meetings: BTreeMap::new(),
            found: 0,
        }
    }

    /// The warps of the mask met.
    pub fn barrier(&mut self, warps: u64) {
        let count = self.clocks.len();
        let mut joined = vec![0; count];
        let met = |warp: &usize| warps >> (warp % 64) & 1 != 0;
        for warp in (0..count).filter(met) {
            for (to, from) in joined.iter_mut().zip(&self.clocks[warp]) {
                *to = (*to).max(*from);
            }
        }
        for warp in (0..count).filter(met) {
            self.clocks[warp].copy_from_slice(&joined);
            self.clocks[warp][warp] += 1;
        }
    }

    /// The lanes of a warp met.
    pub fn warp_sync(&mut self, warp: usize) {
        self.clocks[warp][warp] += 1;
    }

    /// An atomic access: whoever comes later knows what was before.
    pub fn atomic(&mut self, warp: usize, address: u64) {
        let count = self.clocks.len();
        let place = self.meetings.entry(address).or_insert_with(|| vec![0; count]);
        for (mine, its) in self.clocks[warp].iter_mut().zip(place.iter_mut()) {
            *mine = (*mine).max(*its);
            *its = *mine;
        }
        self.clocks[warp][warp] += 1;
    }

    /// An access; a race in words, if it is one.
    pub fn access(
        &mut self,
        warp: usize,
        lane: usize,
        address: u64,
        bytes: u64,
        write: bool,
        line: u32,
    ) -> Option<String> {
        let thread = (warp * 32 + lane) as u32 + 1;
        let now = Touch { thread, clock: self.clocks[warp][warp], line };
        let mut clash = None;
        for at in address..address + bytes {
            let Some(cell) = self.cells.get(at as usize).copied() else { break };
            let before = [(cell.write, true), (cell.read, false), (cell.other_read, false)];
            for (touch, was_write) in before {
                if (write || was_write) && !self.ordered(warp, thread, touch, line) {
                    clash = Some((at, touch, was_write));
                }
            }
            let cell = &mut self.cells[at as usize];
            if write {
                cell.write = now;
            } else if cell.read.thread == 0 || (cell.read.thread - 1) / 32 == warp as u32 {
                cell.read = now;
            } else {
                cell.other_read = cell.read;
                cell.read = now;
            }
        }
        let (at, touch, was_write) = clash?;
        self.found += 1;
        let word = |write| if write { "write" } else { "read" };
        (self.found <= TOLD).then(|| {
            format!(
                "{} of shared byte {at} by thread {} at line {line} is not ordered after the {} by \
                 thread {} at line {}",
                word(write),
                thread - 1,
                word(was_write),
                touch.thread - 1,
                touch.line
            )
        })
    }

    fn ordered(&self, warp: usize, thread: u32, touch: Touch, line: u32) -> bool {
        if touch.thread == 0 || touch.thread == thread {
            return true;
        }
        let other = (touch.thread as usize - 1) / 32;
        if other == warp {
            // The lanes of one instruction write the same place at will; which one wins is open.
            return touch.clock < self.clocks[warp][warp] || touch.line == line;
        }
        self.clocks[warp].get(other).is_some_and(|clock| *clock >= touch.clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barriers_order_what_is_around_them() {
        let mut races = Races::new(2, 64);
        assert!(races.access(0, 0, 0, 4, true, 1).is_none());
        assert!(races.access(1, 0, 0, 4, false, 2).is_some());
        let mut races = Races::new(2, 64);
        assert!(races.access(0, 0, 0, 4, true, 1).is_none());
        races.barrier(0b11);
        assert!(races.access(1, 0, 0, 4, false, 2).is_none());
        assert!(races.access(0, 3, 0, 4, true, 3).is_some());
    }

    #[test]
    fn lanes_of_a_warp_are_ordered_by_its_own_barrier() {
        let mut races = Races::new(1, 64);
        assert!(races.access(0, 0, 8, 4, true, 1).is_none());
        races.warp_sync(0);
        assert!(races.access(0, 1, 8, 4, false, 2).is_none());
        assert!(races.access(0, 2, 8, 4, true, 3).is_some());
    }
}
