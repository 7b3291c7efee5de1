//! Upward ranks: the expected time from a task's start to the end of the longest path it heads.
//!
//! rank(t) = cost(t) + max over successors of rank(s), after Topcuoglu et al. 2002, without the
//! edges' transfer times: those are known only once tasks are placed.

use crate::state::Job;

/// Computes the ranks of the tasks from `first` on and raises those of earlier tasks where new
/// successors ask for it. `cost(task)` is in nanoseconds. O(new tasks + their edges + raised tasks).
pub(crate) fn extend(job: &Job, ranks: &mut [u64], first: u32, cost: impl Fn(u32) -> u64) {
    let count = job.tasks.len() as u32;
    let ordered = (first..count).all(|task| job.predecessors(task).all(|before| before < task));
    if ordered {
        for task in (first..count).rev() {
            ranks[task as usize] = rank_of(job, ranks, task, &cost);
        }
    } else {
        for task in sinks_first(job, first) {
            ranks[task as usize] = rank_of(job, ranks, task, &cost);
        }
    }
    if first > 0 {
        raise_earlier(job, ranks, first, &cost);
    }
}

fn rank_of(job: &Job, ranks: &[u64], task: u32, cost: &impl Fn(u32) -> u64) -> u64 {
    let below = job.successors(task).map(|after| ranks[after as usize]).max().unwrap_or(0);
    cost(task).saturating_add(below)
}

/// The tasks from `first` on, every task after its successors (Kahn 1962, from the sinks).
fn sinks_first(job: &Job, first: u32) -> Vec<u32> {
    let count = job.tasks.len() as u32;
    let mut unranked: Vec<u32> =
        (first..count).map(|task| job.successors(task).count() as u32).collect();
    let mut order: Vec<u32> =
        (first..count).filter(|task| unranked[(task - first) as usize] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for before in job.predecessors(order[next]).filter(|before| *before >= first) {
            let left = &mut unranked[(before - first) as usize];
            *left = left.saturating_sub(1);
            if *left == 0 {
                order.push(before);
            }
        }
        next += 1;
    }
    order
}

fn raise_earlier(job: &Job, ranks: &mut [u64], first: u32, cost: &impl Fn(u32) -> u64) {
    let mut raised: Vec<u32> = (first..job.tasks.len() as u32).rev().collect();
    while let Some(task) = raised.pop() {
        // What has ended is ranked no more.
        let live = |before: &u32| *before < first && !job.tasks[*before as usize].phase.is_final();
        for before in job.predecessors(task).filter(live) {
            let rank = cost(before).saturating_add(ranks[task as usize]);
            if rank > ranks[before as usize] {
                ranks[before as usize] = rank;
                raised.push(before);
            }
        }
    }
}
