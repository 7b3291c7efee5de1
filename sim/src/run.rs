//! Plans a case, checks the schedule and tells figures.

use std::collections::BTreeSet;
use std::time::Instant;

use drawloom_plan::{Bounds, PLANNERS, Planner, Schedule, planner};
use serde::Serialize;

use crate::{Case, SimError};

/// One run: a workload on a platform under a policy. Times are in seconds.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Record {
    /// The workload's name.
    pub workload: String,
    /// The platform's name.
    pub platform: String,
    /// The policy's name.
    pub policy: String,
    /// The seed of whatever is random.
    pub seed: u64,
    /// When the last task ends.
    pub makespan_s: f64,
    /// The best lower bound.
    pub bound_s: f64,
    /// Every lower bound.
    pub bounds: Bounds,
    /// The least makespan that is possible, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt: Option<f64>,
    /// Whether the schedule was checked and found to be possible. Records of others are not made.
    pub valid: bool,
    /// The number of tasks.
    pub tasks: usize,
    /// Bytes moved between places, each file once for each place.
    pub bytes_moved: f64,
    /// Placements that the policy made, the last one of each task.
    pub decisions: usize,
    /// How long the policy took, by the clock.
    pub scheduler_wall_s: f64,
    /// What is modelled and not measured, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modelled: Option<&'static str>,
}

/// The names of policies, and what each does in a few words; the default first.
pub fn policies() -> impl Iterator<Item = (&'static str, &'static str)> {
    PLANNERS.iter().map(|planner| (planner.name, planner.about))
}

impl Case {
    /// The lower bounds of the makespan.
    pub fn bounds(&self) -> Bounds {
        Bounds::of(&self.problem)
    }

    /// Plans under a policy and checks the schedule.
    ///
    /// # Errors
    /// When there is no such policy, or it made a schedule that cannot be.
    pub fn run(&self, policy: &str, seed: u64, bounds: &Bounds) -> Result<Record, SimError> {
        let planner = find(policy)?;
        let start = Instant::now();
        let schedule = planner.plan(&self.problem, seed);
        let scheduler_wall_s = start.elapsed().as_secs_f64();
        schedule.check(&self.problem).map_err(|violation| SimError::Invalid {
            policy: policy.to_owned(),
            workload: self.workload.clone(),
            platform: self.platform.clone(),
            message: violation.to_string(),
        })?;
        Ok(Record {
            workload: self.workload.clone(),
            platform: self.platform.clone(),
            policy: policy.to_owned(),
            seed,
            makespan_s: schedule.makespan(),
            bound_s: bounds.best(),
            bounds: bounds.clone(),
            opt: self.optimum,
            valid: true,
            tasks: self.tasks,
            bytes_moved: self.bytes_moved(&schedule),
            decisions: self.tasks,
            scheduler_wall_s,
            modelled: self.modelled,
        })
    }

    fn bytes_moved(&self, schedule: &Schedule) -> f64 {
        let place = |task: u32| {
            let processor = schedule.slots[task as usize].processor;
            self.problem.processors()[processor as usize].place
        };
        let mut arrived = BTreeSet::new();
        let mut bytes = 0.0;
        for it in &self.moves {
            let to = place(it.to);
            if place(it.from) != to && arrived.insert((it.file, to)) {
                bytes += it.bytes;
            }
        }
        bytes
    }
}

/// The policy of that name.
fn find(name: &str) -> Result<&'static Planner, SimError> {
    planner(name).ok_or_else(|| {
        let names = PLANNERS.iter().map(|planner| planner.name);
        let nearest = names.min_by_key(|known| strsim::levenshtein(known, name));
        SimError::UnknownPolicy { name: name.to_owned(), nearest }
    })
}
