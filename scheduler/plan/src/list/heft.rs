//! HEFT: tasks by upward rank, each into the slot that ends first, gaps included.
//!
//! Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002. O(edges × processors).

use super::by_priority;
use crate::partial::Partial;
use crate::problem::Problem;
use crate::rank::upward;
use crate::schedule::{Schedule, Slot};

pub(crate) fn heft(problem: &Problem) -> Schedule {
    heft_with(problem, &upward(problem, |task| problem.mean_seconds(task)), |_, _| 0.0)
}

/// HEFT's choice of slots, for any order, where a slot costs something beside its end.
pub(crate) fn heft_with(
    problem: &Problem,
    priority: &[f64],
    mut cost: impl FnMut(usize, &Slot) -> f64,
) -> Schedule {
    let mut partial = Partial::new(problem);
    by_priority(problem, priority, |task| {
        let slot = partial.best(task, |slot| slot.finish + cost(task, slot));
        partial.place(task, slot);
    });
    partial.into_schedule()
}
