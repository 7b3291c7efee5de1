//! What happens when a deadline has come.

use drawloom_model::{ExecutorId, TaskKey, Time};

use super::Scheduler;
use crate::timers::Timer;
use crate::{Command, Commands};

impl Scheduler {
    pub(super) fn fire_timers(&mut self, now: Time, commands: &mut Commands) {
        while let Some((due, timer)) = self.timers.pop_due(now) {
            match timer {
                Timer::BackoffOver(task) => self.end_backoff(task),
                Timer::TaskDeadline(task) => self.exceed_deadline(now, task, commands),
                Timer::JobDeadline(job) => self.exceed_job_deadline(now, job, commands),
                Timer::GangTimeout(gang) => self.exceed_gang_timeout(now, gang, commands),
                Timer::HeartbeatCheck => self.check_heartbeats(now, due, commands),
            }
        }
    }

    /// The task has ended: nothing becomes due for it any more.
    pub(super) fn clear_timers_of(&mut self, task: TaskKey) {
        let Some(job) = self.state.job(task.job) else { return };
        if job.template_of(task.index).deadline.is_some() {
            self.timers.clear(Timer::TaskDeadline(task));
        }
        if job.tasks[task.index as usize].retries > 0 {
            self.timers.clear(Timer::BackoffOver(task));
        }
    }

    fn check_heartbeats(&mut self, now: Time, due: Time, commands: &mut Commands) {
        let timeout = self.config.heartbeat_timeout;
        if now.since(due) > timeout / 2 {
            // It was us who did not listen: what executors said meanwhile is still to come.
            self.timers.set(now + timeout / 2, Timer::HeartbeatCheck);
            return;
        }
        let silent = self.cluster.executors().filter(|e| e.last_heard + timeout <= now);
        let silent: Vec<ExecutorId> = silent.map(|executor| executor.id).collect();
        let mut next = None;
        for executor in silent {
            let Some(entry) = self.cluster.executor_mut(executor) else { continue };
            // Silent twice with nothing heard in between: after the first time, what had come
            // but not been handed over yet has its chance.
            if std::mem::replace(&mut entry.doubted, true) {
                commands.push(Command::Disconnect { executor });
                self.on_executor_lost(now, executor, commands);
            } else {
                next = Some(now + timeout / 4);
            }
        }
        let heard = self.cluster.executors().filter(|executor| !executor.doubted);
        let due = heard.map(|executor| executor.last_heard + timeout).min();
        if let Some(at) = next.into_iter().chain(due).min() {
            self.timers.set(at, Timer::HeartbeatCheck);
        }
    }
}
