//! Gangs: groups of tasks that start together, from their being ready to their being placed.
//!
//! A gang takes nothing while it waits, so gangs cannot wait for one another's claims; how one is
//! kept from starving is told in `docs/decisions/0005-gangs.md`.

mod plan;
mod room;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use drawloom_model::{ExecutorId, JobKey, Time};

pub use plan::Shortage;
pub(crate) use plan::{Member, Seat, plan};
pub(crate) use room::Room;

/// How many placements of other work may pass a gang that does not fit. From then on what it needs
/// is kept for it as it becomes free.
pub(crate) const PATIENCE_PLACEMENTS: u64 = 64;

/// A gang: its job and its index there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct GangKey {
    pub job: JobKey,
    pub index: u32,
}

/// The order in which gangs are placed: larger priorities first, then the order of being ready.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Turn {
    priority: Reverse<i32>,
    sequence: u64,
    pub gang: GangKey,
}

impl Turn {
    pub fn priority(&self) -> i32 {
        self.priority.0
    }
}

/// A gang whose members are ready.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Since when; `None` until the first round.
    pub since: Option<Time>,
    /// How many placements there had been when it was first found not to fit.
    pub passed_at: Option<u64>,
    /// Where room is kept for it; empty before it has been passed for long.
    pub reserved: Vec<Seat>,
}

impl Waiting {
    /// The executors where room is kept, in order, each once.
    pub fn reserved_on(&self) -> Vec<ExecutorId> {
        let mut executors: Vec<_> = self.reserved.iter().map(|seat| seat.executor).collect();
        executors.sort_unstable();
        executors.dedup();
        executors
    }
}

/// Gangs whose members are all ready.
#[derive(Default, Debug)]
pub(crate) struct Gangs {
    waiting: BTreeMap<Turn, Waiting>,
    turns: BTreeMap<GangKey, Turn>,
    /// Those that came since the last round.
    arrived: Vec<GangKey>,
    next_sequence: u64,
}

impl Gangs {
    /// Adds a gang, unless it waits already.
    pub fn push(&mut self, gang: GangKey, priority: i32) {
        if self.turns.contains_key(&gang) {
            return;
        }
        let turn = Turn { priority: Reverse(priority), sequence: self.next_sequence, gang };
        self.next_sequence += 1;
        self.turns.insert(gang, turn);
        self.waiting.insert(turn, Waiting::default());
        self.arrived.push(gang);
    }

    /// Takes a gang out.
    pub fn remove(&mut self, gang: GangKey) -> Option<Waiting> {
        let turn = self.turns.remove(&gang)?;
        self.waiting.remove(&turn)
    }

    pub fn get(&self, gang: GangKey) -> Option<&Waiting> {
        self.waiting.get(self.turns.get(&gang)?)
    }

    pub fn get_mut(&mut self, gang: GangKey) -> Option<&mut Waiting> {
        self.waiting.get_mut(self.turns.get(&gang)?)
    }

    /// Those that came since this was last asked.
    pub fn take_arrived(&mut self) -> Vec<GangKey> {
        std::mem::take(&mut self.arrived)
    }

    /// Every gang that waits, in the order of their turns.
    pub fn turns(&self) -> impl Iterator<Item = Turn> + '_ {
        self.waiting.keys().copied()
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_then_arrival() {
        let mut gangs = Gangs::default();
        let gang = |index| GangKey { job: JobKey::default(), index };
        for (index, priority) in [(0, 0), (1, 5), (2, 0), (1, 9)] {
            gangs.push(gang(index), priority);
        }
        let order: Vec<u32> = gangs.turns().map(|turn| turn.gang.index).collect();
        assert_eq!(order, [1, 0, 2]);
        gangs.remove(gang(0));
        gangs.push(gang(0), 0);
        assert_eq!(gangs.turns().last().map(|turn| turn.gang), Some(gang(0)));
        assert_eq!(gangs.take_arrived().len(), 4);
    }
}
