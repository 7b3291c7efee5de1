//! Native actors: what one is, and which types an executor knows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use drawloom_model::{AttemptId, Attributes, Failure, FailureKind, JobId, Value};

use super::builtin;

/// A native actor: state that answers calls, one at a time. A panic ends the incarnation.
pub trait Actor: Send {
    /// Answers a call.
    ///
    /// # Errors
    /// The call fails and the actor goes on.
    fn call(
        &mut self,
        method: &str,
        arguments: &[Value],
        context: &mut Context<'_>,
    ) -> Result<Vec<Value>, Failure>;

    /// Whether a method takes so little time (some microseconds) that it may run where the call
    /// arrives, on the thread that serves everything else of the executor, instead of on the
    /// actor's own.
    fn is_brief(&self, _method: &str) -> bool {
        false
    }

    /// The state to be kept for the next incarnation; none where it keeps none.
    ///
    /// # Errors
    /// The state cannot be told now; the last one kept stays.
    fn checkpoint(&mut self) -> Result<Option<Value>, Failure> {
        Ok(None)
    }

    /// Takes the state that an earlier incarnation has kept. Called once, before any call.
    ///
    /// # Errors
    /// The incarnation cannot begin.
    fn restore(&mut self, _state: &Value) -> Result<(), Failure> {
        Err(Failure::new(FailureKind::Application, "this type of actor restores no state"))
    }
}

/// What a call comes with beside its arguments.
#[derive(Debug)]
pub struct Context<'a> {
    /// The incarnation that is called.
    pub incarnation: AttemptId,
    /// The call's constants.
    pub attributes: &'a Attributes,
    /// Whether the call is no longer wanted.
    pub cancelled: &'a AtomicBool,
}

/// What a constructor comes with.
#[derive(Debug)]
pub struct Construction<'a> {
    /// The incarnation that begins.
    pub incarnation: AttemptId,
    /// Its job, to which it may add tasks.
    pub job: Option<JobId>,
    /// The actor's constants.
    pub attributes: &'a Attributes,
    /// The task's inputs.
    pub arguments: &'a [Value],
}

type Constructor =
    dyn Fn(&Construction<'_>) -> Result<Box<dyn Actor>, Failure> + Send + Sync + 'static;

/// The types of native actors that an executor can make.
#[derive(Clone)]
pub struct ActorTypes {
    by_name: BTreeMap<String, Arc<Constructor>>,
}

impl ActorTypes {
    /// No type.
    pub fn none() -> Self {
        ActorTypes { by_name: BTreeMap::new() }
    }

    /// Adds a type, in place of another of that name.
    pub fn register<A: Actor + 'static>(
        &mut self,
        name: impl Into<String>,
        new: impl Fn(&Construction<'_>) -> Result<A, Failure> + Send + Sync + 'static,
    ) {
        let constructor =
            move |construction: &Construction<'_>| -> Result<Box<dyn Actor>, Failure> {
                Ok(Box::new(new(construction)?))
            };
        self.by_name.insert(name.into(), Arc::new(constructor));
    }

    /// Their names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    pub(crate) fn create(
        &self,
        name: &str,
        construction: &Construction<'_>,
    ) -> Result<Box<dyn Actor>, Failure> {
        let constructor = self.by_name.get(name).ok_or_else(|| {
            let known = self.names().collect::<Vec<_>>().join(", ");
            let message =
                format!("this executor makes no actors of type {name:?}; it knows {known}");
            Failure::new(FailureKind::Spawn, message)
        })?;
        constructor(construction)
    }
}

impl Default for ActorTypes {
    /// The built-in types.
    fn default() -> Self {
        let mut types = ActorTypes::none();
        builtin::register(&mut types);
        types
    }
}

impl fmt::Debug for ActorTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl PartialEq for ActorTypes {
    /// Whether the same names are known.
    fn eq(&self, other: &Self) -> bool {
        self.names().eq(other.names())
    }
}
