//! Plans a case, checks the schedule and tells figures.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Instant;

use drawloom_plan::{Bounds, PLANNERS, Planner, Problem, Schedule, planner};
use drawloom_scheduler_core::policy::POLICIES;
use serde::Serialize;

use crate::drive::drive;
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
    /// How the schedule came about.
    pub mode: Mode,
    /// The seed of whatever is random.
    pub seed: u64,
    /// By what part of their time tasks may run longer or shorter than the policy is told.
    pub noise: f64,
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

/// How a run is made.
#[derive(Clone, PartialEq, Debug)]
pub struct RunOptions {
    /// The seed of whatever is random.
    pub seed: u64,
    /// Tasks run longer or shorter than the policy is told by up to this part of their time; the
    /// same chance for each.
    pub noise: f64,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions { seed: 1, noise: 0.0 }
    }
}

/// The names of policies, and what each does in a few words: those that plan a graph ahead, ours
/// first, then those of the scheduler's core, which decide as tasks become ready.
pub fn policies() -> impl Iterator<Item = (&'static str, &'static str)> {
    let planners = PLANNERS.iter().map(|planner| (planner.name, planner.about));
    let core = POLICIES.iter().map(|name| (*name, "of the production scheduler, driven by events"));
    planners.chain(core.filter(|(name, _)| planner(name).is_none()))
}

/// When and where tasks ran, and what it took to find that.
struct Made {
    schedule: Schedule,
    decisions: usize,
    bytes_moved: f64,
    scheduler_wall_s: f64,
    mode: Mode,
}

/// How a schedule came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By a plan of the whole graph; tasks run as planned.
    Planned,
    /// By the production scheduler and executors, event by event on a virtual clock.
    Driven,
}

impl Case {
    /// The lower bounds of the makespan.
    pub fn bounds(&self) -> Bounds {
        Bounds::of(&self.problem)
    }

    /// Runs the workload under a policy and checks the schedule.
    ///
    /// # Errors
    /// When there is no such policy, it cannot run the case, or it made a schedule that cannot be.
    pub fn run(
        &self,
        policy: &str,
        options: &RunOptions,
        bounds: &Bounds,
    ) -> Result<Record, SimError> {
        let actual = self.actual(options);
        let made = match find(policy)? {
            Found::Planner(planner) => self.plan(planner, options, &actual),
            Found::OfCore(name) => self.drive(name, &actual)?,
        };
        made.schedule.check(&actual).map_err(|violation| SimError::Invalid {
            policy: policy.to_owned(),
            workload: self.workload.clone(),
            platform: self.platform.clone(),
            message: violation.to_string(),
        })?;
        Ok(Record {
            workload: self.workload.clone(),
            platform: self.platform.clone(),
            policy: policy.to_owned(),
            mode: made.mode,
            seed: options.seed,
            noise: options.noise,
            makespan_s: made.schedule.makespan(),
            bound_s: bounds.best(),
            bounds: bounds.clone(),
            opt: self.optimum,
            valid: true,
            tasks: self.tasks,
            bytes_moved: made.bytes_moved,
            decisions: made.decisions,
            scheduler_wall_s: made.scheduler_wall_s,
            modelled: self.modelled,
        })
    }

    /// The problem with the times that tasks really take.
    fn actual(&self, options: &RunOptions) -> Cow<'_, Problem> {
        if options.noise == 0.0 {
            return Cow::Borrowed(&self.problem);
        }
        let mut random = fastrand::Rng::with_seed(options.seed);
        let mut factor = |_| 1.0 + options.noise * (2.0 * random.f64() - 1.0);
        let factors: Vec<f64> = (0..self.problem.len()).map(&mut factor).collect();
        Cow::Owned(self.problem.scaled(&factors))
    }

    /// Plans with the times told, and runs as planned with those that tasks really take.
    fn plan(&self, planner: &Planner, options: &RunOptions, actual: &Problem) -> Made {
        let start = Instant::now();
        let plan = planner.plan(&self.problem, options.seed);
        let scheduler_wall_s = start.elapsed().as_secs_f64();
        let schedule = if options.noise == 0.0 { plan } else { plan.executed(actual) };
        let bytes_moved = self.bytes_moved(&schedule);
        let decisions = self.tasks;
        Made { schedule, decisions, bytes_moved, scheduler_wall_s, mode: Mode::Planned }
    }

    fn drive(&self, policy: &str, actual: &Problem) -> Result<Made, SimError> {
        let driven = drive(self, actual, policy).map_err(|message| SimError::Unfit {
            workload: self.workload.clone(),
            platform: self.platform.clone(),
            message,
        })?;
        Ok(Made {
            schedule: driven.schedule,
            decisions: driven.decisions,
            bytes_moved: driven.bytes_moved,
            scheduler_wall_s: driven.scheduler_wall.as_secs_f64(),
            mode: Mode::Driven,
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

/// A policy.
enum Found {
    Planner(&'static Planner),
    OfCore(&'static str),
}

/// The policy of that name.
fn find(name: &str) -> Result<Found, SimError> {
    if let Some(planner) = planner(name) {
        return Ok(Found::Planner(planner));
    }
    if let Some(name) = POLICIES.iter().find(|known| **known == name) {
        return Ok(Found::OfCore(name));
    }
    Err(SimError::unknown_policy(name, policies().map(|(known, _)| known)))
}
