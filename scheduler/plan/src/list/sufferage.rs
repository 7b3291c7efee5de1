//! Sufferage: of all ready tasks the one that would suffer most from its second best processor.
//!
//! Maheswaran et al., "Dynamic mapping of a class of independent tasks onto heterogeneous computing
//! systems", JPDC 59(2), 1999. O(tasks × ready tasks × processors).

use super::ready::{Choice, in_steps};
use crate::problem::Problem;
use crate::schedule::Schedule;

pub(crate) fn sufferage(problem: &Problem) -> Schedule {
    in_steps(problem, |partial, ready| {
        let (slot, score) = ready.earliest_finish(partial);
        Choice { score, slot }
    })
}
