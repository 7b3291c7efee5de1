//! How a gang falls apart as a whole: to start again, or to end.

use drawloom_model::{AttemptId, Failure, FailureKind, JobKey, TaskKey, Time, ToExecutor};

use crate::gang::GangKey;
use crate::scheduler::Scheduler;
use crate::state::Phase;
use crate::{AttemptCause, Commands, Fact, JobEvent, TaskEnd, TaskState};

impl Scheduler {
    pub(in crate::scheduler) fn exceed_gang_timeout(
        &mut self,
        now: Time,
        key: GangKey,
        commands: &mut Commands,
    ) {
        let Some(gang) = self.gang(key) else { return };
        let Some(timeout) = gang.timeout else { return };
        let members = self.unended_members(key);
        if !self.is_assembled(&members) {
            return;
        }
        let rooms = self.rooms(&members, self.free_for(key));
        let why = match self.seats(key, &members, &rooms) {
            Err(Some(shortage)) => format!("{shortage} now"),
            _ => "its turn did not come".to_owned(),
        };
        let message =
            format!("gang {:?} was not placed within its timeout of {timeout:?}: {why}", gang.name);
        let end = TaskEnd::Failed(Failure::new(FailureKind::DeadlineExceeded, message));
        self.counters.gangs_timed_out += 1;
        self.end_together(now, &members, end, commands);
        self.end_job_if_complete(now, key.job, commands);
    }

    /// A member's attempt was given up: so are the others', and the gang starts again as a whole.
    pub(in crate::scheduler) fn disband(
        &mut self,
        now: Time,
        key: TaskKey,
        commands: &mut Commands,
    ) {
        let Some(gang) = self.gang_of(key) else { return };
        self.counters.gangs_disbanded += 1;
        for peer in self.unended_members(gang) {
            let Some(task) = self.state.task(peer) else { continue };
            let Phase::Placed(executor) = task.phase else { continue };
            let attempt = AttemptId { task: peer, number: task.attempt };
            if self.dismiss(attempt) {
                self.send(executor, ToExecutor::Cancel { attempt }, commands);
            }
            self.close_last(now, peer);
            let cause = AttemptCause::Disbanded;
            self.record(Fact::AttemptEnded { task: peer, cause }, commands);
            self.set_state(peer, TaskState::Waiting);
            self.tell_disbanded(now, key, attempt, commands);
            self.make_ready(peer);
        }
    }

    fn tell_disbanded(
        &self,
        now: Time,
        cause: TaskKey,
        attempt: AttemptId,
        commands: &mut Commands,
    ) {
        let Some(job) = self.state.job(cause.job) else { return };
        let message = format!("its gang starts again because {} does", job.describe(cause.index));
        let failure = Failure::new(FailureKind::Upstream, message);
        let AttemptId { task, number } = attempt;
        let (delay, span) = (Default::default(), Box::new(self.last_span(now, task)));
        let (index, attempt) = (task.index, number);
        let event = JobEvent::TaskRetried { task: index, attempt, failure, delay, span };
        self.notify(task.job, event, commands);
    }

    /// How a gang's other members end when one has ended without success.
    pub(in crate::scheduler) fn peer_end(&self, job: JobKey, gang: u32, cause: u32) -> TaskEnd {
        let Some(job) = self.state.job(job) else { return TaskEnd::Cancelled };
        if job.tasks[cause as usize].phase == Phase::Cancelled {
            return TaskEnd::Cancelled;
        }
        let name = job.gangs.get(gang).map_or("", |gang| &gang.name);
        let message = format!("gang {name:?} failed: {} failed", job.describe(cause));
        TaskEnd::Failed(Failure::new(FailureKind::Upstream, message))
    }
}
