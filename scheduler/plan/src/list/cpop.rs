//! CPOP: the critical path on the one processor that runs it fastest, the rest where they end first.
//!
//! Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002. O(edges × processors).

use super::by_priority;
use crate::partial::Partial;
use crate::problem::Problem;
use crate::rank::{downward, upward};
use crate::schedule::Schedule;

pub(crate) fn cpop(problem: &Problem) -> Schedule {
    let up = upward(problem, |task| problem.mean_seconds(task));
    let priority: Vec<f64> = downward(problem).iter().zip(up).map(|(down, up)| down + up).collect();
    let critical = critical_path(problem, &priority);
    let processor = fastest(problem, &critical);
    let mut partial = Partial::new(problem);
    by_priority(problem, &priority, |task| {
        let seconds = processor.map_or(f64::INFINITY, |it| problem.seconds(task, it));
        let slot = match processor {
            Some(processor) if critical.contains(&task) && seconds.is_finite() => {
                let ready = partial.data_at(task, processor);
                partial.inserted(task, processor, ready)
            }
            _ => partial.best(task, |slot| slot.finish),
        };
        partial.place(task, slot);
    });
    partial.into_schedule()
}

/// From the most urgent first task on, always on to one that is as urgent.
fn critical_path(problem: &Problem, priority: &[f64]) -> Vec<usize> {
    let most = priority.iter().copied().fold(0.0, f64::max);
    let is_critical = |task: &usize| priority[*task] >= most * (1.0 - 1e-9);
    let mut at = (0..problem.len()).find(|t| problem.before(*t).is_empty() && is_critical(t));
    let mut path = Vec::new();
    while let Some(task) = at {
        path.push(task);
        at = problem.after(task).iter().map(|edge| edge.task as usize).find(is_critical);
    }
    path
}

/// The processor that runs all of these in the least time, where one can.
fn fastest(problem: &Problem, tasks: &[usize]) -> Option<usize> {
    let total = |processor: usize| -> f64 {
        tasks.iter().map(|task| problem.seconds(*task, processor)).sum()
    };
    let totals = (0..problem.processors().len()).map(|it| (total(it), it));
    totals
        .filter(|(total, _)| total.is_finite())
        .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
        .map(|(_, processor)| processor)
}
