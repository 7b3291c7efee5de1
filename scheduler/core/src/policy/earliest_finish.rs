//! The default policy: the variant and executor with the earliest expected finish.
//!
//! Expected finish = max(wait for capacity, transfer of missing inputs) + copy of inputs between host
//! and device + run time, the transfer running while the task waits. With the ready queue's order by
//! upward rank this is the processor selection of HEFT (Topcuoglu et al. 2002) without insertion,
//! done as tasks become ready. Compared are the executors that hold an input and the few with the
//! least load, so a decision costs O(replicas + log executors).
//!
//! A variant of which too little was measured goes first a few times where the task waits no longer
//! for it, as in the calibration of StarPU's schedulers (Augonnet et al. 2009): what is never chosen
//! would never be known.

use drawloom_model::{ExecutorId, Time};

use super::{Candidate, Placement, Policy, ReasonKind, View};

/// How many of the least loaded executors are compared.
const PROBES: usize = 4;

/// See the module's documentation.
#[derive(Debug)]
pub struct EarliestFinish;

impl Policy for EarliestFinish {
    fn name(&self) -> &'static str {
        "earliest-finish"
    }

    fn place(&mut self, _now: Time, task: &Candidate<'_>, view: &View<'_>) -> Option<Placement> {
        let mut best = Best::default();
        let holders = view.holders(task);
        for variant in 0..task.class.variants.len() as u8 {
            let eligible = &task.class.variants[usize::from(variant)].eligible;
            for executor in &holders {
                if eligible.binary_search(executor).is_ok() {
                    best.offer(view.proposal(task, variant, *executor), task, view);
                }
            }
            offer_least_loaded(&mut best, task, variant, view);
        }
        best.into_placement()
    }

    fn follow(
        &mut self,
        _now: Time,
        task: &Candidate<'_>,
        executor: ExecutorId,
        view: &View<'_>,
    ) -> Option<Placement> {
        let mut best = Best::default();
        for (variant, way) in task.class.variants.iter().enumerate() {
            if way.eligible.binary_search(&executor).is_ok() {
                let mut offer = view.proposal(task, variant as u8, executor);
                if let Some(offer) = &mut offer {
                    // It cannot start before those that it follows have ended, whatever is free now.
                    let wait_nanos = &mut offer.reason.wait_nanos;
                    *wait_nanos = view.load_nanos(executor).max(*wait_nanos);
                }
                best.offer(offer, task, view);
            }
        }
        let mut placement = best.into_placement()?;
        if placement.reason.kind == ReasonKind::EarliestFinish {
            placement.reason.kind = ReasonKind::FollowsInputs;
        }
        Some(placement)
    }
}

fn offer_least_loaded(best: &mut Best, task: &Candidate<'_>, variant: u8, view: &View<'_>) {
    let wanted = &task.class.variants[usize::from(variant)];
    let eligible = &wanted.eligible;
    if task.inputs.is_empty()
        && wanted.request.is_one_core()
        && let Some(first) = view.least_loaded()
        && eligible.binary_search(&first).is_ok()
    {
        let offer = view.proposal(task, variant, first);
        if offer.is_some() {
            best.offer(offer, task, view);
            return; // By the order of loads, no other starts it earlier.
        }
    }
    let mut probes = 0;
    for executor in view.by_load() {
        if eligible.binary_search(&executor).is_err() {
            continue;
        }
        let proposal = view.proposal(task, variant, executor);
        probes += usize::from(proposal.is_some());
        best.offer(proposal, task, view);
        if probes == PROBES {
            break;
        }
    }
}

/// The best offer so far.
#[derive(Default)]
struct Best {
    placement: Option<(u64, Placement)>,
    /// The offer that would bring a measurement, that of the shortest wait.
    sample: Option<Placement>,
    compared: u16,
}

impl Best {
    /// Takes the offer if it finishes earlier.
    fn offer(&mut self, offer: Option<Placement>, task: &Candidate<'_>, view: &View<'_>) {
        let Some(offer) = offer else { return };
        self.compared = self.compared.saturating_add(1);
        let sooner = |sample: &Placement| offer.reason.wait_nanos < sample.reason.wait_nanos;
        if self.sample.as_ref().is_none_or(sooner) && view.brings_sample(task, &offer) {
            self.sample = Some(offer.clone());
        }
        let finish = view.finish_nanos(&offer.reason);
        let rank = |finish: u64, placement: &Placement| {
            let missing_bytes = placement.reason.missing_bytes;
            let executor: ExecutorId = placement.executor;
            (finish, missing_bytes, placement.variant, executor)
        };
        let better = match &self.placement {
            Some((best, placement)) => rank(finish, &offer) < rank(*best, placement),
            None => true,
        };
        if better {
            self.placement = Some((finish, offer));
        }
    }

    fn into_placement(self) -> Option<Placement> {
        let (_, best) = self.placement?;
        let no_later = |sample: &Placement| sample.reason.wait_nanos <= best.reason.wait_nanos;
        let mut placement = match self.sample.filter(no_later) {
            Some(mut sample) => {
                sample.reason.kind = ReasonKind::Sample;
                sample
            }
            None => best,
        };
        placement.reason.compared = self.compared;
        Some(placement)
    }
}
