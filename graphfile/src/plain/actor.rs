//! The structs of actors and of calls to them.

use std::collections::BTreeMap;

use schemars::JsonSchema;

/// An actor: a task that stays and answers calls. One of `type` and `argv`.
#[derive(serde::Deserialize, JsonSchema, Clone, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ActorEntry {
    /// A type that the executor knows, such as `counter`; its constants are the task's attributes.
    pub r#type: Option<String>,
    /// A process that speaks the actor protocol: the executable and its arguments.
    pub argv: Vec<String>,
    /// Variables set beside a minimal environment, for a process.
    pub env: BTreeMap<String, String>,
    /// Working directory of a process; a fresh scratch directory where none is given.
    pub working_directory: Option<String>,
    /// Whether the process may add tasks to its own job, with `drawloom add`.
    pub spawns: bool,
    /// A name by which the whole cluster finds it.
    pub name: Option<String>,
    /// Whether it lives on when the rest of the job has ended, until it is stopped.
    pub detached: bool,
    /// The most calls that may wait for it.
    pub mailbox: Option<u32>,
    /// After how many calls its state is kept for the next incarnation.
    pub checkpoint_every: Option<u32>,
    /// How often it is begun anew after a failure.
    pub max_restarts: u32,
}

/// A call of an actor: one of `actor` and `named`. Its constants are the task's attributes.
#[derive(serde::Deserialize, JsonSchema, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallEntry {
    /// The name of the task that makes the actor.
    pub actor: Option<String>,
    /// The name of an actor in the cluster.
    pub named: Option<String>,
    /// What is called.
    pub method: String,
    /// How many objects it makes; 1 where nothing is said.
    #[serde(default = "one")]
    pub outputs: u16,
}

fn one() -> u16 {
    1
}
