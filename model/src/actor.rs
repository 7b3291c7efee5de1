//! Actors: tasks that stay, hold state and answer calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{AttemptId, Attributes, Failure, ObjectKey, ProcessSpec, Value};

/// How many calls may wait for an actor that does not say otherwise.
pub const DEFAULT_MAILBOX: u32 = 16 * 1024;

/// The most calls that may wait for an actor.
pub const MAILBOX_LIMIT: u32 = 1024 * 1024;

/// The most bytes of a checkpoint: it stays with the scheduler, as small objects do.
pub const CHECKPOINT_LIMIT_BYTES: usize = crate::INLINE_LIMIT_BYTES;

/// A task that stays: it holds its resources and its state from its start until it is stopped, and
/// answers calls one after another. The task's inputs are its constructor's arguments; it makes no
/// objects itself. Each attempt is an *incarnation*, fenced by its number.
#[derive(Clone, PartialEq, Debug)]
pub struct ActorSpec {
    /// What it is.
    pub kind: ActorKind,
    /// A name by which the whole cluster finds it; unique among actors that have not ended.
    pub name: Option<String>,
    /// When it ends by itself.
    pub lifetime: Lifetime,
    /// The most calls that may wait for it, see [`MAILBOX_LIMIT`].
    pub mailbox: u32,
    /// After how many calls its state is kept for the next incarnation; never where not told.
    pub checkpoint_every: Option<u32>,
}

impl ActorSpec {
    /// An actor of a type that the executor knows, with defaults elsewhere.
    pub fn native(type_name: impl Into<String>, attributes: Attributes) -> Self {
        ActorSpec::new(ActorKind::Native { type_name: type_name.into(), attributes })
    }

    /// An actor that lives in a process, with defaults elsewhere.
    pub fn process(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let argv = argv.into_iter().map(Into::into).collect();
        ActorSpec::new(ActorKind::Process(ProcessSpec { argv, ..ProcessSpec::default() }))
    }

    /// An actor of a kind, with defaults elsewhere.
    pub fn new(kind: ActorKind) -> Self {
        ActorSpec {
            kind,
            name: None,
            lifetime: Lifetime::Job,
            mailbox: DEFAULT_MAILBOX,
            checkpoint_every: None,
        }
    }
}

/// What an actor is.
#[derive(Clone, PartialEq, Debug)]
pub enum ActorKind {
    /// A type that is registered with the executor.
    Native {
        /// Its name there.
        type_name: String,
        /// Constants for its constructor.
        attributes: Attributes,
    },
    /// A process that speaks the actor protocol. It names neither inputs nor outputs.
    Process(ProcessSpec),
}

impl ActorKind {
    /// The type's name or the executable's, for people.
    pub fn name(&self) -> &str {
        match self {
            ActorKind::Native { type_name, .. } => type_name,
            ActorKind::Process(process) => process.argv.first().map_or("process", String::as_str),
        }
    }
}

/// When an actor ends by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lifetime {
    /// It is stopped once its job is closed and every other task of it has ended.
    #[default]
    Job,
    /// It lives on, and its job with it, until it is stopped or cancelled.
    Detached,
}

/// A call of an actor, as a task: it takes and makes objects like any other.
#[derive(Clone, PartialEq, Debug)]
pub struct CallSpec {
    /// Whom it calls.
    pub actor: ActorRef,
    /// What it calls.
    pub method: String,
    /// Constants beside its inputs.
    pub attributes: Attributes,
}

/// Whom a call goes to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ActorRef {
    /// A task of the same job.
    Task(u32),
    /// The actor that has this name in the cluster when the call is ready.
    Name(String),
}

impl fmt::Display for ActorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ActorRef::Task(index) => write!(f, "task {index}"),
            ActorRef::Name(name) => write!(f, "{name:?}"),
        }
    }
}

/// Why a call did not give a result.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CallFault {
    /// The method failed; the actor goes on.
    #[error("{0}")]
    Failed(Failure),
    /// As many calls wait as may; this one never ran.
    #[error(
        "the actor's mailbox is full: {limit} calls wait, which is its limit; call again when some have ended, or give the actor a larger `mailbox`"
    )]
    MailboxFull {
        /// The mailbox's limit.
        limit: u32,
    },
    /// The incarnation is not here, or no longer; the call never ran.
    #[error("{incarnation:?} is not alive here")]
    NotHere {
        /// The incarnation that was called.
        incarnation: AttemptId,
    },
    /// The incarnation ended while it had the call, which may have had its effect.
    #[error("the actor ended while it had the call: {why}")]
    Lost {
        /// How it ended.
        why: String,
    },
    /// The caller gave the call up.
    #[error("the call was cancelled")]
    Cancelled,
    /// The call took too long.
    #[error("the call took longer than its timeout of {limit:?}")]
    TimedOut {
        /// The call's timeout.
        limit: Duration,
    },
}

/// A call that goes straight to the executor where its actor lives.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// What is called.
    pub method: String,
    /// Constants beside its arguments.
    pub attributes: Attributes,
    /// Its arguments, in order.
    pub arguments: Vec<CallArgument>,
    /// How long it may take, its wait in the mailbox included.
    pub timeout: Option<Duration>,
    /// What becomes of it where the mailbox is full.
    pub when_full: WhenFull,
}

/// An argument of a direct call.
#[derive(Clone, PartialEq, Debug)]
pub enum CallArgument {
    /// Here it is.
    Value(Value),
    /// An object that the executor holds, or fetches from one that does.
    Object {
        /// The object.
        key: ObjectKey,
        /// Executors that hold it, the preferred first.
        sources: Vec<Arc<str>>,
    },
}

/// What becomes of a call that finds the mailbox full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhenFull {
    /// It is refused.
    #[default]
    Refuse,
    /// It waits, and calls behind it with it.
    Wait,
}
