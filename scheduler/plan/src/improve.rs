//! Our own planner: the best of several list schedules, then search from there.
//!
//! Plain HEFT misleads where kinds of processors differ. It ranks tasks by their mean time over all
//! processors, so what runs thirty times faster on a GPU, and will run there, still counts with its
//! time on cores; and it gives each task the slot in which that ends first, whatever better use others
//! had for the slot. So tasks are also ranked by the time that they take in the relaxed problem of the
//! lower bound, and slots are charged with its prices: with some part of the seconds by which the
//! relaxed makespan grows when the task runs on that kind of processor.
//!
//! Small graphs are then improved by simulated annealing (Kirkpatrick, Gelatt and Vecchi, Science 220,
//! 1983) over orders of tasks and their processors; large ones, of which few orders can be tried, by
//! list schedules with other prices and disturbed ranks. Both take a fixed number of steps, so that the
//! same seed gives the same schedule.

use crate::bound::Relaxed;
use crate::list;
use crate::problem::Problem;
use crate::rank::{OptimisticCosts, upward};
use crate::schedule::Schedule;

mod anneal;

/// Tasks placed in a search: about 30 ms on one core for graphs of up to some tens of tasks.
const STEPS: usize = 2_000_000;
/// Larger graphs are searched by list schedules.
const ANNEALED_TASKS: usize = 400;
/// List schedules of a large graph that are tried at least.
const TRIALS: usize = 12;
/// Heuristics whose time grows with the square of the tasks are tried up to here.
const STEPPED_TASKS: usize = 3_000;
/// What the prices are multiplied with at first.
const CHARGES: [f64; 4] = [0.0, 3.0, 30.0, 100.0];

pub(crate) fn drawloom(problem: &Problem, seed: u64) -> Schedule {
    if problem.is_empty() {
        return Schedule::default();
    }
    let mut search = Search::new(problem);
    search.try_lists();
    let is_best = search.best.makespan() <= search.bound * (1.0 + 1e-9);
    if is_best {
        return search.best;
    }
    if problem.len() > ANNEALED_TASKS {
        search.try_recipes(TRIALS.max(STEPS / problem.len()), seed);
        return search.best;
    }
    let better = anneal::anneal(problem, &search.best, STEPS / problem.len(), seed);
    search.offer(better);
    search.best
}

/// How a list schedule is made.
#[derive(Clone)]
struct Recipe {
    /// The more urgent first.
    rank: Vec<f64>,
    /// What the prices are multiplied with.
    charge: f64,
    /// Whether slots are judged by when the rest could end after them, too.
    looks_ahead: bool,
}

struct Search<'p> {
    problem: &'p Problem,
    bound: f64,
    costs: OptimisticCosts,
    /// By task and kind.
    regrets: Vec<f64>,
    /// By the seconds of each task in the relaxed problem.
    divided: Vec<f64>,
    best: Schedule,
    best_makespan: f64,
    recipe: Recipe,
}

impl<'p> Search<'p> {
    fn new(problem: &'p Problem) -> Self {
        let relaxed = Relaxed::of(problem);
        let divided = upward(problem, |task| relaxed.seconds[task]);
        let recipe = Recipe { rank: divided.clone(), charge: 0.0, looks_ahead: false };
        Search {
            problem,
            bound: relaxed.bounds.best(),
            costs: OptimisticCosts::new(problem),
            regrets: relaxed.regrets(problem),
            divided,
            best: Schedule::default(),
            best_makespan: f64::INFINITY,
            recipe,
        }
    }

    /// Keeps a schedule that is no worse than the best; whether it was kept.
    fn offer(&mut self, schedule: Schedule) -> bool {
        let makespan = schedule.makespan();
        let is_kept = makespan <= self.best_makespan;
        if is_kept {
            self.best_makespan = makespan;
            self.best = schedule;
        }
        is_kept
    }

    /// What others do, and recipes with every rank.
    fn try_lists(&mut self) {
        let problem = self.problem;
        for plan in [list::peft, list::lookahead] {
            self.offer(plan(problem));
        }
        if problem.len() <= STEPPED_TASKS {
            for plan in
                [list::mct, list::dls, list::etf, list::min_min, list::max_min, list::sufferage]
            {
                self.offer(plan(problem));
            }
        }
        let mean = upward(problem, |task| problem.mean_seconds(task));
        let least = upward(problem, |task| problem.least_seconds(task));
        for rank in [mean, least, self.divided.clone()] {
            for charge in CHARGES {
                for looks_ahead in [false, true] {
                    let recipe = Recipe { rank: rank.clone(), charge, looks_ahead };
                    if self.offer(self.cook(&recipe)) {
                        self.recipe = recipe;
                    }
                }
            }
        }
    }

    /// Recipes near the best one, and sometimes others.
    fn try_recipes(&mut self, trials: usize, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..trials {
            let mut recipe = self.recipe.clone();
            if random.u8(..8) == 0 {
                recipe.rank.clone_from(&self.divided);
            }
            let strength = 0.2 * random.f64() * random.f64();
            recipe.rank.iter_mut().for_each(|rank| *rank *= 1.0 + strength * (random.f64() - 0.5));
            if random.bool() {
                // From 1 to 300, the same chance for each factor.
                recipe.charge = 300f64.powf(random.f64());
            }
            recipe.looks_ahead ^= random.u8(..4) == 0;
            if self.offer(self.cook(&recipe)) {
                self.recipe = recipe;
            }
        }
    }

    fn cook(&self, recipe: &Recipe) -> Schedule {
        let (problem, kinds) = (self.problem, self.problem.kinds());
        list::heft_with(problem, &recipe.rank, |task, slot| {
            let processor = slot.processor as usize;
            let kind = problem.processors()[processor].kind as usize;
            let rest = if recipe.looks_ahead { self.costs.of(task, processor) } else { 0.0 };
            recipe.charge * self.regrets[task * kinds + kind] + rest
        })
    }
}
