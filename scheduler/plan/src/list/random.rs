//! Random: tasks in a random order that their needs allow, each on any processor that can run it.
//!
//! What every other policy must beat. O(tasks × processors).

use super::by_priority;
use crate::partial::Partial;
use crate::problem::Problem;
use crate::schedule::Schedule;

pub(crate) fn random(problem: &Problem, seed: u64) -> Schedule {
    let mut random = fastrand::Rng::with_seed(seed);
    let priority: Vec<f64> = (0..problem.len()).map(|_| random.f64()).collect();
    let mut partial = Partial::new(problem);
    by_priority(problem, &priority, |task| {
        let processors = 0..problem.processors().len();
        let able: Vec<usize> =
            processors.filter(|it| problem.seconds(task, *it).is_finite()).collect();
        let processor = able[random.usize(..able.len())];
        let ready = partial.data_at(task, processor);
        let slot = partial.appended(task, processor, ready);
        partial.place(task, slot);
    });
    partial.into_schedule()
}
