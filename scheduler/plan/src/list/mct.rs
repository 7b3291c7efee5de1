//! Minimum completion time: tasks in the order in which they become ready, each where it ends first.
//!
//! Maheswaran et al., JPDC 59(2), 1999; StarPU's dmda. O(edges × processors).

use super::ready::{Choice, in_steps};
use crate::problem::Problem;
use crate::schedule::Schedule;

pub(crate) fn mct(problem: &Problem) -> Schedule {
    in_steps(problem, |partial, ready| {
        let (slot, _) = ready.earliest_finish(partial);
        Choice { score: -ready.since(partial), slot }
    })
}
