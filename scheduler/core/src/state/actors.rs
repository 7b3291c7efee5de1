//! What is durable of a job's actors beside their tasks.

use std::collections::BTreeMap;

use drawloom_model::{Lifetime, Value};

/// A job's actors by task. Most jobs have none.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Actors {
    by_task: BTreeMap<u32, Actor>,
    /// How many have no final state.
    pub unended: u32,
}

/// One actor.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Actor {
    pub lifetime: Lifetime,
    /// Whether it was told to end.
    pub stopping: bool,
    /// The state that its last incarnation has kept.
    pub checkpoint: Option<Value>,
    ended: bool,
}

impl Actors {
    pub fn admit(&mut self, task: u32, lifetime: Lifetime) {
        let actor = Actor { lifetime, stopping: false, checkpoint: None, ended: false };
        self.by_task.insert(task, actor);
        self.unended += 1;
    }

    /// The task has its final state: nothing is kept for another incarnation.
    pub fn end(&mut self, task: u32) {
        let Some(actor) = self.by_task.get_mut(&task).filter(|actor| !actor.ended) else { return };
        actor.ended = true;
        actor.checkpoint = None;
        self.unended -= 1;
    }

    pub fn get(&self, task: u32) -> Option<&Actor> {
        self.by_task.get(&task)
    }

    pub fn get_mut(&mut self, task: u32) -> Option<&mut Actor> {
        self.by_task.get_mut(&task).filter(|actor| !actor.ended)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &Actor)> {
        self.by_task.iter().map(|(task, actor)| (*task, actor))
    }

    /// Those that end with their job and were not told to yet.
    pub fn idle(&self) -> impl Iterator<Item = u32> + '_ {
        let idle =
            |actor: &Actor| !actor.ended && !actor.stopping && actor.lifetime == Lifetime::Job;
        self.iter().filter(move |(_, actor)| idle(actor)).map(|(task, _)| task)
    }
}
