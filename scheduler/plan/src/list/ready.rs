//! Tasks whose needs are planned.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::partial::Partial;
use crate::problem::Problem;
use crate::schedule::{Schedule, Slot};

/// A task and how urgent it is: more first, then the lower number.
struct Urgent {
    priority: f64,
    task: usize,
}

impl Ord for Urgent {
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.total_cmp(&other.priority).then(other.task.cmp(&self.task))
    }
}

impl PartialOrd for Urgent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Urgent {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Urgent {}

/// Visits each task after what it needs, and the more urgent first where there is a choice.
pub(crate) fn by_priority(problem: &Problem, priority: &[f64], mut visit: impl FnMut(usize)) {
    let mut missing: Vec<usize> = (0..problem.len()).map(|t| problem.before(t).len()).collect();
    let urgent = |task: usize| Urgent { priority: priority[task], task };
    let entries = (0..problem.len()).filter(|task| problem.before(*task).is_empty());
    let mut ready: BinaryHeap<Urgent> = entries.map(urgent).collect();
    while let Some(Urgent { task, .. }) = ready.pop() {
        visit(task);
        for edge in problem.after(task) {
            let next = edge.task as usize;
            missing[next] -= 1;
            if missing[next] == 0 {
                ready.push(urgent(next));
            }
        }
    }
}

/// A task whose needs are planned, and when its data is at each place.
pub(crate) struct Ready {
    pub task: usize,
    there: Vec<f64>,
}

/// A task's slot, and how it was judged.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    /// More is better.
    pub score: f64,
    pub slot: Slot,
}

/// Plans in steps: in each, every ready task is judged, and the one with the highest score gets its
/// slot; of equals the lowest number. O(tasks × ready tasks × processors).
pub(crate) fn in_steps(
    problem: &Problem,
    mut judge: impl FnMut(&Partial<'_>, &Ready) -> Choice,
) -> Schedule {
    let mut partial = Partial::new(problem);
    let mut missing: Vec<usize> = (0..problem.len()).map(|t| problem.before(t).len()).collect();
    let entries = (0..problem.len()).filter(|task| problem.before(*task).is_empty());
    let mut ready: Vec<Ready> =
        entries.map(|task| Ready { task, there: partial.data_there(task).to_vec() }).collect();
    while !ready.is_empty() {
        let mut best: Option<(usize, Choice)> = None;
        for (index, candidate) in ready.iter().enumerate() {
            let choice = judge(&partial, candidate);
            let is_better = best.as_ref().is_none_or(|(at, best)| {
                let by_score = choice.score.total_cmp(&best.score);
                by_score.then(ready[*at].task.cmp(&candidate.task)) == Ordering::Greater
            });
            if is_better {
                best = Some((index, choice));
            }
        }
        let Some((index, Choice { slot, .. })) = best else { break };
        let Ready { task, .. } = ready.swap_remove(index);
        partial.place(task, slot);
        for edge in problem.after(task) {
            let next = edge.task as usize;
            missing[next] -= 1;
            if missing[next] == 0 {
                let there = partial.data_there(next).to_vec();
                ready.push(Ready { task: next, there });
            }
        }
    }
    partial.into_schedule()
}

impl Ready {
    /// Its slots behind what is planned, on every processor that can run it.
    pub fn slots<'a>(&'a self, partial: &'a Partial<'_>) -> impl Iterator<Item = Slot> + 'a {
        let problem = partial.problem;
        let processors = problem.processors().iter().enumerate();
        let able = processors
            .filter(|(_, it)| problem.seconds_on_kind(self.task, it.kind as usize).is_finite());
        able.map(|(index, it)| partial.appended(self.task, index, self.there[it.place as usize]))
    }

    /// When the last of what it needs is made.
    pub fn since(&self, partial: &Partial<'_>) -> f64 {
        let made = partial.problem.before(self.task).iter();
        made.map(|edge| partial.slot(edge.task as usize).finish).fold(0.0, f64::max)
    }

    /// The slot that starts first; of equals the one that ends first.
    pub fn earliest_start(&self, partial: &Partial<'_>) -> Slot {
        let key = |slot: &Slot| (slot.start, slot.finish);
        self.slots(partial)
            .min_by(|a, b| {
                let ((a, a_end), (b, b_end)) = (key(a), key(b));
                a.total_cmp(&b).then(a_end.total_cmp(&b_end))
            })
            .unwrap_or_default()
    }

    /// The slot that ends first, and how much later the second of another processor ends.
    pub fn earliest_finish(&self, partial: &Partial<'_>) -> (Slot, f64) {
        let mut first = Slot { finish: f64::INFINITY, ..Slot::default() };
        let mut second = f64::INFINITY;
        for slot in self.slots(partial) {
            if slot.finish < first.finish {
                second = first.finish;
                first = slot;
            } else {
                second = second.min(slot.finish);
            }
        }
        (first, second - first.finish)
    }
}
