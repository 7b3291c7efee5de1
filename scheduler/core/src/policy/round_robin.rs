//! Each executor in turn, whatever it costs: the yardstick that every policy must beat.

use drawloom_model::{ExecutorId, Time};

use super::{Candidate, Placement, Policy, ReasonKind, View};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct RoundRobin {
    last: Option<ExecutorId>,
}

impl Policy for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn place(&mut self, _now: Time, task: &Candidate<'_>, view: &View<'_>) -> Option<Placement> {
        for variant in 0..task.class.variants.len() as u8 {
            let eligible = &task.class.variants[usize::from(variant)].eligible;
            let start = eligible.partition_point(|executor| Some(*executor) <= self.last);
            let turns = eligible[start..].iter().chain(&eligible[..start]);
            for executor in turns {
                let Some(mut placement) = view.proposal(task, variant, *executor) else {
                    continue;
                };
                placement.reason.kind = ReasonKind::Turn;
                self.last = Some(*executor);
                return Some(placement);
            }
        }
        None
    }
}
