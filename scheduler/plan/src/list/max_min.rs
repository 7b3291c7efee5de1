//! Max-min: of all ready tasks the one whose earliest end is latest, where it ends first.
//!
//! Ibarra and Kim, JACM 24(2), 1977. O(tasks × ready tasks × processors).

use super::ready::{Choice, in_steps};
use crate::problem::Problem;
use crate::schedule::Schedule;

pub(crate) fn max_min(problem: &Problem) -> Schedule {
    in_steps(problem, |partial, ready| {
        let (slot, _) = ready.earliest_finish(partial);
        Choice { score: slot.finish, slot }
    })
}
