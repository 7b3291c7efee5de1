//! Which executor fetches which object from where, so that many who want the same one form a tree.

use std::collections::BTreeMap;

use drawloom_model::{ExecutorId, ObjectKey};
use smallvec::SmallVec;

/// How many executors fetch one object from the same source at a time. Further ones fetch from
/// those: an object reaches `n` executors in the time of some `log2 n` transfers.
const BRANCHES: usize = 2;

/// Executors in the order in which one tries them.
pub(crate) type Sources = SmallVec<[ExecutorId; 4]>;

/// Transfers on their way, as far as the scheduler asked for them.
#[derive(Default)]
pub(crate) struct Transfers {
    /// By object, in the order of asking.
    running: BTreeMap<ObjectKey, Vec<Transfer>>,
}

#[derive(Clone, Copy, Debug)]
struct Transfer {
    to: ExecutorId,
    from: ExecutorId,
}

impl Transfers {
    /// Where `to` fetches the object: first from a holder that few others fetch from, or else
    /// from one that is about to hold it and is asked to wait; then from the other holders.
    /// `holders` come in the order of preference.
    pub fn sources(&self, object: ObjectKey, to: ExecutorId, holders: &[ExecutorId]) -> Sources {
        let running = self.running.get(&object).map_or(&[][..], |running| running);
        let mut sources = Sources::new();
        let known = running.iter().find(|transfer| transfer.to == to);
        sources.extend(known.map(|transfer| transfer.from).or_else(|| {
            let served = |from| running.iter().filter(|transfer| transfer.from == from).count();
            let has_branch = |from: &ExecutorId| *from != to && served(*from) < BRANCHES;
            let coming = running.iter().map(|transfer| transfer.to);
            holders.iter().copied().chain(coming).find(has_branch)
        }));
        for holder in holders {
            if *holder != to && !sources.contains(holder) {
                sources.push(*holder);
            }
        }
        sources
    }

    /// `to` is told to fetch an object from those that [`Transfers::sources`] names.
    pub fn begin(&mut self, object: ObjectKey, to: ExecutorId, sources: &[ExecutorId]) {
        let Some(from) = sources.first().copied() else { return };
        let running = self.running.entry(object).or_default();
        if running.iter().all(|transfer| transfer.to != to) {
            running.push(Transfer { to, from });
        }
    }

    /// The object arrived there, or does not.
    pub fn end(&mut self, object: ObjectKey, to: ExecutorId) {
        if let Some(running) = self.running.get_mut(&object) {
            running.retain(|transfer| transfer.to != to);
            if running.is_empty() {
                self.running.remove(&object);
            }
        }
    }

    /// The object is gone.
    pub fn forget(&mut self, object: ObjectKey) {
        self.running.remove(&object);
    }

    /// The executor is gone: what it was to fetch, and others from it, who find another source.
    pub fn leave(&mut self, executor: ExecutorId) {
        self.running.retain(|_, running| {
            running.retain(|transfer| transfer.to != executor && transfer.from != executor);
            !running.is_empty()
        });
    }

    /// How many are on their way.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.running.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::JobKey;

    use super::*;

    const OBJECT: ObjectKey = ObjectKey { job: JobKey { slot: 1, generation: 0 }, index: 7 };

    fn id(number: u32) -> ExecutorId {
        ExecutorId(number)
    }

    /// Asks for the object on behalf of executors and answers where each fetches it first.
    fn ask(transfers: &mut Transfers, holders: &[u32], to: impl Iterator<Item = u32>) -> Vec<u32> {
        let holders: Vec<ExecutorId> = holders.iter().copied().map(id).collect();
        let first = |to| {
            let sources = transfers.sources(OBJECT, id(to), &holders);
            transfers.begin(OBJECT, id(to), &sources);
            assert!(holders.iter().all(|holder| sources.contains(holder)), "all are tried");
            sources[0].0
        };
        to.map(first).collect()
    }

    #[test]
    fn many_who_want_one_object_form_a_tree() {
        let mut transfers = Transfers::default();
        let parents = ask(&mut transfers, &[0], 1..=14);
        assert_eq!(parents, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
        let again = ask(&mut transfers, &[0], 3..=3);
        assert_eq!((again, transfers.len()), (vec![1], 14), "asked twice, fetched once");
        for arrived in [1, 2] {
            transfers.end(OBJECT, id(arrived));
        }
        // Those who hold it come before those who will; each still serves two.
        assert_eq!(ask(&mut transfers, &[0, 1, 2], 20..=22), [0, 0, 7]);
        for executor in 1..=22 {
            transfers.end(OBJECT, id(executor));
        }
        assert_eq!(transfers.len(), 0);
    }

    #[test]
    fn those_who_leave_are_forgotten() {
        let mut transfers = Transfers::default();
        ask(&mut transfers, &[0], 1..=4);
        transfers.leave(id(1));
        assert_eq!(transfers.len(), 1, "that of 2 from 0");
        assert_eq!(ask(&mut transfers, &[0], 5..=6), [0, 2]);
        transfers.leave(id(0));
        transfers.forget(OBJECT);
        assert_eq!(transfers.len(), 0);
        assert_eq!(transfers.sources(OBJECT, id(1), &[]), Sources::new());
    }
}
