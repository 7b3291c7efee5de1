//! Min-min: of all ready tasks the one that can end first, where it does.
//!
//! Ibarra and Kim, "Heuristic algorithms for scheduling independent tasks on nonidentical
//! processors", JACM 24(2), 1977. O(tasks × ready tasks × processors).

use super::ready::{Choice, in_steps};
use crate::problem::Problem;
use crate::schedule::Schedule;

pub(crate) fn min_min(problem: &Problem) -> Schedule {
    in_steps(problem, |partial, ready| {
        let (slot, _) = ready.earliest_finish(partial);
        Choice { score: -slot.finish, slot }
    })
}
