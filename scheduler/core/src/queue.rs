//! The ready queue: by class, so that a class that fits nowhere now is asked about once.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap};

use drawloom_model::TaskKey;

use crate::class::ClassId;

/// A ready task and its place in the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ready {
    /// Larger goes first.
    pub priority: i32,
    /// Upward rank, in nanoseconds; larger goes first among equals.
    pub rank: u64,
    /// Order of arrival; earlier goes first among equals.
    pub sequence: u64,
    /// The task.
    pub task: TaskKey,
}

impl Ord for Ready {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |ready: &Ready| (ready.priority, ready.rank, Reverse(ready.sequence));
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Ready tasks. A task that is no longer ready when it comes up is skipped by the caller.
#[derive(Default, Debug)]
pub struct ReadyQueue {
    by_class: Vec<BinaryHeap<Ready>>,
    /// Classes that have tasks and are worth asking.
    askable: BTreeSet<ClassId>,
    /// Classes of which nothing could be placed, while no capacity has come back since.
    blocked: BTreeSet<ClassId>,
    next_sequence: u64,
    len: usize,
}

impl ReadyQueue {
    /// Adds a task.
    pub fn push(&mut self, class: ClassId, priority: i32, rank: u64, task: TaskKey) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.put_back(class, Ready { priority, rank, sequence, task });
    }

    /// Adds a task where it was.
    pub fn put_back(&mut self, class: ClassId, ready: Ready) {
        let index = class.0 as usize;
        if self.by_class.len() <= index {
            self.by_class.resize_with(index + 1, BinaryHeap::new);
        }
        if self.by_class[index].is_empty() && !self.blocked.contains(&class) {
            self.askable.insert(class);
        }
        self.by_class[index].push(ready);
        self.len += 1;
    }

    /// The first task of a class.
    pub fn peek(&self, class: ClassId) -> Option<&Ready> {
        self.by_class.get(class.0 as usize)?.peek()
    }

    /// Removes the first task of a class.
    pub fn pop(&mut self, class: ClassId) -> Option<Ready> {
        let heap = self.by_class.get_mut(class.0 as usize)?;
        let ready = heap.pop()?;
        if heap.is_empty() {
            self.askable.remove(&class);
        }
        self.len -= 1;
        Some(ready)
    }

    /// Forgets a class, of which only tasks are left that are no longer ready.
    pub fn forget(&mut self, class: ClassId) {
        if let Some(heap) = self.by_class.get_mut(class.0 as usize) {
            self.len -= std::mem::take(heap).len();
        }
        self.askable.remove(&class);
        self.blocked.remove(&class);
    }

    /// Leaves a class out until [`ReadyQueue::unblock`].
    pub fn block(&mut self, class: ClassId) {
        self.askable.remove(&class);
        self.blocked.insert(class);
    }

    /// Capacity has come back: every class is worth asking again.
    pub fn unblock(&mut self) {
        for class in std::mem::take(&mut self.blocked) {
            if self.peek(class).is_some() {
                self.askable.insert(class);
            }
        }
    }

    /// The first task of every class that is worth asking, the very first on top.
    pub fn heads(&self) -> BinaryHeap<(Ready, ClassId)> {
        let heads = self.askable.iter();
        heads.filter_map(|class| Some((*self.peek(*class)?, *class))).collect()
    }

    /// How many entries there are, skipped ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether some class has tasks and is worth asking.
    pub fn is_askable(&self) -> bool {
        !self.askable.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_then_rank_then_arrival() {
        let mut queue = ReadyQueue::default();
        let task = |index| TaskKey { index, ..TaskKey::default() };
        queue.push(ClassId(0), 0, 5, task(0));
        queue.push(ClassId(1), 0, 9, task(1));
        queue.push(ClassId(0), 1, 0, task(2));
        queue.push(ClassId(1), 0, 9, task(3));
        let (head, class) = queue.heads().pop().expect("four are ready");
        assert_eq!((head.task, class), (task(2), ClassId(0)));
        assert_eq!(queue.pop(ClassId(1)).map(|ready| ready.task), Some(task(1)));
        queue.block(ClassId(0));
        assert_eq!(queue.heads().pop().map(|(head, _)| head.task), Some(task(3)));
        queue.unblock();
        assert_eq!((queue.heads().len(), queue.len()), (2, 3));
    }
}
