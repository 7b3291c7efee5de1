//! Which executor has the least to do: a tournament tree over all of them.
//!
//! A change costs one path to the root, and executors come out in order of load without any other
//! being looked at twice.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use drawloom_model::ExecutorId;

/// The load of an executor that takes nothing more.
pub const CLOSED: u64 = u64::MAX;

/// Executors by load.
#[derive(Default, Debug)]
pub struct LoadTree {
    /// A complete binary tree, the root at 1, the leaves from `leaves` on: the least load below.
    least: Vec<u64>,
    leaves: usize,
}

impl LoadTree {
    /// Sets an executor's load.
    pub fn set(&mut self, executor: ExecutorId, load: u64) {
        let index = executor.0 as usize;
        if index >= self.leaves {
            self.grow(index + 1);
        }
        let mut node = self.leaves + index;
        self.least[node] = load;
        while node > 1 {
            node /= 2;
            let least = self.least[2 * node].min(self.least[2 * node + 1]);
            if self.least[node] == least {
                break;
            }
            self.least[node] = least;
        }
    }

    /// An executor's load.
    pub fn get(&self, executor: ExecutorId) -> u64 {
        self.least.get(self.leaves + executor.0 as usize).copied().unwrap_or(CLOSED)
    }

    /// The least load of all.
    pub fn minimum(&self) -> u64 {
        self.least.get(1).copied().unwrap_or(CLOSED)
    }

    /// The executors that are not closed, by load, then by id.
    pub fn ascending(&self) -> impl Iterator<Item = (u64, ExecutorId)> + '_ {
        let mut open = BinaryHeap::new();
        if self.minimum() != CLOSED {
            open.push(Reverse((self.minimum(), 1)));
        }
        std::iter::from_fn(move || {
            while let Some(Reverse((load, node))) = open.pop() {
                if node >= self.leaves {
                    return Some((load, ExecutorId((node - self.leaves) as u32)));
                }
                for child in [2 * node, 2 * node + 1] {
                    if self.least[child] != CLOSED {
                        open.push(Reverse((self.least[child], child)));
                    }
                }
            }
            None
        })
    }

    /// The executor with the least load, the lowest id among equals.
    pub fn first(&self) -> Option<(u64, ExecutorId)> {
        let least = self.minimum();
        if least == CLOSED {
            return None;
        }
        let mut node = 1;
        while node < self.leaves {
            node = if self.least[2 * node] == least { 2 * node } else { 2 * node + 1 };
        }
        Some((least, ExecutorId((node - self.leaves) as u32)))
    }

    fn grow(&mut self, count: usize) {
        let leaves = count.next_power_of_two().max(2);
        let mut least = vec![CLOSED; 2 * leaves];
        for index in 0..self.leaves {
            least[leaves + index] = self.least[self.leaves + index];
        }
        for node in (1..leaves).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        self.least = least;
        self.leaves = leaves;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executors_come_out_by_load() {
        let mut tree = LoadTree::default();
        assert_eq!(tree.first(), None);
        for (index, load) in [5, 3, CLOSED, 3, 9].into_iter().enumerate() {
            tree.set(ExecutorId(index as u32), load);
        }
        let order: Vec<u32> = tree.ascending().map(|(_, executor)| executor.0).collect();
        assert_eq!(order, [1, 3, 0, 4]);
        assert_eq!(tree.first(), Some((3, ExecutorId(1))));
        tree.set(ExecutorId(1), CLOSED);
        tree.set(ExecutorId(4), 1);
        assert_eq!(tree.first(), Some((1, ExecutorId(4))));
    }
}
