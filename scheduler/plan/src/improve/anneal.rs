//! Simulated annealing over orders of tasks and their processors.

use crate::problem::Problem;
use crate::schedule::{Schedule, Slot};

/// Temperatures at the beginning and at the end, as parts of the makespan.
const HOT: f64 = 0.1;
const COLD: f64 = 0.0004;
/// How often the search begins anew, from the best so far.
const ROUNDS: usize = 3;

/// Searches for a shorter schedule by so many trials, from one that is given.
pub(super) fn anneal(problem: &Problem, from: &Schedule, trials: usize, seed: u64) -> Schedule {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut search = Search::new(problem, from);
    let mut best = search.clone_state();
    let mut best_makespan = search.evaluate();
    let trials = trials / ROUNDS;
    for _ in 0..ROUNDS {
        search.restore(&best);
        let mut makespan = search.evaluate();
        let cooling = (COLD / HOT).powf(1.0 / trials.max(1) as f64);
        let mut temperature = HOT * best_makespan;
        for _ in 0..trials {
            search.disturb(&mut random);
            let after = search.evaluate();
            let worse = after - makespan;
            if worse <= 0.0 || random.f64() < (-worse / temperature).exp() {
                makespan = after;
                if after < best_makespan {
                    best_makespan = after;
                    best = search.clone_state();
                }
            } else {
                search.undo();
            }
            temperature *= cooling;
        }
    }
    search.restore(&best);
    search.evaluate();
    search.into_schedule()
}

/// An order of tasks, each after what it needs, and who runs them. Each processor runs its tasks in
/// that order, as early as it can.
struct Search<'p> {
    problem: &'p Problem,
    order: Vec<u32>,
    /// By task: its index in the order.
    position: Vec<u32>,
    /// By task.
    processor: Vec<u32>,
    /// By task: the processors that can run it.
    able: Vec<Vec<u32>>,
    finish: Vec<f64>,
    available: Vec<f64>,
    /// What takes the last disturbance back, from its end.
    undo: Vec<Undo>,
}

type State = (Vec<u32>, Vec<u32>);

/// How things were before a change.
enum Undo {
    Reassign { task: u32, processor: u32 },
    Shift { task: u32, position: u32 },
}

impl<'p> Search<'p> {
    fn new(problem: &'p Problem, from: &Schedule) -> Self {
        let mut order: Vec<u32> = problem.order().map(|task| task as u32).collect();
        // Stable: tasks that take no time stay behind what they need.
        order.sort_by(|a, b| {
            let start = |task: &u32| from.slots[*task as usize].start;
            start(a).total_cmp(&start(b))
        });
        let mut position = vec![0; order.len()];
        for (index, task) in order.iter().enumerate() {
            position[*task as usize] = index as u32;
        }
        let processors = 0..problem.processors().len();
        let able = |task: usize| {
            let able = processors.clone().filter(|it| problem.seconds(task, *it).is_finite());
            able.map(|it| it as u32).collect()
        };
        Search {
            problem,
            position,
            processor: from.slots.iter().map(|slot| slot.processor).collect(),
            able: (0..problem.len()).map(able).collect(),
            finish: vec![0.0; order.len()],
            available: vec![0.0; problem.processors().len()],
            undo: Vec::new(),
            order,
        }
    }

    fn clone_state(&self) -> State {
        (self.order.clone(), self.processor.clone())
    }

    fn restore(&mut self, (order, processor): &State) {
        self.order.clone_from(order);
        self.processor.clone_from(processor);
        for (index, task) in self.order.iter().enumerate() {
            self.position[*task as usize] = index as u32;
        }
    }

    /// The makespan.
    fn evaluate(&mut self) -> f64 {
        self.available.fill(0.0);
        let problem = self.problem;
        let mut makespan = 0.0f64;
        for task in &self.order {
            let task = *task as usize;
            let processor = self.processor[task] as usize;
            let at = problem.processors()[processor];
            let mut start = self.available[processor];
            for edge in problem.before(task) {
                let needed = edge.task as usize;
                let from = problem.processors()[self.processor[needed] as usize].place;
                let there = self.finish[needed] + problem.transfer(edge.bytes, from, at.place);
                start = start.max(there);
            }
            let finish = start + problem.seconds_on_kind(task, at.kind as usize);
            self.finish[task] = finish;
            self.available[processor] = finish;
            makespan = makespan.max(finish);
        }
        makespan
    }

    /// Gives a task another processor, another index in the order, or both; or brings it together
    /// with others that it exchanges data with, which pays only when they move at once.
    fn disturb(&mut self, random: &mut fastrand::Rng) {
        self.undo.clear();
        let task = random.usize(..self.order.len());
        match random.u8(..8) {
            0..2 => self.shift_anywhere(task, random),
            2..4 => self.reassign(task, self.any_able(task, random)),
            4..6 => {
                self.reassign(task, self.any_able(task, random));
                self.shift_anywhere(task, random);
            }
            _ => {
                let to = self.any_able(task, random);
                self.reassign(task, to);
                let problem = self.problem;
                for edge in problem.before(task).iter().chain(problem.after(task)) {
                    let near = edge.task as usize;
                    if random.bool() && problem.seconds(near, to as usize).is_finite() {
                        self.reassign(near, to);
                    }
                }
            }
        }
    }

    fn any_able(&self, task: usize, random: &mut fastrand::Rng) -> u32 {
        let able = &self.able[task];
        able[random.usize(..able.len())]
    }

    fn reassign(&mut self, task: usize, processor: u32) {
        let before = std::mem::replace(&mut self.processor[task], processor);
        if before != processor {
            self.undo.push(Undo::Reassign { task: task as u32, processor: before });
        }
    }

    /// To any index behind what it needs and before what needs it.
    fn shift_anywhere(&mut self, task: usize, random: &mut fastrand::Rng) {
        let before = self.problem.before(task).iter();
        let after = self.problem.after(task).iter();
        let lowest = before.map(|edge| self.position[edge.task as usize] + 1).max().unwrap_or(0);
        let last = self.order.len() as u32 - 1;
        let highest = after.map(|edge| self.position[edge.task as usize] - 1).min().unwrap_or(last);
        let position = self.position[task];
        self.shift(task as u32, random.u32(lowest..=highest));
        self.undo.push(Undo::Shift { task: task as u32, position });
    }

    fn undo(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Reassign { task, processor } => self.processor[task as usize] = processor,
                Undo::Shift { task, position } => self.shift(task, position),
            }
        }
    }

    /// Moves a task to an index in the order.
    fn shift(&mut self, task: u32, to: u32) {
        let from = self.position[task as usize];
        let (low, high) = (from.min(to) as usize, from.max(to) as usize);
        if from < to {
            self.order[low..=high].rotate_left(1);
        } else {
            self.order[low..=high].rotate_right(1);
        }
        for index in low..=high {
            self.position[self.order[index] as usize] = index as u32;
        }
    }

    /// As it was evaluated last.
    fn into_schedule(self) -> Schedule {
        let slot = |task: usize| {
            let (processor, finish) = (self.processor[task], self.finish[task]);
            let start = finish - self.problem.seconds(task, processor as usize);
            Slot { processor, start, finish }
        };
        Schedule { slots: (0..self.order.len()).map(slot).collect() }
    }
}
