//! The ready queue: by class, so that a class that fits nowhere now is asked about once.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

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

#[derive(Default, Debug)]
struct ClassQueue {
    heap: BinaryHeap<Ready>,
    /// Nothing of it could be placed, and no capacity has come back since.
    blocked: bool,
}

/// Ready tasks. A task that is no longer ready when it comes up is skipped by the caller.
#[derive(Default, Debug)]
pub struct ReadyQueue {
    by_class: Vec<ClassQueue>,
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
        let class = class.0 as usize;
        if self.by_class.len() <= class {
            self.by_class.resize_with(class + 1, ClassQueue::default);
        }
        self.by_class[class].heap.push(ready);
        self.len += 1;
    }

    /// The first task of a class.
    pub fn peek(&self, class: ClassId) -> Option<&Ready> {
        self.by_class.get(class.0 as usize)?.heap.peek()
    }

    /// Removes the first task of a class.
    pub fn pop(&mut self, class: ClassId) -> Option<Ready> {
        let ready = self.by_class.get_mut(class.0 as usize)?.heap.pop()?;
        self.len -= 1;
        Some(ready)
    }

    /// Leaves a class out until [`ReadyQueue::unblock`].
    pub fn block(&mut self, class: ClassId) {
        self.by_class[class.0 as usize].blocked = true;
    }

    /// Capacity has come back: every class is worth asking again.
    pub fn unblock(&mut self) {
        for class in &mut self.by_class {
            class.blocked = false;
        }
    }

    /// The first task of every class that is worth asking, the very first on top.
    pub fn heads(&self) -> BinaryHeap<(Ready, ClassId)> {
        let heads = self.by_class.iter().enumerate().filter(|(_, class)| !class.blocked);
        heads
            .filter_map(|(index, class)| Some((*class.heap.peek()?, ClassId(index as u32))))
            .collect()
    }

    /// How many entries there are, skipped ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
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
