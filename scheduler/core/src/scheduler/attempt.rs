//! What becomes of attempts.

use std::time::Duration;

use drawloom_model::{
    AttemptEnd, AttemptId, AttemptSpan, DeviceIndex, ExecutorId, Failure, FailureKind, ObjectKey,
    ObjectReport, Outcome, ReplicaPlace, ResourceRequest, TaskKey, Time, ToExecutor,
};
use smallvec::SmallVec;

use super::Scheduler;
use crate::cluster::Active;
use crate::state::Phase;
use crate::timers::Timer;
use crate::{AttemptCause, Commands, Fact, JobEvent, TaskEnd, TaskState};

/// What an attempt that succeeded has made.
struct Made {
    executor: ExecutorId,
    /// The device in whose memory it is.
    device: Option<DeviceIndex>,
    reports: SmallVec<[ObjectReport; 1]>,
}

impl Scheduler {
    pub(super) fn on_attempt_started(
        &mut self,
        now: Time,
        executor: ExecutorId,
        attempt: AttemptId,
        commands: &mut Commands,
    ) {
        let key = attempt.task;
        if !self.is_current(executor, attempt) {
            return;
        }
        let Some(soft) = self.soft.task_mut(key) else { return };
        if let Some(last) = &mut soft.last {
            last.started_at = Some(now);
        }
        if let Some(index) = soft.active {
            self.cluster.mark_started(index);
        }
        self.set_state(key, TaskState::Running);
        self.actor_started(key, executor, commands);
        let started = JobEvent::TaskStarted { task: key.index, attempt: attempt.number, executor };
        self.notify(key.job, started, commands);
    }

    pub(super) fn on_attempt_ended(
        &mut self,
        now: Time,
        executor: ExecutorId,
        end: AttemptEnd,
        commands: &mut Commands,
    ) {
        let AttemptEnd { attempt, outcome, run_time, outputs_on, .. } = end;
        if !self.is_current(executor, attempt) {
            if let Outcome::Succeeded(reports) = &outcome {
                self.release_unwanted(executor, attempt, reports.len(), commands);
            }
            self.depart(executor, attempt, run_time);
            self.try_stop(executor, commands);
            return;
        }
        let key = attempt.task;
        let Some(active) = self.unplace(key) else { return };
        self.charge(&active, run_time);
        if let Some(entry) = self.cluster.executor_mut(executor) {
            entry.tasks_ended += 1;
        }
        if let Some(last) = self.soft.task_mut(key).and_then(|soft| soft.last.as_mut()) {
            last.ended_at = Some(now);
            last.run_time = run_time;
        }
        match outcome {
            Outcome::Succeeded(reports) => {
                if !active.lasting {
                    self.learn(key, &active, run_time, &reports);
                }
                let made = Made { executor, device: outputs_on, reports };
                self.succeed(now, key, made, commands);
            }
            Outcome::Failed(failure) => self.fail_attempt(now, key, failure, commands),
            Outcome::Cancelled => self.give_back(now, key, commands),
        }
        self.settle();
        self.promote(executor);
        self.end_job_if_complete(now, key.job, commands);
        self.try_stop(executor, commands);
    }

    pub(super) fn on_attempt_recalled(
        &mut self,
        now: Time,
        executor: ExecutorId,
        attempt: AttemptId,
        commands: &mut Commands,
    ) {
        if !self.is_current(executor, attempt) {
            self.depart(executor, attempt, Duration::ZERO);
            self.try_stop(executor, commands);
            return;
        }
        self.unplace(attempt.task);
        self.give_back(now, attempt.task, commands);
        self.promote(executor);
        self.try_stop(executor, commands);
    }

    /// Whether the executor's word about the attempt still counts.
    pub(super) fn is_current(&self, executor: ExecutorId, attempt: AttemptId) -> bool {
        self.state.task(attempt.task).is_some_and(|task| {
            task.attempt == attempt.number && task.phase == Phase::Placed(executor)
        })
    }

    /// An attempt made outputs although its task had ended or parted from it: nobody else lets go
    /// of them.
    fn release_unwanted(
        &mut self,
        executor: ExecutorId,
        attempt: AttemptId,
        outputs: usize,
        commands: &mut Commands,
    ) {
        let Some(task) = self.state.task(attempt.task) else { return };
        let (job, first) = (attempt.task.job, task.first_output);
        if task.phase == Phase::Placed(executor) {
            return; // A newer attempt may be making the same objects there.
        }
        let made = (first..).take(outputs).map(|index| ObjectKey { job, index });
        let objects: Vec<_> =
            made.filter(|object| !self.cluster.holds(executor, *object)).collect();
        if !objects.is_empty() {
            // At once: a newer attempt may follow in the same round.
            self.send(executor, ToExecutor::Release { objects }, commands);
        }
    }

    /// An attempt that ended for us earlier is off its executor now.
    fn depart(&mut self, executor: ExecutorId, attempt: AttemptId, run_time: Duration) {
        let Some(index) = self.departing.get(&attempt).copied() else { return };
        let on_it = |active: &Active| active.executor == executor;
        if !self.cluster.active(index).is_some_and(on_it) {
            return;
        }
        self.departing.remove(&attempt);
        if let Some(active) = self.finish(index) {
            self.charge(&active, run_time);
        }
        self.promote(executor);
    }

    /// Counts what an attempt used, however it ended.
    fn charge(&mut self, active: &Active, run_time: Duration) {
        let busy = run_time.as_secs_f64() * self.request_of(active).cpu_milli as f64 / 1e3;
        if let Some(entry) = self.cluster.executor_mut(active.executor) {
            entry.busy_core_seconds += busy;
        }
    }

    pub(super) fn finish(&mut self, index: crate::cluster::ActiveIndex) -> Option<Active> {
        let active = self.cluster.active(index)?;
        let (id, attempt) = (active.class, active.attempt);
        if self.classes.get(id).is_call() {
            self.callees.depart(attempt);
        }
        let active = self.cluster.active(index)?;
        let request = &self.classes.get(id).variants[usize::from(active.variant)].request;
        self.capacity_came_back = true;
        let finished = self.cluster.finish(index, request);
        self.classes.release(id);
        if let Some(active) = &finished {
            self.expect_nothing(active);
        }
        finished
    }

    /// Nothing more is expected of an attempt that was to make its outputs on a device.
    fn expect_nothing(&mut self, active: &Active) {
        let Some(job) = self.state.job(active.attempt.task.job) else { return };
        let outputs = job.outputs_of(active.attempt.task.index);
        if active.devices.is_empty() {
            return;
        }
        if let Some(executor) = self.cluster.executor_mut(active.executor) {
            for object in outputs.filter(|object| !executor.held.contains_key(object)) {
                executor.near.forget(object);
            }
        }
    }

    pub(super) fn request_of(&self, active: &Active) -> &ResourceRequest {
        &self.classes.get(active.class).variants[usize::from(active.variant)].request
    }

    /// Takes the task's attempt off its executor.
    fn unplace(&mut self, key: TaskKey) -> Option<Active> {
        let index = self.soft.task_mut(key)?.active.take()?;
        self.withdraw_edges(key);
        self.finish(index)
    }

    /// The task's successors have one predecessor fewer on executors.
    pub(super) fn withdraw_edges(&mut self, key: TaskKey) {
        let Some(job) = self.state.job(key.job) else { return };
        let Some(soft) = self.soft.job_mut(key.job) else { return };
        for next in job.successors(key.index) {
            soft.tasks[next as usize].placed_edges -= 1;
        }
    }

    fn succeed(&mut self, now: Time, key: TaskKey, made: Made, commands: &mut Commands) {
        let Made { executor, device, reports } = made;
        let Some(job) = self.state.job(key.job) else { return };
        let expected = job.template_of(key.index).outputs;
        if reports.len() != usize::from(expected) {
            let message = format!("made {} object(s) instead of {expected}", reports.len());
            let failure = Failure::new(FailureKind::Application, message);
            return self.fail_attempt(now, key, failure, commands);
        }
        let first = job.tasks[key.index as usize].first_output;
        for (place, report) in reports.iter().enumerate() {
            let object = ObjectKey { job: key.job, index: first + place as u32 };
            self.cluster.add_replica(object, executor, report.size_bytes());
            if let (Some(device), ObjectReport::Stored { .. }) = (device, report)
                && let Some(holder) = self.cluster.executor_mut(executor)
            {
                holder.move_replica(object, ReplicaPlace::Device(device));
            }
        }
        self.end_task(key, TaskEnd::Succeeded(reports), commands);
    }

    /// Records a final state and tells the watchers.
    pub(super) fn end_task(&mut self, key: TaskKey, end: TaskEnd, commands: &mut Commands) {
        let (state, failure) = match &end {
            TaskEnd::Succeeded(_) => (TaskState::Succeeded, None),
            TaskEnd::Failed(failure) => (TaskState::Failed, Some(failure.clone())),
            TaskEnd::Cancelled => (TaskState::Cancelled, None),
        };
        self.record(Fact::TaskEnded { task: key, end }, commands);
        self.set_state(key, state);
        self.clear_timers_of(key);
        self.callees.note_change(key);
        let attempt = self.state.task(key).map_or(0, |task| task.attempt);
        let last = self.soft.task(key).and_then(|soft| soft.last);
        let ended = JobEvent::TaskEnded {
            task: key.index,
            attempt,
            executor: last.map(|last| last.executor),
            state,
            failure,
            run_time: last.map_or_else(Default::default, |last| last.run_time),
        };
        self.notify(key.job, ended, commands);
        self.end_waits(key, commands);
    }

    /// The current attempt, already off its executor, failed: another follows, or the task ends.
    pub(super) fn fail_attempt(
        &mut self,
        now: Time,
        key: TaskKey,
        failure: Failure,
        commands: &mut Commands,
    ) {
        let Some(job) = self.state.job(key.job) else { return };
        let task = &job.tasks[key.index as usize];
        let policy = job.template_of(key.index).retry;
        if self.was_stopped(key, &failure) {
            return self.end_task(key, TaskEnd::Succeeded(SmallVec::new()), commands);
        }
        if !policy.on.contains(failure.kind) || task.retries >= policy.max_retries {
            self.end_unsuccessfully(now, key, TaskEnd::Failed(failure), commands);
            return;
        }
        let (attempt, delay) = (task.attempt, policy.backoff.delay(task.retries + 1));
        let span = Box::new(self.last_span(now, key));
        let cause = AttemptCause::Failed(failure.clone());
        self.record(Fact::AttemptEnded { task: key, cause }, commands);
        self.take_back_followers(key, commands);
        self.set_state(key, TaskState::Waiting);
        if let Some(soft) = self.soft.task_mut(key) {
            soft.delayed = true;
        }
        self.timers.set(now + delay, Timer::BackoffOver(key));
        self.counters.retries += 1;
        let retried = JobEvent::TaskRetried { task: key.index, attempt, failure, delay, span };
        self.notify(key.job, retried, commands);
        self.disband(now, key, commands);
    }

    /// Where and when the task's last attempt was, which has ended by now.
    pub(super) fn last_span(&self, now: Time, key: TaskKey) -> AttemptSpan {
        let since = self.soft.job(key.job).map_or(Time::ZERO, |job| job.submitted_at);
        let Some(last) = self.soft.task(key).and_then(|soft| soft.last) else {
            return AttemptSpan::default();
        };
        let ended = last.ended_at.unwrap_or(now).since(since);
        // A lost executor cannot tell how long the attempt ran.
        let started = match last.ended_at {
            Some(_) => ended.saturating_sub(last.run_time),
            None => last.started_at.map_or(ended, |started_at| started_at.since(since)),
        };
        let placed = last.placed_at.since(since);
        AttemptSpan { executor: Some(last.executor), placed, started, ended }
    }

    /// The current attempt, already off its executor, never ran: the task waits for another.
    pub(super) fn give_back(&mut self, now: Time, key: TaskKey, commands: &mut Commands) {
        let fact = Fact::AttemptEnded { task: key, cause: AttemptCause::Recalled };
        self.record(fact, commands);
        self.set_state(key, TaskState::Waiting);
        self.take_back_followers(key, commands);
        self.disband(now, key, commands);
        self.make_ready(key);
    }

    /// An attempt was given up: attempts sent ahead to wait for it have been dropped by their
    /// executor, or are told to be.
    fn take_back_followers(&mut self, key: TaskKey, commands: &mut Commands) {
        let mut stack = vec![key];
        while let Some(key) = stack.pop() {
            let Some(job) = self.state.job(key.job) else { return };
            let followers: Vec<u32> = job
                .successors(key.index)
                .filter(|next| matches!(job.tasks[*next as usize].phase, Phase::Placed(_)))
                .collect();
            for index in followers {
                let follower = TaskKey { job: key.job, index };
                let still_placed =
                    |task: &crate::state::Task| matches!(task.phase, Phase::Placed(_));
                if !self.state.task(follower).is_some_and(still_placed) {
                    continue; // Reached twice, by two edges.
                }
                self.unplace(follower);
                let cause = AttemptCause::Recalled;
                self.record(Fact::AttemptEnded { task: follower, cause }, commands);
                self.set_state(follower, TaskState::Waiting);
                stack.push(follower);
            }
        }
    }
}
