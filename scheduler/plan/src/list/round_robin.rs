//! Round robin: tasks in the order in which they become ready, processors in turn, whatever the cost.
//!
//! O(tasks × (ready tasks + processors)).

use super::by_priority;
use crate::partial::Partial;
use crate::problem::Problem;
use crate::schedule::Schedule;

pub(crate) fn round_robin(problem: &Problem) -> Schedule {
    let count = problem.processors().len();
    let mut partial = Partial::new(problem);
    let mut turn = 0;
    by_priority(problem, &vec![0.0; problem.len()], |task| {
        let turns = (0..count).map(|step| (turn + step) % count);
        let mut able = turns.filter(|it| problem.seconds(task, *it).is_finite());
        // A problem has a processor for each task.
        let processor = able.next().unwrap_or_default();
        turn = (processor + 1) % count;
        let ready = partial.data_at(task, processor);
        let slot = partial.appended(task, processor, ready);
        partial.place(task, slot);
    });
    partial.into_schedule()
}
