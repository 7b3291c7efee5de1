//! Draining: an executor is emptied of work and of objects that nobody else holds, then stopped.

use drawloom_model::{AttemptId, ExecutorId, ObjectKey, ObjectReport, ToExecutor};

use super::Scheduler;
use crate::{Commands, Refusal, Reply};

impl Scheduler {
    pub(super) fn on_drain_requested(
        &mut self,
        executor: ExecutorId,
        commands: &mut Commands,
    ) -> Result<Reply, Refusal> {
        if self.cluster.executor(executor).is_none() {
            return Err(Refusal::UnknownExecutor { executor });
        }
        self.drain(executor, commands);
        Ok(Reply::Draining)
    }

    /// Gives the executor nothing more and takes back what it has not started. A gang's members
    /// start on arrival, so they count as started.
    pub(super) fn drain(&mut self, executor: ExecutorId, commands: &mut Commands) {
        let Some(entry) = self.cluster.executor(executor) else { return };
        if entry.draining {
            return;
        }
        self.classes.leave(executor);
        self.cluster.close_for_drain(executor);
        let waiting: Vec<AttemptId> = self
            .cluster
            .actives_on(executor)
            .filter(|active| !active.started && !active.recalled)
            .map(|active| active.attempt)
            .filter(|attempt| !self.departing.contains_key(attempt))
            .filter(|attempt| self.gang_of(attempt.task).is_none())
            .collect();
        for attempt in waiting {
            self.recall(executor, attempt, commands);
        }
        self.move_actors(executor, commands);
        self.try_stop(executor, commands);
    }

    /// Moves objects off a draining executor that has no more work, and stops it when none is
    /// left.
    pub(super) fn try_stop(&mut self, executor: ExecutorId, commands: &mut Commands) {
        let Some(entry) = self.cluster.executor(executor) else { return };
        if !entry.draining || entry.stopped || entry.outstanding > 0 {
            return;
        }
        let stranded: Vec<ObjectKey> =
            entry.held.keys().copied().filter(|object| self.is_stranded(*object)).collect();
        let address = entry.address.clone();
        let target = self
            .cluster
            .executors()
            .filter(|other| !other.draining)
            .min_by_key(|other| (other.load_nanos(), other.id))
            .map(|other| other.id);
        let left: Vec<ObjectKey> = stranded
            .into_iter()
            .filter(|object| self.evacuation(executor, *object) != Some(None))
            .collect();
        let (Some(target), false) = (target, left.is_empty()) else {
            if let Some(entry) = self.cluster.executor_mut(executor) {
                entry.stopped = true;
            }
            self.send(executor, ToExecutor::Stop, commands);
            return;
        };
        for object in left {
            if self.evacuation(executor, object).is_some() {
                continue;
            }
            if let Some(entry) = self.cluster.executor_mut(executor) {
                entry.evacuating.insert(object, Some(target));
            }
            let sources = [address.clone()].into_iter().collect();
            self.send(target, ToExecutor::Replicate { object, sources }, commands);
        }
    }

    pub(super) fn retry_stops(&mut self, commands: &mut Commands) {
        let draining: Vec<ExecutorId> = self
            .cluster
            .executors()
            .filter(|executor| executor.draining && !executor.stopped)
            .map(|executor| executor.id)
            .collect();
        for executor in draining {
            self.try_stop(executor, commands);
        }
    }

    /// A copy could not be made where it was wanted: the object goes with its executor.
    pub(super) fn abandon_evacuation(&mut self, object: ObjectKey, target: ExecutorId) {
        let draining: Vec<ExecutorId> = self.cluster.holders(object).to_vec();
        for executor in draining {
            let entry = self.cluster.executor_mut(executor);
            if let Some(wanted) = entry.and_then(|entry| entry.evacuating.get_mut(&object))
                && *wanted == Some(target)
            {
                *wanted = None;
            }
        }
    }

    /// Copies that a lost executor was to make are asked of another.
    pub(super) fn forget_evacuations_to(&mut self, lost: ExecutorId) {
        let draining: Vec<ExecutorId> = self
            .cluster
            .executors()
            .filter(|executor| executor.draining)
            .map(|executor| executor.id)
            .collect();
        for executor in draining {
            if let Some(entry) = self.cluster.executor_mut(executor) {
                entry.evacuating.retain(|_, target| *target != Some(lost));
            }
        }
    }

    /// Who was told to fetch an object, if anyone was; `None` inside once that failed.
    fn evacuation(&self, executor: ExecutorId, object: ObjectKey) -> Option<Option<ExecutorId>> {
        self.cluster.executor(executor)?.evacuating.get(&object).copied()
    }

    /// Whether the object exists on draining executors only.
    fn is_stranded(&self, object: ObjectKey) -> bool {
        let stored = matches!(self.state.report(object), Some(ObjectReport::Stored { .. }));
        let holders = self.cluster.holders(object).iter();
        stored
            && holders
                .filter_map(|holder| self.cluster.executor(*holder))
                .all(|holder| holder.draining)
    }
}
