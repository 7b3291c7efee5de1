//! Who waits for the ends of tasks.

use std::collections::BTreeMap;

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
    /// How many of the tasks, counted as often as they were named, have not ended.
    pending: usize,
}

/// Everyone who waits, found by task.
#[derive(Default, Debug)]
pub struct Waits {
    waits: BTreeMap<u64, Wait>,
    of_task: BTreeMap<TaskKey, Vec<u64>>,
    next: u64,
}

impl Waits {
    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Someone waits for those of the tasks that have not ended, at least one.
    pub fn add(
        &mut self,
        request: RequestId,
        job: JobKey,
        tasks: Vec<u32>,
        waiter: Option<AttemptId>,
        has_ended: impl Fn(u32) -> bool,
    ) {
        let id = self.next;
        self.next += 1;
        let mut pending = 0;
        for index in tasks.iter().copied().filter(|task| !has_ended(*task)) {
            self.of_task.entry(TaskKey { job, index }).or_default().push(id);
            pending += 1;
        }
        self.waits.insert(id, Wait { request, job, tasks, waiter, pending });
    }

    /// A task has ended: those who waited for nothing else now.
    pub fn task_ended(&mut self, task: TaskKey) -> Vec<Wait> {
        let mut over = Vec::new();
        for id in self.of_task.remove(&task).unwrap_or_default() {
            let Some(wait) = self.waits.get_mut(&id) else { continue };
            wait.pending -= 1;
            if wait.pending == 0 {
                over.extend(self.waits.remove(&id));
            }
        }
        over
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
        waits.add(RequestId(1), job, vec![0, 2, 2], None, |task| task == 0);
        waits.add(RequestId(2), job, vec![2, 3], None, |_| false);
        assert_eq!(waits.task_ended(task(9)), []);
        let over: Vec<_> = waits.task_ended(task(2)).iter().map(|wait| wait.request).collect();
        assert_eq!(over, [RequestId(1)]);
        assert_eq!(waits.task_ended(task(3)).len(), 1);
        assert!(waits.is_empty() && waits.of_task.is_empty());
    }
}
