//! The planners, by name.

use crate::improve::drawloom;
use crate::list;
use crate::problem::Problem;
use crate::schedule::Schedule;

/// A way to plan a whole graph.
#[derive(Clone, Copy, Debug)]
pub struct Planner {
    /// The name it is chosen by.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    plan: fn(&Problem, u64) -> Schedule,
}

impl Planner {
    /// Plans a graph. The same problem and seed give the same schedule.
    pub fn plan(&self, problem: &Problem, seed: u64) -> Schedule {
        (self.plan)(problem, seed)
    }
}

macro_rules! planner {
    ($name:literal, $about:literal, $plan:path) => {
        Planner { name: $name, about: $about, plan: |problem, _| $plan(problem) }
    };
}

/// Every planner, the default first.
pub const PLANNERS: [Planner; 14] = [
    Planner {
        name: "drawloom",
        about: "the best of several list schedules, improved by search",
        plan: drawloom,
    },
    planner!("heft", "upward rank, earliest finish with insertion", list::heft),
    planner!("cpop", "the critical path on one processor", list::cpop),
    planner!("peft", "optimistic cost table", list::peft),
    planner!("lookahead-heft", "HEFT that tries what follows each task", list::lookahead),
    planner!("min-min", "the ready task that can end first", list::min_min),
    planner!("max-min", "the ready task whose earliest end is latest", list::max_min),
    planner!(
        "sufferage",
        "the ready task that suffers most from its second choice",
        list::sufferage
    ),
    planner!("mct", "in order of readiness, where each ends first", list::mct),
    planner!("etf", "the ready task that can start first", list::etf),
    planner!("dls", "the highest dynamic level", list::dls),
    planner!("fifo", "in order of readiness, where each starts first", list::fifo),
    planner!("round-robin", "processors in turn", list::round_robin),
    Planner { name: "random", about: "anything that is possible", plan: list::random },
];

/// The planner of that name.
pub fn planner(name: &str) -> Option<&'static Planner> {
    PLANNERS.iter().find(|planner| planner.name == name)
}
