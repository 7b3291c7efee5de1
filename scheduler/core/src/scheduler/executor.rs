//! Executors come, speak and go.

use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    DeviceCapacity, DeviceIndex, ExecutorId, ExecutorInfo, Failure, FailureKind, FromExecutor,
    ObjectKey, ObjectReport, Time,
};

use super::Scheduler;
use crate::cluster::Active;
use crate::state::Content;
use crate::timers::Timer;
use crate::{Commands, Fact};

impl Scheduler {
    pub(super) fn on_executor_joined(
        &mut self,
        now: Time,
        executor: ExecutorId,
        info: Arc<ExecutorInfo>,
    ) {
        if self.cluster.executors().next().is_none() {
            self.timers.set(now + self.config.heartbeat_timeout, Timer::HeartbeatCheck);
        }
        self.classes.join(executor, &info);
        let devices = info.devices.iter().map(|device| self.costs.class_of(device)).collect();
        self.cluster.join(executor, info, devices, now);
        self.capacity_came_back = true;
    }

    pub(super) fn on_executor_said(
        &mut self,
        now: Time,
        executor: ExecutorId,
        message: FromExecutor,
        commands: &mut Commands,
    ) {
        let Some(entry) = self.cluster.executor_mut(executor) else { return };
        entry.last_heard = now;
        entry.doubted = false;
        match message {
            FromExecutor::Heartbeat => {}
            FromExecutor::DevicesUsed(devices) => {
                if let Some(entry) = self.cluster.executor_mut(executor) {
                    entry.devices_used = devices;
                }
            }
            FromExecutor::Started { attempt } => {
                self.on_attempt_started(now, executor, attempt, commands);
            }
            FromExecutor::Ended(end) => self.on_attempt_ended(now, executor, *end, commands),
            FromExecutor::Recalled { attempt } => {
                self.on_attempt_recalled(now, executor, attempt, commands);
            }
            FromExecutor::Resumed { attempt } => {
                if self.is_current(executor, attempt) {
                    self.on_attempt_resumed(attempt, commands);
                }
            }
            FromExecutor::ReplicaAdded { object, size_bytes, took } => {
                self.on_replica_added(executor, object, size_bytes, took, commands);
            }
            FromExecutor::ReplicaLost { object } => {
                self.on_replica_lost(executor, object, commands);
            }
            FromExecutor::ReplicaMoved { object, place } => entry.move_replica(object, place),
            FromExecutor::Checkpointed { attempt, state } => {
                self.on_checkpointed(executor, attempt, state, commands);
            }
            FromExecutor::DeviceChanged { device, capacity } => {
                self.on_device_changed(executor, device, capacity);
            }
            FromExecutor::DrainRequested => self.drain(executor, commands),
        }
    }

    /// What can run on the executor may be something else now. Attempts that it cannot go on with
    /// it gives back itself.
    fn on_device_changed(
        &mut self,
        executor: ExecutorId,
        device: DeviceIndex,
        offered: DeviceCapacity,
    ) {
        let Some(info) = self.cluster.set_device(executor, device, offered) else { return };
        self.classes.leave(executor);
        if self.cluster.executor(executor).is_some_and(|entry| !entry.draining) {
            self.classes.join(executor, &info);
        }
        self.capacity_came_back = true;
        self.promote(executor);
    }

    fn on_replica_added(
        &mut self,
        executor: ExecutorId,
        object: ObjectKey,
        size_bytes: u64,
        took: Duration,
        commands: &mut Commands,
    ) {
        self.cluster.end_transfer(object, executor);
        self.bandwidth.measured(size_bytes, took);
        self.counters.transfers += 1;
        self.counters.transferred_bytes += size_bytes;
        if self.state.report(object).is_some() {
            self.cluster.add_replica(object, executor, size_bytes);
        } else {
            // Dropped while it was on its way.
            self.releases.entry(executor).or_default().push(object);
        }
        self.retry_stops(commands);
    }

    fn on_replica_lost(
        &mut self,
        executor: ExecutorId,
        object: ObjectKey,
        commands: &mut Commands,
    ) {
        self.cluster.end_transfer(object, executor);
        if self.cluster.remove_replica(object, executor) {
            self.lose_object(object, commands);
        } else {
            self.abandon_evacuation(object, executor);
            self.retry_stops(commands);
        }
    }

    /// The last replica is gone: unless it is inline, so is the object.
    fn lose_object(&mut self, key: ObjectKey, commands: &mut Commands) {
        let is_stored = |content: &Content| {
            let Content::Available(report) = content else { return false };
            matches!(**report, ObjectReport::Stored { .. })
        };
        if self.state.object(key).is_some_and(|object| is_stored(&object.content)) {
            self.record(Fact::ObjectLost { key }, commands);
        }
    }

    pub(super) fn on_executor_lost(
        &mut self,
        now: Time,
        executor: ExecutorId,
        commands: &mut Commands,
    ) {
        self.classes.leave(executor);
        self.releases.remove(&executor);
        self.followed.remove(&executor);
        let Some((attempts, lost)) = self.cluster.leave(executor) else { return };
        // Gangs that waited for the ends of attempts there may start again.
        self.capacity_came_back = true;
        for active in &attempts {
            self.classes.release(active.class);
        }
        self.departing.retain(|attempt, _| {
            attempts.binary_search_by_key(attempt, |active| active.attempt).is_err()
        });
        for object in lost {
            self.lose_object(object, commands);
        }
        for active in attempts.iter().filter(|active| self.classes.get(active.class).is_call()) {
            self.callees.depart(active.attempt);
        }
        // Parted first, so that the end of one does not reach for the attempt of another.
        let current: Vec<&Active> =
            attempts.iter().filter(|active| self.part_from_lost(active)).collect();
        for active in current {
            self.lose_attempt(now, active, commands);
        }
        let mut jobs: Vec<_> = attempts.iter().map(|active| active.attempt.task.job).collect();
        jobs.dedup();
        self.settle();
        for job in jobs {
            self.end_job_if_complete(now, job, commands);
        }
        self.forget_evacuations_to(executor);
        self.retry_stops(commands);
    }

    /// Takes a lost attempt from its task, unless the task has parted from it before.
    fn part_from_lost(&mut self, active: &Active) -> bool {
        let key = active.attempt.task;
        let current = self.is_current(active.executor, active.attempt);
        if current {
            self.withdraw_edges(key);
            if let Some(soft) = self.soft.task_mut(key) {
                soft.active = None;
            }
        }
        current
    }

    fn lose_attempt(&mut self, now: Time, active: &Active, commands: &mut Commands) {
        let key = active.attempt.task;
        if !self.is_current(active.executor, active.attempt) {
            return; // Ended or taken back with a task that it needs.
        }
        if self.classes.get(active.class).is_call() && !active.ahead {
            // Whether it had its effect is not known.
            let message = format!("{} was lost while its actor had the call", active.executor);
            let failure = Failure::new(FailureKind::ActorLost, message);
            self.fail_attempt(now, key, failure, commands);
        } else if active.claimed || active.started {
            let message = format!("{} was lost while it had the attempt", active.executor);
            let failure = Failure::new(FailureKind::ExecutorLost, message);
            self.fail_attempt(now, key, failure, commands);
        } else {
            self.give_back(now, key, commands);
        }
    }
}
