//! The durable state: jobs, tasks and objects. [`State::apply`] is the only place where it changes,
//! live and in recovery alike.

mod actors;
mod gangs;
mod job;
mod names;
mod vault;

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds as _};

use drawloom_model::{ExecutorId, JobId, JobKey, ObjectId, ObjectKey, ObjectReport, TaskKey};

pub(crate) use actors::Actor;
pub(crate) use gangs::JobGangs;
pub(crate) use job::{Content, Job, NONE, Object, Phase, Task, fingerprint};
pub(crate) use names::Names;
pub(crate) use vault::Vault;

use crate::{AttemptCause, Fact, TaskEnd};

/// Everything that must survive a crash.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct State {
    slots: Vec<Slot>,
    free_slots: Vec<u32>,
    by_id: BTreeMap<JobId, JobKey>,
    by_token: BTreeMap<Box<str>, JobKey>,
    vault: Vault,
    /// Actors that have not ended, by their names in the cluster.
    actor_names: BTreeMap<Box<str>, TaskKey>,
}

#[derive(Clone, PartialEq, Debug, Default)]
struct Slot {
    generation: u32,
    job: Option<Box<Job>>,
}

/// What a fact brought about, for the soft state to follow.
#[derive(Default, Debug)]
pub(crate) struct Effects {
    /// Tasks whose last unmet dependency was met.
    pub readied: Vec<TaskKey>,
    /// Objects that nothing needs any more.
    pub dropped: Vec<ObjectKey>,
}

impl Effects {
    pub fn clear(&mut self) {
        self.readied.clear();
        self.dropped.clear();
    }
}

impl State {
    /// The state that these facts lead to.
    pub fn recover<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> State {
        let mut state = State::default();
        let mut effects = Effects::default();
        for fact in facts {
            state.apply(fact, &mut effects);
            effects.clear();
        }
        state
    }

    /// Changes the state. A fact about something that is gone changes nothing.
    pub(crate) fn apply(&mut self, fact: &Fact, effects: &mut Effects) {
        match fact {
            Fact::JobAdmitted { key, job, token, graph } => {
                let mut admitted = Job::new(*key, *job, token.clone(), graph);
                admitted.admit(graph, &mut self.vault, effects);
                self.insert(*key, admitted);
                self.name_actors(*key, 0);
            }
            Fact::TasksAdmitted { key, graph } => {
                if let Some(job) = slot_job(&mut self.slots, *key) {
                    job.admit(graph, &mut self.vault, effects);
                }
                self.name_actors(*key, graph.first_task);
            }
            Fact::JobSealed { key } => {
                if let Some(job) = slot_job(&mut self.slots, *key) {
                    job.seal(effects);
                }
            }
            Fact::TaskPlaced { task, executor } => self.place(*task, *executor),
            Fact::GangPlaced { job, placements } => {
                for (index, executor) in placements {
                    self.place(TaskKey { job: *job, index: *index }, *executor);
                }
            }
            Fact::AttemptEnded { task, cause } => self.end_attempt(*task, cause),
            Fact::TaskEnded { task, end } => {
                self.free_actor_name(*task);
                if let Some(job) = slot_job(&mut self.slots, task.job) {
                    job.end_task(task.index, end, &mut self.vault, effects);
                }
            }
            Fact::ActorStopping { task } => {
                if let Some(actor) = self.actor_mut(*task) {
                    actor.stopping = true;
                }
            }
            Fact::ActorCheckpointed { task, state } => {
                if let Some(actor) = self.actor_mut(*task) {
                    actor.checkpoint = Some(state.clone());
                }
            }
            Fact::JobEnded { key } => {
                if let Some(job) = slot_job(&mut self.slots, *key) {
                    job.ended = true;
                }
            }
            Fact::JobForgotten { key } => self.forget(*key, effects),
            Fact::ObjectLost { key } => self.lose(*key),
            Fact::ObjectPut { key, object, report } => {
                self.vault.put(*key, *object, report.clone())
            }
            Fact::ObjectReleased { key } => self.vault.release(*key, effects),
        }
    }

    fn place(&mut self, task: TaskKey, executor: ExecutorId) {
        if let Some(task) = self.task_mut(task) {
            task.attempt += 1;
            task.phase = Phase::Placed(executor);
        }
    }

    fn end_attempt(&mut self, task: TaskKey, cause: &AttemptCause) {
        let Some(task) = self.task_mut(task) else { return };
        task.phase = Phase::Pending;
        if matches!(cause, AttemptCause::Failed(_)) {
            task.retries += 1;
        }
    }

    fn lose(&mut self, key: ObjectKey) {
        let object = match key.job {
            JobKey::VAULT => self.vault.object_mut(key.index),
            _ => slot_job(&mut self.slots, key.job)
                .and_then(|job| job.objects.get_mut(key.index as usize)),
        };
        if let Some(object) = object {
            object.content = Content::Dropped;
        }
    }

    /// Enters the names of a job's actors from a task on.
    fn name_actors(&mut self, key: JobKey, first_task: u32) {
        let Some(job) = slot_job(&mut self.slots, key) else { return };
        for (index, _) in job.actors.iter().filter(|(index, _)| *index >= first_task) {
            let name = job.template_of(index).actor().and_then(|actor| actor.name.as_deref());
            if let Some(name) = name {
                self.actor_names.insert(name.into(), TaskKey { job: key, index });
            }
        }
    }

    fn free_actor_name(&mut self, key: TaskKey) {
        if self.actor_names.is_empty() {
            return;
        }
        let Some(job) = slot_job(&mut self.slots, key.job) else { return };
        if job.actors.get(key.index).is_none() {
            return;
        }
        let name = job.template_of(key.index).actor().and_then(|actor| actor.name.as_deref());
        if let Some(name) = name
            && self.actor_names.get(name) == Some(&key)
        {
            self.actor_names.remove(name);
        }
    }

    fn actor_mut(&mut self, key: TaskKey) -> Option<&mut Actor> {
        slot_job(&mut self.slots, key.job)?.actors.get_mut(key.index)
    }

    /// The task's actor, if it makes one.
    pub(crate) fn actor(&self, key: TaskKey) -> Option<&Actor> {
        self.job(key.job)?.actors.get(key.index)
    }

    /// The actor of that name that has not ended.
    pub(crate) fn actor_named(&self, name: &str) -> Option<TaskKey> {
        self.actor_names.get(name).copied()
    }

    fn insert(&mut self, key: JobKey, job: Job) {
        let slot = key.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Slot::default);
        }
        if self.free_slots.last() == Some(&key.slot) {
            self.free_slots.pop();
        }
        self.by_id.insert(job.id, key);
        if let Some(token) = &job.token {
            self.by_token.insert(token.clone(), key);
        }
        self.slots[slot].job = Some(Box::new(job));
    }

    fn forget(&mut self, key: JobKey, effects: &mut Effects) {
        let Some(slot) = self.slots.get_mut(key.slot as usize) else { return };
        if slot.generation != key.generation {
            return;
        }
        let Some(job) = slot.job.take() else { return };
        slot.generation += 1;
        self.free_slots.push(key.slot);
        self.by_id.remove(&job.id);
        if let Some(token) = &job.token {
            self.by_token.remove(token);
        }
        job.drop_objects(&mut self.vault, effects);
    }

    /// The key that the next job gets.
    pub(crate) fn next_job_key(&self) -> JobKey {
        match self.free_slots.last() {
            Some(slot) => JobKey { slot: *slot, generation: self.slots[*slot as usize].generation },
            None => JobKey { slot: self.slots.len() as u32, generation: 0 },
        }
    }

    pub(crate) fn job(&self, key: JobKey) -> Option<&Job> {
        let slot = self.slots.get(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        slot.job.as_deref()
    }

    pub(crate) fn job_key(&self, id: JobId) -> Option<JobKey> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn job_with_token(&self, token: &str) -> Option<JobKey> {
        self.by_token.get(token).copied()
    }

    pub(crate) fn task(&self, key: TaskKey) -> Option<&Task> {
        self.job(key.job)?.tasks.get(key.index as usize)
    }

    fn task_mut(&mut self, key: TaskKey) -> Option<&mut Task> {
        slot_job(&mut self.slots, key.job)?.tasks.get_mut(key.index as usize)
    }

    pub(crate) fn object(&self, key: ObjectKey) -> Option<&Object> {
        if key.job == JobKey::VAULT {
            return self.vault.object(key.index);
        }
        self.job(key.job)?.objects.get(key.index as usize)
    }

    /// What is known of an object's content, where it exists.
    pub(crate) fn report(&self, key: ObjectKey) -> Option<&ObjectReport> {
        match &self.object(key)?.content {
            Content::Available(report) => Some(report),
            Content::Pending | Content::Dropped => None,
        }
    }

    pub(crate) fn put_object(&self, object: ObjectId) -> Option<ObjectKey> {
        self.vault.key(object)
    }

    /// Keys of put objects in a range, in order.
    pub(crate) fn put_objects(
        &self,
        range: (Bound<ObjectKey>, Bound<ObjectKey>),
    ) -> impl Iterator<Item = ObjectKey> + '_ {
        let first = match range.0 {
            Bound::Included(key) | Bound::Excluded(key) if key.job == JobKey::VAULT => key.index,
            _ => 0,
        };
        self.vault.keys_from(first).filter(move |key| range.contains(key))
    }

    /// A put object's id, and whether its client keeps it still.
    pub(crate) fn put_entry(&self, key: ObjectKey) -> Option<(ObjectId, bool)> {
        self.vault.entry(key)
    }

    /// Reserves a key in the vault. Keys are never used twice, so this need not be durable.
    pub(crate) fn reserve_object(&mut self) -> ObjectKey {
        self.vault.reserve()
    }

    /// Whether the task's end left its job with nothing to do.
    pub(crate) fn is_complete(&self, key: JobKey) -> bool {
        self.job(key).is_some_and(|job| job.sealed && job.unended == 0 && !job.ended)
    }

    /// A check for tests: that counts and references agree with what they count.
    #[cfg(test)]
    pub(crate) fn assert_consistent(&self) {
        for slot in &self.slots {
            let Some(job) = &slot.job else { continue };
            job.assert_consistent();
        }
    }
}

fn slot_job(slots: &mut [Slot], key: JobKey) -> Option<&mut Job> {
    let slot = slots.get_mut(key.slot as usize)?;
    if slot.generation != key.generation {
        return None;
    }
    slot.job.as_deref_mut()
}

impl TaskEnd {
    /// Whether the task made its outputs.
    pub fn succeeded(&self) -> bool {
        matches!(self, TaskEnd::Succeeded(_))
    }
}
