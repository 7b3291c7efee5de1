//! Waiting for tasks; what an attempt that waits gives up meanwhile, and how it gets it back.

use std::collections::BTreeSet;

use drawloom_model::{AttemptId, ExecutorId, JobId, JobKey, TaskKey, ToExecutor};

use super::Scheduler;
use crate::waits::Wait;
use crate::{Commands, Refusal, Reply};

impl Scheduler {
    /// Registers someone who waits; `None` when the answer comes later.
    pub(super) fn on_wait_requested(
        &mut self,
        request: drawloom_model::RequestId,
        id: JobId,
        tasks: Vec<u32>,
        waiter: Option<(u32, u32)>,
        commands: &mut Commands,
    ) -> Result<Option<Reply>, Refusal> {
        let key = self.state.job_key(id).ok_or(Refusal::UnknownJob { job: id })?;
        let Some(job) = self.state.job(key) else { return Err(Refusal::UnknownJob { job: id }) };
        let count = job.tasks.len() as u32;
        if let Some(unknown) = tasks.iter().find(|task| **task >= count) {
            let last = i64::from(count) - 1;
            return Err(Refusal::UnknownTask { job: id, task: *unknown, last });
        }
        let waiter = waiter.map(|waiter| self.check_waiter(id, key, waiter, &tasks)).transpose()?;
        let has_ended = |task: u32| job.tasks[task as usize].phase.is_final();
        if tasks.iter().all(|task| has_ended(*task)) {
            return Ok(Some(self.ends_of(key, &tasks)));
        }
        let held_up = waiter.map_or_else(Vec::new, |waiter| self.held_up_by(waiter));
        self.waits.add(request, (key, tasks), waiter, held_up, has_ended);
        if let Some(attempt) = waiter {
            self.suspend(attempt, commands);
        }
        Ok(None)
    }

    /// The attempt that wants to wait: it must run, and not be needed by what it waits for.
    fn check_waiter(
        &self,
        id: JobId,
        key: JobKey,
        (task, number): (u32, u32),
        tasks: &[u32],
    ) -> Result<AttemptId, Refusal> {
        let attempt = AttemptId { task: TaskKey { job: key, index: task }, number };
        if self.active_of(attempt).is_none() {
            return Err(Refusal::NotRunning { job: id, task, attempt: number });
        }
        let held_up = self.held_up_by(attempt);
        let mut stack: Vec<TaskKey> =
            tasks.iter().map(|index| TaskKey { job: key, index: *index }).collect();
        let mut seen: BTreeSet<TaskKey> = stack.iter().copied().collect();
        while let Some(needed) = stack.pop() {
            if held_up.contains(&needed) {
                return Err(Refusal::WaitsForItself { job: id, task });
            }
            stack.extend(self.needs_of(needed).into_iter().filter(|task| seen.insert(*task)));
        }
        Ok(attempt)
    }

    /// The tasks that go no further while an attempt waits: its own, and the actor that it is a
    /// call of, which serves nothing else meanwhile.
    fn held_up_by(&self, attempt: AttemptId) -> Vec<TaskKey> {
        std::iter::once(attempt.task).chain(self.callee(attempt.task)).collect()
    }

    /// The tasks that have to end, or to go further, before a task can end.
    fn needs_of(&self, needed: TaskKey) -> Vec<TaskKey> {
        let open = |task: &TaskKey| self.state.task(*task).is_some_and(|it| !it.phase.is_final());
        let Some(job) = self.state.job(needed.job).filter(|_| open(&needed)) else {
            return Vec::new();
        };
        let before = job.predecessors(needed.index);
        let before = before.map(|index| TaskKey { job: needed.job, index });
        // A gang's members start together, so each waits for what the others need.
        let peers = self.gang_of(needed).map(|gang| self.unended_members(gang));
        let waits = self.waits.holding_up(needed);
        let waits = waits.filter(|(attempt, _)| self.active_of(*attempt).is_some());
        before
            .chain(peers.unwrap_or_default())
            .chain(self.callee(needed))
            .chain(waits.map(|(_, task)| task))
            .filter(open)
            .collect()
    }

    /// The place of an attempt that is current.
    fn active_of(&self, attempt: AttemptId) -> Option<(ExecutorId, crate::cluster::ActiveIndex)> {
        let index = self.soft.task(attempt.task)?.active?;
        let executor = self.cluster.active(index)?.executor;
        self.is_current(executor, attempt).then_some((executor, index))
    }

    fn suspend(&mut self, attempt: AttemptId, commands: &mut Commands) {
        let Some((executor, index)) = self.active_of(attempt) else { return };
        let Some(active) = self.cluster.active(index) else { return };
        let request = self.request_of(active).clone();
        if self.cluster.suspend(index, &request) {
            self.send(executor, ToExecutor::Suspend { attempt }, commands);
            self.promote(executor);
        }
    }

    /// A task has ended: whoever waited for it alone goes on.
    pub(super) fn end_waits(&mut self, task: TaskKey, commands: &mut Commands) {
        if self.waits.is_empty() {
            return;
        }
        for wait in self.waits.task_ended(task) {
            self.end_wait(wait, commands);
        }
    }

    fn end_wait(&mut self, wait: Wait, commands: &mut Commands) {
        let suspended = wait.waiter.and_then(|attempt| {
            let (executor, index) = self.active_of(attempt)?;
            let active = self.cluster.active(index)?;
            active.suspended.then_some((attempt, executor, index))
        });
        let Some((attempt, executor, index)) = suspended else {
            let reply = self.ends_of(wait.job, &wait.tasks);
            return self.answer(wait.request, Ok(reply), commands);
        };
        self.resuming.entry(attempt).or_default().push(wait);
        self.cluster.want_cores_again(index);
        self.promote(executor);
    }

    /// Suspended attempts whose cores are free again go on.
    pub(super) fn flush_resumes(&mut self, commands: &mut Commands) {
        for (executor, attempt) in self.cluster.take_resumed() {
            if self.active_of(attempt).is_none() {
                continue; // Ended in the same round.
            }
            self.send(executor, ToExecutor::Resume { attempt }, commands);
        }
    }

    /// An attempt has its cores, or is gone: those that it waited for are told.
    pub(super) fn on_attempt_resumed(&mut self, attempt: AttemptId, commands: &mut Commands) {
        for wait in self.resuming.remove(&attempt).unwrap_or_default() {
            let reply = self.ends_of(wait.job, &wait.tasks);
            self.answer(wait.request, Ok(reply), commands);
        }
    }

    /// Attempts that are gone wait for nothing more: answers that were held back for them go out.
    pub(super) fn answer_for_the_gone(&mut self, commands: &mut Commands) {
        let gone: Vec<AttemptId> = self
            .resuming
            .keys()
            .filter(|attempt| self.active_of(**attempt).is_none())
            .copied()
            .collect();
        for attempt in gone {
            self.on_attempt_resumed(attempt, commands);
        }
    }

    fn ends_of(&self, key: JobKey, tasks: &[u32]) -> Reply {
        let state = |index: &u32| self.soft.task(TaskKey { job: key, index: *index });
        let states = tasks.iter().filter_map(state).map(|soft| soft.state).collect();
        Reply::TasksEnded { states }
    }
}
