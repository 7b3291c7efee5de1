//! ETF: of all ready tasks and processors the pair that can start first; of equals the task with the
//! highest static level.
//!
//! Hwang et al., "Scheduling precedence graphs in systems with interprocessor communication times",
//! SIAM J. Comput. 18(2), 1989. O(tasks × ready tasks × processors).

use super::ready::{Choice, in_steps};
use crate::problem::Problem;
use crate::rank::static_level;
use crate::schedule::Schedule;

pub(crate) fn etf(problem: &Problem) -> Schedule {
    let level = static_level(problem);
    let highest = level.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    in_steps(problem, |partial, ready| {
        let slot = ready.earliest_start(partial);
        // So small that it decides between equals alone.
        let tie = 1e-9 * highest * (level[ready.task] / highest);
        Choice { score: tie - slot.start, slot }
    })
}
