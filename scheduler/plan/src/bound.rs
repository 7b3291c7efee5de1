//! How short a schedule could be at best.
//!
//! All bounds hold whatever the schedule. The mixed bound is the value of the linear program in which
//! tasks are divided among kinds of processors, no kind works longer than the makespan, and no path of
//! the graph takes longer (Agullo et al., "Bridging the gap between performance and bounds of Cholesky
//! factorization on heterogeneous platforms", HCW 2015). It is approached from below through its dual,
//! as the value of a game: one player puts weight on kinds and paths, the other gives each task to the
//! kind that is cheapest under these weights. Every weight gives a valid bound, so a search that stops
//! early is safe. Brown's fictitious play (1951) finds good ones.

use serde::Serialize;

use crate::problem::Problem;
use crate::rank::groups;

/// Rounds of play; the bound is within a few percent of the program's value long before.
const ROUNDS: usize = 600;
/// Paths with transfers are followed where this many steps suffice.
const STEPS_LIMIT: usize = 200_000_000;

/// Lower bounds of the makespan, in seconds.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Bounds {
    /// The longest path, each task where it is fastest, transfers for free.
    pub critical_path_s: f64,
    /// The longest path with transfers, each task where that is best for it.
    pub critical_path_with_transfers_s: f64,
    /// All work, divided among all processors as is best.
    pub area_s: f64,
    /// Work and paths together.
    pub mixed_s: f64,
}

impl Bounds {
    /// The bounds of a problem.
    pub fn of(problem: &Problem) -> Self {
        Relaxed::of(problem).bounds
    }

    /// The highest of them.
    pub fn best(&self) -> f64 {
        let paths = self.critical_path_s.max(self.critical_path_with_transfers_s);
        paths.max(self.area_s).max(self.mixed_s)
    }
}

/// The bounds, and what the relaxed problem says of each task.
pub(crate) struct Relaxed {
    pub bounds: Bounds,
    /// Seconds that each task takes when it is divided among kinds as the relaxed problem has it.
    pub seconds: Vec<f64>,
    /// By kind: the price of a second of one processor.
    kinds: Vec<f64>,
    /// By task: the price of a second of its own, since paths lead through it.
    paths: Vec<f64>,
}

impl Relaxed {
    pub fn of(problem: &Problem) -> Self {
        let critical_path_s = longest(problem, |task| problem.least_seconds(task)).0;
        let area = Game::new(problem, false).play(problem);
        let mixed = Game::new(problem, true).play(problem);
        let bounds = Bounds {
            critical_path_s,
            critical_path_with_transfers_s: with_transfers(problem).max(critical_path_s),
            area_s: area.value,
            mixed_s: mixed.value.max(area.value).max(critical_path_s),
        };
        Relaxed { bounds, seconds: mixed.seconds, kinds: mixed.kinds, paths: mixed.paths }
    }

    /// By how many seconds the relaxed makespan grows when a task runs on a kind of processors and not
    /// on the one that is cheapest for it: its reduced cost. Tasks × kinds; infinite where it cannot
    /// run.
    pub fn regrets(&self, problem: &Problem) -> Vec<f64> {
        let mut regrets = Vec::with_capacity(problem.len() * problem.kinds());
        for task in 0..problem.len() {
            let first = regrets.len();
            let price = |kind: usize| {
                let seconds = problem.seconds_on_kind(task, kind);
                if seconds.is_infinite() {
                    seconds
                } else {
                    (self.kinds[kind] + self.paths[task]) * seconds
                }
            };
            regrets.extend((0..problem.kinds()).map(price));
            let least = regrets[first..].iter().copied().fold(f64::INFINITY, f64::min);
            regrets[first..].iter_mut().for_each(|price| *price -= least);
        }
        regrets
    }
}

/// The longest path by seconds of tasks: its length, and its tasks from the last to the first.
fn longest(problem: &Problem, seconds: impl Fn(usize) -> f64) -> (f64, Vec<usize>) {
    let mut until = vec![0.0; problem.len()];
    let mut through: Vec<Option<u32>> = vec![None; problem.len()];
    let mut last: Option<usize> = None;
    for task in problem.order() {
        let mut start = 0.0;
        for edge in problem.before(task) {
            let finish: f64 = until[edge.task as usize];
            if finish > start {
                start = finish;
                through[task] = Some(edge.task);
            }
        }
        until[task] = start + seconds(task);
        if last.is_none_or(|last| until[task] > until[last]) {
            last = Some(task);
        }
    }
    let length = last.map_or(0.0, |task| until[task]);
    let mut path = Vec::new();
    let mut at = last;
    while let Some(task) = at {
        path.push(task);
        at = through[task].map(|task| task as usize);
    }
    (length, path)
}

/// The earliest end of each task at each kind of place, were every task alone with what it needs; 0
/// where that takes too long to find.
fn with_transfers(problem: &Problem) -> f64 {
    let (members, _) = groups(problem);
    let edges: usize = (0..problem.len()).map(|task| problem.before(task).len()).sum();
    if members.len().saturating_mul(members.len()).saturating_mul(edges) > STEPS_LIMIT {
        return 0.0;
    }
    let count = members.len();
    let mut finish = vec![f64::INFINITY; problem.len() * count];
    let mut latest = 0.0f64;
    for task in problem.order() {
        for (group, (kind, place)) in members.iter().enumerate() {
            let seconds = problem.seconds_on_kind(task, *kind as usize);
            if seconds.is_infinite() {
                continue;
            }
            let mut start = 0.0f64;
            for edge in problem.before(task) {
                let from = &finish[edge.task as usize * count..][..count];
                let arrivals = from.iter().zip(&members).map(|(finish, (_, from))| {
                    finish + problem.transfer(edge.bytes, *from, *place)
                });
                start = start.max(arrivals.fold(f64::INFINITY, f64::min));
            }
            finish[task * count + group] = start + seconds;
        }
        let ends = finish[task * count..][..count].iter().copied();
        latest = latest.max(ends.fold(f64::INFINITY, f64::min));
    }
    latest
}

/// Weights on kinds and paths against a division of tasks, both as sums over the rounds so far.
struct Game {
    has_paths: bool,
    /// Processors of each kind.
    processors: Vec<f64>,
    /// By kind: in how many rounds the first player chose it.
    kinds: Vec<f64>,
    /// By task: in how many rounds the first player chose a path through it.
    paths: Vec<f64>,
    /// By kind: seconds of work given to it.
    loads: Vec<f64>,
    /// By task: seconds.
    seconds: Vec<f64>,
}

struct Outcome {
    value: f64,
    seconds: Vec<f64>,
    kinds: Vec<f64>,
    paths: Vec<f64>,
}

impl Game {
    fn new(problem: &Problem, has_paths: bool) -> Self {
        let mut processors = vec![0.0; problem.kinds()];
        for processor in problem.processors() {
            processors[processor.kind as usize] += 1.0;
        }
        let kinds = problem.kinds();
        Game {
            has_paths,
            processors,
            kinds: vec![0.0; kinds],
            paths: vec![0.0; problem.len()],
            loads: vec![0.0; kinds],
            seconds: vec![0.0; problem.len()],
        }
    }

    fn play(mut self, problem: &Problem) -> Outcome {
        // The first weights: each kind the same.
        let present = self.processors.iter().filter(|count| **count > 0.0).count().max(1) as f64;
        for (weight, count) in self.kinds.iter_mut().zip(&self.processors) {
            *weight = if *count > 0.0 { 1.0 / present } else { 0.0 };
        }
        let mut value = 0.0f64;
        for round in 1..=ROUNDS {
            value = value.max(self.answer(problem) / round as f64);
            self.weigh(problem);
        }
        value = value.max(self.answer(problem) / (ROUNDS + 1) as f64);
        let rounds = (ROUNDS + 1) as f64;
        let mean = |sums: Vec<f64>| sums.into_iter().map(|sum| sum / rounds).collect();
        let prices = self.kinds.iter().zip(&self.processors);
        let prices = prices.map(|(weight, count)| weight / count.max(1.0) / rounds);
        Outcome {
            value,
            kinds: prices.collect(),
            seconds: mean(self.seconds),
            paths: mean(self.paths),
        }
    }

    /// Each task goes to the kind that is cheapest under the weights; the sum of the prices.
    fn answer(&mut self, problem: &Problem) -> f64 {
        let mut total = 0.0;
        for task in 0..problem.len() {
            let mut best = (f64::INFINITY, 0, 0.0);
            for (kind, (weight, count)) in self.kinds.iter().zip(&self.processors).enumerate() {
                let seconds = problem.seconds_on_kind(task, kind);
                if *count == 0.0 || seconds.is_infinite() {
                    continue;
                }
                let price = (weight / count + self.paths[task]) * seconds;
                if price < best.0 || (price == best.0 && seconds < best.2) {
                    best = (price, kind, seconds);
                }
            }
            let (price, kind, seconds) = best;
            total += price;
            self.loads[kind] += seconds;
            self.seconds[task] += seconds;
        }
        total
    }

    /// A weight more on what takes longest by the division so far.
    fn weigh(&mut self, problem: &Problem) {
        let shares = self.loads.iter().zip(&self.processors).enumerate();
        let shares = shares.filter(|(_, (_, count))| **count > 0.0);
        let heaviest = shares
            .map(|(kind, (load, count))| (load / count, kind))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let (load, kind) = heaviest.unwrap_or_default();
        if self.has_paths {
            let (length, path) = longest(problem, |task| self.seconds[task]);
            if length > load {
                path.into_iter().for_each(|task| self.paths[task] += 1.0);
                return;
            }
        }
        self.kinds[kind] += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Link, ProblemBuilder};

    /// Two kinds of processors, one of each; task i takes `times[i]`.
    fn problem(times: &[[f64; 2]], edges: &[(u32, u32, f64)]) -> Problem {
        let mut builder = ProblemBuilder::default();
        builder.processor(0, 0).processor(1, 1);
        let link = Link { latency: 0.0, seconds_per_byte: 1.0 };
        builder.link(0, 1, link).link(1, 0, link);
        for times in times {
            builder.task(times.to_vec());
        }
        for (from, to, bytes) in edges {
            builder.edge(*from, *to, *bytes);
        }
        builder.build().expect("sound")
    }

    #[test]
    fn independent_work_is_divided() {
        // Kind 0 does what it is good at, and half of the third: 2 + 2 = 4.
        let bounds = Bounds::of(&problem(&[[2.0, 9.0], [9.0, 2.0], [4.0, 4.0]], &[]));
        assert_eq!(bounds.critical_path_s, 4.0);
        assert!((bounds.area_s - 4.0).abs() < 0.05 && bounds.area_s <= 4.0 + 1e-9, "{bounds:?}");
    }

    #[test]
    fn paths_take_their_time() {
        let bounds = Bounds::of(&problem(&[[2.0, 9.0], [9.0, 2.0]], &[(0, 1, 3.0)]));
        assert_eq!(bounds.critical_path_s, 4.0);
        // Either the data moves for 3 s, or a task runs where it takes 9 s.
        assert_eq!(bounds.critical_path_with_transfers_s, 7.0);
        assert_eq!(bounds.best(), 7.0);
    }

    #[test]
    fn work_and_paths_together_say_more() {
        // A chain of six that only the second kind runs fast, beside work that it alone runs fast, too.
        let chain: Vec<(u32, u32, f64)> = (0..5).map(|i| (i, i + 1, 0.0)).collect();
        let bounds = Bounds::of(&problem(&[[4.0, 1.0]; 12], &chain));
        assert!(bounds.critical_path_s == 6.0 && bounds.mixed_s >= bounds.area_s);
        assert!(bounds.mixed_s <= 9.6 + 1e-9 && bounds.area_s > 9.4, "{bounds:?}");
    }
}
