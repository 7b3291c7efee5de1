//! What happens when a deadline has come.

use drawloom_model::{ExecutorId, Time};

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
                Timer::HeartbeatCheck => self.check_heartbeats(now, due, commands),
            }
        }
    }

    fn check_heartbeats(&mut self, now: Time, due: Time, commands: &mut Commands) {
        let timeout = self.config.heartbeat_timeout;
        if now.since(due) > timeout / 2 {
            // It was us who did not listen: what executors said meanwhile is still to come.
            self.timers.set(now + timeout / 2, Timer::HeartbeatCheck);
            return;
        }
        let silent: Vec<ExecutorId> = self
            .cluster
            .executors()
            .filter(|executor| executor.last_heard + timeout <= now)
            .map(|executor| executor.id)
            .collect();
        for executor in silent {
            commands.push(Command::Disconnect { executor });
            self.on_executor_lost(now, executor, commands);
        }
        if let Some(last) = self.cluster.executors().map(|executor| executor.last_heard).min() {
            self.timers.set(last + timeout, Timer::HeartbeatCheck);
        }
    }
}
