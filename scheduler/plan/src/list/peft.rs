//! PEFT: tasks by mean optimistic cost, each into the slot after which the rest could end first.
//!
//! Arabnejad and Barbosa, IEEE TPDS 25(3), 2014. O(edges × processors²) for the table.

use super::by_priority;
use crate::partial::Partial;
use crate::problem::Problem;
use crate::rank::OptimisticCosts;
use crate::schedule::Schedule;

pub(crate) fn peft(problem: &Problem) -> Schedule {
    let costs = OptimisticCosts::new(problem);
    let priority: Vec<f64> = (0..problem.len()).map(|task| costs.mean(task)).collect();
    let mut partial = Partial::new(problem);
    by_priority(problem, &priority, |task| {
        let slot = partial.best(task, |slot| slot.finish + costs.of(task, slot.processor as usize));
        partial.place(task, slot);
    });
    partial.into_schedule()
}
