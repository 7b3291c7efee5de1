//! How urgent tasks are.
//!
//! Upward and downward rank: Topcuoglu, Hariri and Wu, "Performance-effective and low-complexity task
//! scheduling for heterogeneous computing", IEEE TPDS 13(3), 2002. Optimistic cost table: Arabnejad
//! and Barbosa, "List scheduling algorithm for heterogeneous systems by an optimistic cost table",
//! IEEE TPDS 25(3), 2014. Static level: Sih and Lee, "A compile-time scheduling heuristic ...", IEEE
//! TPDS 4(2), 1993.

use crate::problem::Problem;

/// Seconds from a task's start to the end, along the longest path: `time(t) + max over what needs it
/// (mean transfer + rank)`. O(edges).
pub(crate) fn upward(problem: &Problem, time: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut rank = vec![0.0; problem.len()];
    for task in problem.order().rev() {
        let after = problem.after(task).iter();
        let rest = after.map(|edge| problem.mean_transfer(edge.bytes) + rank[edge.task as usize]);
        rank[task] = time(task) + rest.fold(0.0, f64::max);
    }
    rank
}

/// Seconds from the beginning to a task's start, along the longest path. O(edges).
pub(crate) fn downward(problem: &Problem) -> Vec<f64> {
    let mut rank = vec![0.0; problem.len()];
    for task in problem.order() {
        let until = rank[task] + problem.mean_seconds(task);
        for edge in problem.after(task) {
            let rank: &mut f64 = &mut rank[edge.task as usize];
            *rank = rank.max(until + problem.mean_transfer(edge.bytes));
        }
    }
    rank
}

/// Like the upward rank, without transfers. O(edges).
pub(crate) fn static_level(problem: &Problem) -> Vec<f64> {
    let mut level = vec![0.0; problem.len()];
    for task in problem.order().rev() {
        let after = problem.after(task).iter().map(|edge| level[edge.task as usize]);
        level[task] = problem.mean_seconds(task) + after.fold(0.0, f64::max);
    }
    level
}

/// The optimistic cost table, tasks × processors: seconds from the end of a task on a processor to
/// the end of everything, were there no queues. O(edges × kinds-at-places²).
pub(crate) struct OptimisticCosts {
    /// Tasks × groups of processors that are alike.
    costs: Vec<f64>,
    groups: usize,
    group_of: Vec<usize>,
    sizes: Vec<f64>,
}

impl OptimisticCosts {
    pub fn new(problem: &Problem) -> Self {
        let (members, group_of) = groups(problem);
        let groups = members.len();
        let mut costs = vec![0.0; problem.len() * groups];
        for task in problem.order().rev() {
            for (group, (_, place)) in members.iter().enumerate() {
                let mut worst = 0.0f64;
                for edge in problem.after(task) {
                    let next = edge.task as usize;
                    let moves = problem.mean_transfer(edge.bytes);
                    let rest = members.iter().enumerate().map(|(other, (kind, at))| {
                        let seconds = problem.seconds_on_kind(next, *kind as usize);
                        let moves = if at == place { 0.0 } else { moves };
                        costs[next * groups + other] + seconds + moves
                    });
                    worst = worst.max(rest.fold(f64::INFINITY, f64::min));
                }
                costs[task * groups + group] = worst;
            }
        }
        let mut sizes = vec![0.0; groups];
        for group in &group_of {
            sizes[*group] += 1.0;
        }
        OptimisticCosts { costs, groups, group_of, sizes }
    }

    pub fn of(&self, task: usize, processor: usize) -> f64 {
        self.costs[task * self.groups + self.group_of[processor]]
    }

    /// The mean over all processors: the rank by which PEFT orders tasks.
    pub fn mean(&self, task: usize) -> f64 {
        let row = &self.costs[task * self.groups..][..self.groups];
        let sum: f64 = row.iter().zip(&self.sizes).map(|(cost, size)| cost * size).sum();
        sum / self.group_of.len() as f64
    }
}

/// Processors of one kind at one place are alike: the groups, and each processor's.
pub(crate) fn groups(problem: &Problem) -> (Vec<(u32, u32)>, Vec<usize>) {
    let mut members: Vec<(u32, u32)> = Vec::new();
    let mut group_of = Vec::with_capacity(problem.processors().len());
    for processor in problem.processors() {
        let key = (processor.kind, processor.place);
        let group = members.iter().position(|known| *known == key).unwrap_or_else(|| {
            members.push(key);
            members.len() - 1
        });
        group_of.push(group);
    }
    (members, group_of)
}
