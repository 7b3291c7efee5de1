//! Calls of actors, as tasks: which wait for their actor, and which its executor has.

use std::collections::{BTreeMap, BTreeSet};

use drawloom_model::{AttemptId, TaskKey};

/// Soft state of calls, by actor.
#[derive(Default, Debug)]
pub(crate) struct Callees {
    by_actor: BTreeMap<TaskKey, Calls>,
    /// The actor of each call that an executor has.
    sent: BTreeMap<AttemptId, TaskKey>,
    /// Actors whose calls may have become possible, or hopeless.
    changed: BTreeSet<TaskKey>,
    /// Ready calls of names that nobody has.
    unknown: BTreeSet<TaskKey>,
    /// Actors that were told to end and have no attempt.
    unplaced_stops: BTreeSet<TaskKey>,
}

#[derive(Default, Debug)]
struct Calls {
    /// Ready calls, in order of submission within each job.
    waiting: BTreeSet<TaskKey>,
    sent: u32,
}

impl Callees {
    /// A call is ready.
    pub fn wait(&mut self, actor: TaskKey, call: TaskKey) {
        self.by_actor.entry(actor).or_default().waiting.insert(call);
        self.changed.insert(actor);
    }

    /// A call is ready for an actor that does not exist.
    pub fn wait_for_nobody(&mut self, call: TaskKey) {
        self.unknown.insert(call);
    }

    pub fn take_unknown(&mut self) -> BTreeSet<TaskKey> {
        std::mem::take(&mut self.unknown)
    }

    /// An actor has no attempt and is to end.
    pub fn stop_unplaced(&mut self, actor: TaskKey) {
        self.unplaced_stops.insert(actor);
    }

    pub fn take_unplaced_stops(&mut self) -> BTreeSet<TaskKey> {
        std::mem::take(&mut self.unplaced_stops)
    }

    /// Something about the actor has changed: it came alive, or has ended.
    pub fn note_change(&mut self, actor: TaskKey) {
        if self.by_actor.contains_key(&actor) {
            self.changed.insert(actor);
        }
    }

    pub fn next_changed(&mut self) -> Option<TaskKey> {
        self.changed.pop_first()
    }

    /// The first ready call of the actor.
    pub fn pop_waiting(&mut self, actor: TaskKey) -> Option<TaskKey> {
        let calls = self.by_actor.get_mut(&actor)?;
        let call = calls.waiting.pop_first();
        self.drop_if_idle(actor);
        call
    }

    /// An executor has a call now.
    pub fn send(&mut self, actor: TaskKey, call: AttemptId) {
        self.by_actor.entry(actor).or_default().sent += 1;
        self.sent.insert(call, actor);
    }

    /// An executor has a call no longer.
    pub fn depart(&mut self, call: AttemptId) {
        let Some(actor) = self.sent.remove(&call) else { return };
        if let Some(calls) = self.by_actor.get_mut(&actor) {
            calls.sent -= 1;
        }
        self.changed.insert(actor);
        self.drop_if_idle(actor);
    }

    fn drop_if_idle(&mut self, actor: TaskKey) {
        let idle = |calls: &Calls| calls.sent == 0 && calls.waiting.is_empty();
        if self.by_actor.get(&actor).is_some_and(idle) {
            self.by_actor.remove(&actor);
        }
    }

    /// How many of its calls executors have.
    pub fn sent(&self, actor: TaskKey) -> u32 {
        self.by_actor.get(&actor).map_or(0, |calls| calls.sent)
    }

    /// How many of its calls wait.
    pub fn waiting(&self, actor: TaskKey) -> u32 {
        self.by_actor.get(&actor).map_or(0, |calls| calls.waiting.len() as u32)
    }

    /// A check for tests: that exactly these calls are on executors.
    #[cfg(test)]
    pub fn assert_sent(&self, calls: impl Iterator<Item = AttemptId>) {
        let mut expected: Vec<AttemptId> = calls.collect();
        expected.sort_unstable();
        let sent: Vec<AttemptId> = self.sent.keys().copied().collect();
        assert_eq!(sent, expected, "calls on executors");
        let counted: u32 = self.by_actor.values().map(|calls| calls.sent).sum();
        assert_eq!(counted as usize, sent.len());
    }
}
