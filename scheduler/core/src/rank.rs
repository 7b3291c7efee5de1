//! Upward ranks: the expected time from a task's start to the end of the longest path it heads.
//!
//! rank(t) = cost(t) + max over successors of rank(s), after Topcuoglu et al. 2002, without the
//! edges' transfer times: those are known only once tasks are placed.

use std::collections::HashSet;

use crate::state::Job;

/// Computes the ranks of the tasks from `first` on and raises those of earlier tasks where new
/// successors ask for it. `cost(task)` is in nanoseconds. O(new tasks, their live
/// ancestors and the edges of both).
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

/// Raises the ranks of earlier tasks that have new successors, each once: when a task's turn
/// comes, every successor of it has its final rank.
fn raise_earlier(job: &Job, ranks: &mut [u64], first: u32, cost: &impl Fn(u32) -> u64) {
    for task in ancestors_after_their_successors(job, first) {
        for before in live_predecessors(job, task, first) {
            let rank = cost(before).saturating_add(ranks[task as usize]);
            ranks[before as usize] = ranks[before as usize].max(rank);
        }
    }
}

/// Earlier predecessors that are still ranked: what has ended is so no more.
fn live_predecessors(job: &Job, task: u32, first: u32) -> impl Iterator<Item = u32> + '_ {
    let live = move |before: &u32| *before < first && !job.tasks[*before as usize].phase.is_final();
    job.predecessors(task).filter(live)
}

/// The new tasks and their live earlier ancestors, every task after those of its successors that
/// are among them: the reverse of the order in which a depth-first search leaves them.
fn ancestors_after_their_successors(job: &Job, first: u32) -> Vec<u32> {
    enum Step {
        Enter(u32),
        Leave(u32),
    }
    let mut order = Vec::new();
    let mut seen = HashSet::new();
    let mut steps: Vec<Step> = (first..job.tasks.len() as u32).map(Step::Enter).collect();
    while let Some(step) = steps.pop() {
        match step {
            Step::Leave(task) => order.push(task),
            Step::Enter(task) if seen.insert(task) => {
                steps.push(Step::Leave(task));
                steps.extend(live_predecessors(job, task, first).map(Step::Enter));
            }
            Step::Enter(_) => {}
        }
    }
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drawloom_model::{Attributes, JobId, JobKey, Task, TaskGraph, Template, Variant};

    use super::*;
    use crate::{Fact, State};

    #[test]
    fn additions_raise_what_they_follow_once_however_many_paths_there_are() {
        const DIAMONDS: u32 = 40;
        let template = Arc::new(Template::new(Variant::kernel("noop", Attributes::new()), 0));
        let after = |after: &[u32]| Task { after: after.to_vec(), ..Task::default() };
        let mut tasks = vec![after(&[])];
        for top in (0..DIAMONDS).map(|diamond| diamond * 3) {
            tasks.extend([after(&[top]), after(&[top]), after(&[top + 1, top + 2])]);
        }
        let first = tasks.len() as u32;
        let key = JobKey::default();
        let mut graph = TaskGraph { templates: vec![template], tasks, ..TaskGraph::default() };
        graph.options.open = true;
        let mut facts = vec![Fact::JobAdmitted {
            key,
            job: JobId(1),
            token: None,
            graph: Arc::new(graph.clone()),
        }];
        // The dearer side comes first and last in turn, so that no order of visits is lucky.
        let cost = |task: u32| 1 + u64::from(task % 3) * u64::from(task);
        let mut ranks = vec![0; first as usize];
        extend(State::recover(&facts).job(key).expect("admitted"), &mut ranks, 0, cost);
        graph.first_task = first;
        graph.tasks = vec![after(&[first - 1])];
        facts.push(Fact::TasksAdmitted { key, graph: Arc::new(graph) });
        let state = State::recover(&facts);
        let job = state.job(key).expect("admitted");
        ranks.push(0);
        extend(job, &mut ranks, first, cost);
        let mut anew = vec![0; ranks.len()];
        extend(job, &mut anew, 0, cost);
        assert_eq!(ranks, anew);
    }
}
