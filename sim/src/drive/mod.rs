//! Drives the production cores, the scheduler's and the executors', through a workload on a virtual
//! clock: the same events that processes would send, at the moments at which they would.
//!
//! What is modelled: how long tasks run, how long objects take to move (without contention), and how
//! long a message is under way. What is not: memory (there is enough), and the time of the scheduler
//! itself, which is measured and told beside the makespan.

mod graph;
mod world;

use std::time::Duration;

use drawloom_plan::{Problem, Schedule};
use drawloom_scheduler_core::Config;

use crate::Case;

/// How long a message between scheduler and executor is under way: as measured over loopback TCP.
const MESSAGE: Duration = Duration::from_micros(40);

/// What a run came to.
pub(crate) struct Driven {
    /// When and where each task of the case's problem ran.
    pub schedule: Schedule,
    /// Placements, those that were taken back among them.
    pub decisions: usize,
    /// Bytes moved between places.
    pub bytes_moved: f64,
    /// How long the scheduler's core took, by the clock.
    pub scheduler_wall: Duration,
}

/// Runs a case's workload to its end, where tasks take the times of the `actual` problem.
///
/// # Errors
/// Why the scheduler did not take the workload, or that a task did not end.
pub(crate) fn drive(case: &Case, actual: &Problem, policy: &str) -> Result<Driven, String> {
    if !case.has_cores_alone {
        return Err(format!("the policy {policy:?} is simulated on platforms of cores alone"));
    }
    let graph = graph::graph(case, actual)?;
    let config = Config {
        policy: policy.to_owned(),
        // Simulated executors are never silent for want of life.
        heartbeat_timeout: Duration::from_secs(u64::from(u32::MAX)),
        ..Config::default()
    };
    world::World::new(case, graph, config).run()
}

/// Spans from seconds; what is beyond all spans becomes the longest.
fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
