//! Who waits for the ends of tasks.

use std::collections::{BTreeMap, BTreeSet};

use drawloom_model::{AttemptId, JobKey, RequestId, TaskKey};

/// Someone who waits for tasks of one job.
#[derive(Clone, PartialEq, Debug)]
pub struct Wait {
    /// Whom to answer.
    pub request: RequestId,
    /// The job.
    pub job: JobKey,
    /// The tasks, in the order of asking.
    pub tasks: Vec<u32>,
    /// The attempt that does nothing meanwhile, where one waits.
    pub waiter: Option<AttemptId>,
    /// The tasks that go no further meanwhile: the waiter's, and its actor where it is a call.
    held_up: Vec<TaskKey>,
    /// How many of the tasks, counted as often as they were named, have not ended.
    pending: usize,
}

/// Everyone who waits, found by task.
#[derive(Default, Debug)]
pub struct Waits {
    waits: BTreeMap<u64, Wait>,
    of_task: BTreeMap<TaskKey, Vec<u64>>,
    holding_up: BTreeMap<TaskKey, BTreeSet<u64>>,
    next: u64,
}

impl Waits {
    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Someone waits for those of the tasks that have not ended, at least one. Where it is an
    /// attempt, `held_up` are the tasks that go no further meanwhile.
    pub fn add(
        &mut self,
        request: RequestId,
        (job, tasks): (JobKey, Vec<u32>),
        waiter: Option<AttemptId>,
        held_up: Vec<TaskKey>,
        has_ended: impl Fn(u32) -> bool,
    ) {
        let id = self.next;
        self.next += 1;
        let mut pending = 0;
        for index in tasks.iter().copied().filter(|task| !has_ended(*task)) {
            self.of_task.entry(TaskKey { job, index }).or_default().push(id);
            pending += 1;
        }
        for task in &held_up {
            self.holding_up.entry(*task).or_default().insert(id);
        }
        self.waits.insert(id, Wait { request, job, tasks, waiter, held_up, pending });
    }

    /// The attempts for which a task goes no further, and the tasks that they wait for.
    pub fn holding_up(&self, task: TaskKey) -> impl Iterator<Item = (AttemptId, TaskKey)> + '_ {
        let waits = self.holding_up.get(&task).into_iter().flatten();
        let waits = waits.filter_map(|id| self.waits.get(id));
        waits.flat_map(|wait| {
            let tasks = wait.tasks.iter().map(|index| TaskKey { job: wait.job, index: *index });
            wait.waiter
                .into_iter()
                .flat_map(move |attempt| tasks.clone().map(move |t| (attempt, t)))
        })
    }

    /// A task has ended: those who waited for nothing else now.
    pub fn task_ended(&mut self, task: TaskKey) -> Vec<Wait> {
        let mut over = Vec::new();
        for id in self.of_task.remove(&task).unwrap_or_default() {
            let Some(wait) = self.waits.get_mut(&id) else { continue };
            wait.pending -= 1;
            if wait.pending == 0 {
                over.extend(self.remove(id));
            }
        }
        over
    }

    fn remove(&mut self, id: u64) -> Option<Wait> {
        let wait = self.waits.remove(&id)?;
        for task in &wait.held_up {
            if let Some(ids) = self.holding_up.get_mut(task) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.holding_up.remove(task);
                }
            }
        }
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_over_with_the_last_of_its_tasks() {
        let mut waits = Waits::default();
        let job = JobKey::default();
        let task = |index| TaskKey { job, index };
        waits.add(RequestId(1), (job, vec![0, 2, 2]), None, vec![], |task| task == 0);
        waits.add(RequestId(2), (job, vec![2, 3]), None, vec![], |_| false);
        assert_eq!(waits.task_ended(task(9)), []);
        let over: Vec<_> = waits.task_ended(task(2)).iter().map(|wait| wait.request).collect();
        assert_eq!(over, [RequestId(1)]);
        assert_eq!(waits.task_ended(task(3)).len(), 1);
        assert!(waits.is_empty() && waits.of_task.is_empty());
    }

    #[test]
    fn what_is_held_up_by_an_attempt_is_known_while_it_waits() {
        let mut waits = Waits::default();
        let job = JobKey::default();
        let task = |index| TaskKey { job, index };
        let attempt = AttemptId { task: task(5), number: 1 };
        let (call, actor) = (task(5), task(6));
        waits.add(RequestId(1), (job, vec![2, 3]), Some(attempt), vec![call, actor], |_| false);
        for held_up in [call, actor] {
            let found: Vec<_> = waits.holding_up(held_up).collect();
            assert_eq!(found, [(attempt, task(2)), (attempt, task(3))]);
        }
        assert_eq!(waits.holding_up(task(2)).count(), 0);
        waits.task_ended(task(2));
        waits.task_ended(task(3));
        assert!(waits.is_empty() && waits.holding_up.is_empty());
    }
}
