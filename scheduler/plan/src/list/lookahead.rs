//! Lookahead HEFT: HEFT's order, each task where what needs it could end first.
//!
//! Bittencourt, Sakellariou and Madeira, "DAG scheduling using a lookahead variant of the
//! heterogeneous earliest finish time algorithm", PDP 2010: for each processor the task is put there
//! for a trial, then all that need it are put where they end first, and the latest of their ends
//! decides. O(edges × processors² × edges of a task).

use super::by_priority;
use crate::partial::Partial;
use crate::problem::Problem;
use crate::rank::upward;
use crate::schedule::Schedule;

pub(crate) fn lookahead(problem: &Problem) -> Schedule {
    let rank = upward(problem, |task| problem.mean_seconds(task));
    let mut partial = Partial::new(problem);
    // The same, but for what is put there for a trial.
    let mut trial = Partial::new(problem);
    by_priority(problem, &rank, |task| {
        let mut children: Vec<usize> =
            problem.after(task).iter().map(|edge| edge.task as usize).collect();
        children.sort_by(|a, b| rank[*b].total_cmp(&rank[*a]).then(a.cmp(b)));
        children.dedup();
        let slot = partial.best(task, |slot| {
            trial.place(task, *slot);
            let mut latest = slot.finish;
            for child in &children {
                let slot = trial.best(*child, |slot| slot.finish);
                trial.place(*child, slot);
                latest = latest.max(slot.finish);
            }
            children.iter().for_each(|child| trial.remove(*child));
            trial.remove(task);
            latest
        });
        partial.place(task, slot);
        trial.place(task, slot);
    });
    partial.into_schedule()
}
