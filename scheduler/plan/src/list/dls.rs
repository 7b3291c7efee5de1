//! DLS: of all ready tasks and processors the pair with the highest dynamic level: static level −
//! earliest start + how much faster than on average the processor is.
//!
//! Sih and Lee, "A compile-time scheduling heuristic for interconnection-constrained heterogeneous
//! processor architectures", IEEE TPDS 4(2), 1993. O(tasks × ready tasks × processors).

use super::ready::{Choice, in_steps};
use crate::problem::Problem;
use crate::rank::static_level;
use crate::schedule::{Schedule, Slot};

pub(crate) fn dls(problem: &Problem) -> Schedule {
    let level = static_level(problem);
    let mean: Vec<f64> = (0..problem.len()).map(|task| problem.mean_seconds(task)).collect();
    in_steps(problem, |partial, ready| {
        let task = ready.task;
        let mut best = Choice { score: f64::NEG_INFINITY, slot: Slot::default() };
        for slot in ready.slots(partial) {
            let faster = mean[task] - (slot.finish - slot.start);
            let score = level[task] - slot.start + faster;
            if score > best.score {
                best = Choice { score, slot };
            }
        }
        best
    })
}
