//! First in, first out: tasks in the order in which they become ready, each where it starts first.
//!
//! O(tasks × ready tasks × processors).

use super::ready::{Choice, in_steps};
use crate::problem::Problem;
use crate::schedule::Schedule;

pub(crate) fn fifo(problem: &Problem) -> Schedule {
    in_steps(problem, |partial, ready| {
        let slot = ready.earliest_start(partial);
        Choice { score: -ready.since(partial), slot }
    })
}
