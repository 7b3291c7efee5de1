//! Whether a schedule could be: written from the definition, and by nothing that planners use.

use crate::{Problem, Schedule};

/// What is wrong with a schedule.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Violation {
    /// It has slots for more or fewer tasks than there are.
    #[error("the schedule has {slots} slots for {tasks} tasks")]
    Count {
        /// Slots.
        slots: usize,
        /// Tasks.
        tasks: usize,
    },
    /// A slot names a processor that is not there, or is not as long as the task there takes.
    #[error("task {task} runs from {start} to {finish} on processor {processor}")]
    Slot {
        /// The task.
        task: usize,
        /// Its processor.
        processor: u32,
        /// Its start, in seconds.
        start: f64,
        /// Its end, in seconds.
        finish: f64,
    },
    /// A task starts before what it needs is there.
    #[error("task {task} starts at {start}, what it needs of task {needed} is there at {there}")]
    Precedence {
        /// The task.
        task: usize,
        /// What it needs.
        needed: usize,
        /// Its start, in seconds.
        start: f64,
        /// When its data is there, in seconds.
        there: f64,
    },
    /// A processor runs two tasks at once.
    #[error("processor {processor} runs tasks {first} and {second} at once, at {at}")]
    Capacity {
        /// The processor.
        processor: u32,
        /// The task that began first.
        first: usize,
        /// The task that began while the first ran.
        second: usize,
        /// When, in seconds.
        at: f64,
    },
}

impl Schedule {
    /// Checks that every task has a slot of the right length on a processor that can run it, that no
    /// processor runs two at once, and that data had time to move.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self, problem: &Problem) -> Result<(), Violation> {
        let (slots, tasks) = (self.slots.len(), problem.len());
        if slots != tasks {
            return Err(Violation::Count { slots, tasks });
        }
        // Sums of the same terms in another order may differ in the last places.
        let slack = 1e-9 * self.makespan().max(1.0);
        for (task, slot) in self.slots.iter().enumerate() {
            let processor = slot.processor as usize;
            let is_known = processor < problem.processors().len();
            let seconds = if is_known { problem.seconds(task, processor) } else { f64::INFINITY };
            let is_sound = slot.start >= 0.0 && (slot.finish - slot.start - seconds).abs() <= slack;
            if !is_sound {
                let (start, finish) = (slot.start, slot.finish);
                return Err(Violation::Slot { task, processor: slot.processor, start, finish });
            }
        }
        self.check_precedence(problem, slack)?;
        self.check_capacity(problem, slack)
    }

    fn check_precedence(&self, problem: &Problem, slack: f64) -> Result<(), Violation> {
        let place = |processor: u32| problem.processors()[processor as usize].place;
        for (task, slot) in self.slots.iter().enumerate() {
            for edge in problem.before(task) {
                let needed = edge.task as usize;
                let from = self.slots[needed];
                let moves =
                    problem.transfer(edge.bytes, place(from.processor), place(slot.processor));
                let there = from.finish + moves;
                // Infinite where there is no way.
                if slot.start + slack < there {
                    return Err(Violation::Precedence { task, needed, start: slot.start, there });
                }
            }
        }
        Ok(())
    }

    fn check_capacity(&self, problem: &Problem, slack: f64) -> Result<(), Violation> {
        let mut by_processor: Vec<Vec<usize>> = vec![Vec::new(); problem.processors().len()];
        for (task, slot) in self.slots.iter().enumerate() {
            by_processor[slot.processor as usize].push(task);
        }
        for (processor, mut tasks) in by_processor.into_iter().enumerate() {
            tasks.sort_by(|a, b| {
                let (a, b) = (&self.slots[*a], &self.slots[*b]);
                a.start.total_cmp(&b.start).then(a.finish.total_cmp(&b.finish))
            });
            for pair in tasks.windows(2) {
                let (first, second) = (pair[0], pair[1]);
                let at = self.slots[second].start;
                if at + slack < self.slots[first].finish {
                    let processor = processor as u32;
                    return Err(Violation::Capacity { processor, first, second, at });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Link, ProblemBuilder, Slot};

    fn chain() -> Problem {
        let mut builder = ProblemBuilder::default();
        builder.processor(0, 0).processor(0, 1);
        let link = Link { latency: 0.0, seconds_per_byte: 1.0 };
        builder.link(0, 1, link).link(1, 0, link);
        builder.task(vec![2.0]);
        builder.task(vec![3.0]);
        builder.edge(0, 1, 4.0);
        builder.build().expect("sound")
    }

    fn schedule(slots: [(u32, f64, f64); 2]) -> Schedule {
        let slot = |(processor, start, finish)| Slot { processor, start, finish };
        Schedule { slots: slots.map(slot).to_vec() }
    }

    #[test]
    fn each_rule_is_held() {
        let problem = chain();
        let check = |slots| schedule(slots).check(&problem);
        assert_eq!(check([(0, 0.0, 2.0), (0, 2.0, 5.0)]), Ok(()));
        assert_eq!(check([(0, 0.0, 2.0), (1, 6.0, 9.0)]), Ok(()));
        let early = check([(0, 0.0, 2.0), (1, 5.0, 8.0)]);
        assert!(matches!(early, Err(Violation::Precedence { there: 6.0, .. })), "{early:?}");
        let short = check([(0, 0.0, 2.0), (0, 2.0, 4.0)]);
        assert!(matches!(short, Err(Violation::Slot { task: 1, .. })), "{short:?}");
        let nobody = check([(0, 0.0, 2.0), (2, 9.0, 12.0)]);
        assert!(matches!(nobody, Err(Violation::Slot { processor: 2, .. })), "{nobody:?}");
        let none = Schedule::default().check(&problem);
        assert_eq!(none, Err(Violation::Count { slots: 0, tasks: 2 }));
    }

    #[test]
    fn a_processor_runs_one_task_at_a_time() {
        let mut builder = ProblemBuilder::default();
        builder.processor(0, 0);
        builder.task(vec![2.0]);
        builder.task(vec![3.0]);
        let problem = builder.build().expect("sound");
        let both = schedule([(0, 0.0, 2.0), (0, 1.0, 4.0)]).check(&problem);
        assert!(matches!(both, Err(Violation::Capacity { first: 0, second: 1, .. })), "{both:?}");
    }
}
