//! The chain of tasks that a job's end waited for.

use std::collections::{BTreeMap, HashMap};

use drawloom_model::Time;

use super::Attempt;

/// What tasks need, by task.
pub(super) type Needs = BTreeMap<u32, Vec<u32>>;

/// The critical path of what happened: the task that ended last, before it the last that it
/// needed, and so on; actors, which end because all else has, are left out. Answers indexes of `attempts`, the first task's first. Tells each attempt,
/// by the way, when all that it needs was there.
pub(super) fn critical_path(attempts: &mut [Attempt], needs: &Needs) -> Vec<usize> {
    let last = last_attempts(attempts);
    let latest_need = |task: u32| {
        let needed = needs.get(&task).into_iter().flatten();
        needed.filter_map(|need| last.get(need).copied()).max_by_key(|(end, index)| (*end, *index))
    };
    for attempt in attempts.iter_mut() {
        if let Some((end, _)) = latest_need(attempt.task) {
            attempt.runnable = attempt.runnable.max(end).min(attempt.start);
        }
    }
    let mut path = Vec::new();
    let mut next = last.values().copied().max();
    while let Some((_, index)) = next {
        path.push(index);
        next = latest_need(attempts[index].task);
    }
    path.reverse();
    path
}

/// The end and the index of each task's last attempt, except actors.
fn last_attempts(attempts: &[Attempt]) -> HashMap<u32, (Time, usize)> {
    let mut last = HashMap::with_capacity(attempts.len());
    for (index, attempt) in attempts.iter().enumerate().filter(|(_, attempt)| !attempt.is_actor) {
        let entry = last.entry(attempt.task).or_insert((attempt.end, index));
        *entry = (*entry).max((attempt.end, index));
    }
    last
}

#[cfg(test)]
pub(super) mod tests {
    use drawloom_model::ExecutorId;

    use super::*;
    use crate::timeline::Outcome;

    pub fn attempt(task: u32, start: u64, end: u64) -> Attempt {
        Attempt {
            task,
            number: 1,
            name: None,
            run: 0,
            executor: ExecutorId(1),
            variant: Some(0),
            cpu_milli: 1000,
            is_actor: false,
            placed: Time::ZERO,
            runnable: Time::ZERO,
            start: Time::from_nanos(start),
            end: Time::from_nanos(end),
            outcome: Outcome::Succeeded,
            failure: None,
        }
    }

    #[test]
    fn it_goes_back_from_the_last_task_by_what_it_waited_for() {
        // A diamond with a bystander that ends before the last task does.
        let mut attempts = [
            attempt(0, 0, 5),
            attempt(1, 6, 9),
            attempt(2, 6, 20),
            attempt(4, 1, 24),
            attempt(3, 22, 30),
        ];
        let needs = Needs::from([(1, vec![0]), (2, vec![0]), (3, vec![1, 2])]);
        assert_eq!(critical_path(&mut attempts, &needs), [0, 2, 4]);
        assert_eq!(attempts[4].queue_delay().as_nanos(), 2);
        assert_eq!(attempts[1].queue_delay().as_nanos(), 1);
        assert_eq!(attempts[3].queue_delay().as_nanos(), 1);
    }

    #[test]
    fn tasks_that_never_ran_are_left_out() {
        let mut attempts = [attempt(1, 3, 4)];
        let needs = Needs::from([(1, vec![0])]);
        assert_eq!(critical_path(&mut attempts, &needs), [0]);
        assert_eq!(critical_path(&mut [], &needs), [0_usize; 0]);
    }

    #[test]
    fn an_actor_ends_because_the_others_have() {
        let mut actor = attempt(0, 0, 20);
        actor.is_actor = true;
        let mut attempts = [actor, attempt(1, 1, 9), attempt(2, 10, 12)];
        let needs = Needs::from([(1, vec![0]), (2, vec![1])]);
        assert_eq!(critical_path(&mut attempts, &needs), [1, 2]);
    }

    #[test]
    fn a_failed_attempt_counts_only_until_another_follows() {
        let mut second = attempt(0, 8, 12);
        second.number = 2;
        let mut attempts = [attempt(0, 0, 5), second, attempt(1, 13, 14)];
        let needs = Needs::from([(1, vec![0])]);
        assert_eq!(critical_path(&mut attempts, &needs), [1, 2]);
    }
}
