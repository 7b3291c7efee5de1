//! Ends without success: cancellation and failure for good, with all that depends on it.

use drawloom_model::{
    AttemptId, Failure, FailureKind, JobId, JobKey, OnFailure, TaskKey, Time, ToExecutor,
};

use super::Scheduler;
use crate::state::Phase;
use crate::{Commands, Refusal, Reply, TaskEnd, TaskState};

impl Scheduler {
    pub(super) fn on_cancel_requested(
        &mut self,
        now: Time,
        id: JobId,
        tasks: Option<Vec<u32>>,
        commands: &mut Commands,
    ) -> Result<Reply, Refusal> {
        let key = self.state.job_key(id).ok_or(Refusal::UnknownJob { job: id })?;
        let count = self.state.job(key).map_or(0, |job| job.tasks.len() as u32);
        if let Some(unknown) = tasks.iter().flatten().find(|task| **task >= count) {
            let last = i64::from(count) - 1;
            return Err(Refusal::UnknownTask { job: id, task: *unknown, last });
        }
        let before = self.unended(key);
        match tasks {
            Some(tasks) => {
                for index in tasks {
                    let task = TaskKey { job: key, index };
                    self.end_unsuccessfully(now, task, TaskEnd::Cancelled, commands);
                }
            }
            None => self.cancel_job(now, key, commands),
        }
        let cancelled = before - self.unended(key);
        self.settle();
        self.end_job_if_complete(now, key, commands);
        Ok(Reply::Cancelled { tasks: cancelled })
    }

    fn unended(&self, key: JobKey) -> u32 {
        self.state.job(key).map_or(0, |job| job.unended)
    }

    /// Cancels whatever has not ended; a cancelled job takes nothing more.
    fn cancel_job(&mut self, now: Time, key: JobKey, commands: &mut Commands) {
        self.end_all(now, key, TaskEnd::Cancelled, commands);
        if self.state.job(key).is_some_and(|job| !job.sealed) {
            self.record(crate::Fact::JobSealed { key }, commands);
        }
    }

    pub(super) fn end_all(
        &mut self,
        now: Time,
        key: JobKey,
        end: TaskEnd,
        commands: &mut Commands,
    ) {
        let count = self.state.job(key).map_or(0, |job| job.tasks.len() as u32);
        for index in 0..count {
            self.end_one(now, TaskKey { job: key, index }, end.clone(), commands);
        }
        self.settle();
    }

    /// Ends a task without success, and every task that needs it. The caller looks afterwards
    /// whether that ends the job.
    pub(super) fn end_unsuccessfully(
        &mut self,
        now: Time,
        key: TaskKey,
        end: TaskEnd,
        commands: &mut Commands,
    ) {
        self.end_together(now, &[key], end, commands);
    }

    /// Ends tasks of one job without success, with every task that needs one of them and the
    /// other members of their gangs.
    pub(super) fn end_together(
        &mut self,
        now: Time,
        keys: &[TaskKey],
        end: TaskEnd,
        commands: &mut Commands,
    ) {
        let failed = matches!(end, TaskEnd::Failed(_));
        let mut stack: Vec<TaskKey> = Vec::new();
        for key in keys {
            if self.end_one(now, *key, end.clone(), commands) {
                stack.push(*key);
            }
        }
        let Some(key) = stack.first().copied() else { return };
        while let Some(ended) = stack.pop() {
            for (task, end) in self.consequences(ended) {
                if self.end_one(now, task, end, commands) {
                    stack.push(task);
                }
            }
        }
        let give_up = |job: &crate::state::Job| job.options.on_failure == OnFailure::CancelJob;
        if failed && self.state.job(key.job).is_some_and(give_up) {
            self.cancel_job(now, key.job, commands);
        }
        self.settle();
    }

    /// The tasks that end because another did without success, and how.
    fn consequences(&self, ended: TaskKey) -> Vec<(TaskKey, TaskEnd)> {
        let Some(job) = self.state.job(ended.job) else { return Vec::new() };
        let dependents = job.successors(ended.index).map(|index| {
            let end = self.consequence(ended.job, ended.index);
            (TaskKey { job: ended.job, index }, end)
        });
        let mut consequences: Vec<_> = dependents.collect();
        if let Some(gang) = self.gang_of(ended) {
            let peers = self.unended_members(gang).into_iter();
            let end = self.peer_end(ended.job, gang.index, ended.index);
            consequences.extend(peers.map(|peer| (peer, end.clone())));
        }
        consequences
    }

    /// How a task ends that needs one which ended without success.
    pub(super) fn consequence(&self, job: JobKey, cause: u32) -> TaskEnd {
        let Some(job) = self.state.job(job) else { return TaskEnd::Cancelled };
        if job.tasks[cause as usize].phase == Phase::Cancelled {
            return TaskEnd::Cancelled;
        }
        let message = format!("{} failed", job.describe(cause));
        TaskEnd::Failed(Failure::new(FailureKind::Upstream, message))
    }

    /// Ends one task without success; tells whether it had not ended before.
    fn end_one(&mut self, now: Time, key: TaskKey, end: TaskEnd, commands: &mut Commands) -> bool {
        let Some(task) = self.state.task(key) else { return false };
        if task.phase.is_final() {
            return false;
        }
        if let Phase::Placed(executor) = task.phase {
            let attempt = AttemptId { task: key, number: task.attempt };
            if self.dismiss(attempt) {
                self.send(executor, ToExecutor::Cancel { attempt }, commands);
            }
        }
        if let Some(soft) = self.soft.task_mut(key) {
            soft.delayed = false;
        }
        self.close_last(now, key);
        if let Some(gang) = self.gang_of(key) {
            self.forget_waiting(gang);
        }
        self.end_task(key, end, commands);
        true
    }

    /// The task's last attempt counts as ended by now.
    pub(super) fn close_last(&mut self, now: Time, key: TaskKey) {
        if let Some(last) = self.soft.task_mut(key).and_then(|soft| soft.last.as_mut())
            && let Some(started_at) = last.started_at
            && last.ended_at.is_none()
        {
            last.ended_at = Some(now);
            last.run_time = now - started_at;
        }
    }

    /// Parts the task from its attempt, which keeps its claim until its executor says that it is
    /// gone. Tells whether the executor is to be told.
    pub(super) fn dismiss(&mut self, attempt: AttemptId) -> bool {
        let key = attempt.task;
        let Some(index) = self.soft.task_mut(key).and_then(|soft| soft.active.take()) else {
            return false; // Its executor has said so already.
        };
        self.withdraw_edges(key);
        let waits = self.state.task(key).is_some_and(|task| task.unmet > 0);
        if waits {
            // Sent ahead and not runnable: its executor drops it without a word.
            self.finish(index);
        } else {
            self.departing.insert(attempt, index);
        }
        true
    }

    /// Ends tasks whose time is up.
    pub(super) fn exceed_deadline(&mut self, now: Time, key: TaskKey, commands: &mut Commands) {
        let message = "did not end before its deadline";
        let end = TaskEnd::Failed(Failure::new(FailureKind::DeadlineExceeded, message));
        self.end_unsuccessfully(now, key, end, commands);
        self.end_job_if_complete(now, key.job, commands);
    }

    pub(super) fn exceed_job_deadline(&mut self, now: Time, key: JobKey, commands: &mut Commands) {
        let message = "the job did not end before its deadline";
        let end = TaskEnd::Failed(Failure::new(FailureKind::DeadlineExceeded, message));
        self.end_all(now, key, end, commands);
        if self.state.job(key).is_some_and(|job| !job.sealed) {
            self.record(crate::Fact::JobSealed { key }, commands);
            self.settle();
        }
        self.end_job_if_complete(now, key, commands);
    }

    /// A task has waited out its back-off.
    pub(super) fn end_backoff(&mut self, key: TaskKey) {
        let Some(soft) = self.soft.task_mut(key) else { return };
        if soft.state == TaskState::Waiting && std::mem::take(&mut soft.delayed) {
            self.make_ready(key);
        }
    }
}
