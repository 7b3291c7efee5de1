//! Handles on actors.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawloom_model::AttemptId;

use super::call::CallBuilder;
use super::error::CallError;
use super::way::Calls;
use super::{ActorName, ActorView, Living};
use crate::{Client, Code, Error, TaskState};

/// How long to wait before the scheduler is asked again where an actor lives.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How often an executor that cannot be reached is tried before the caller is told.
const TRIES: u32 = 20;

/// A handle on an actor. Clones share its way there. Calls through one handle are begun in their
/// order, as long as the same incarnation lives; many may be outstanding at a time.
#[derive(Clone)]
pub struct ActorHandle {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    name: ActorName,
    way: Mutex<Option<Way>>,
    /// Held while the actor is looked for, so that one caller does it for all.
    search: tokio::sync::Mutex<()>,
}

/// An open way, and where it leads.
#[derive(Clone)]
pub(super) struct Way {
    pub living: Living,
    pub calls: Arc<dyn Calls>,
}

impl std::fmt::Debug for ActorHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ActorHandle").field(&self.shared.name).finish()
    }
}

impl ActorHandle {
    pub(crate) async fn open(client: Client, name: ActorName) -> Result<Self, CallError> {
        let (way, search) = (Mutex::new(None), tokio::sync::Mutex::new(()));
        let handle = ActorHandle { shared: Arc::new(Shared { client, name, way, search }) };
        handle.find(None).await?;
        Ok(handle)
    }

    /// Whom it leads to.
    pub fn name(&self) -> &ActorName {
        &self.shared.name
    }

    /// Where the actor lives, as far as this handle knows.
    pub fn living(&self) -> Option<Living> {
        self.way().map(|way| way.living)
    }

    /// The most calls that may wait for the actor; 0 while it is not alive.
    pub fn mailbox(&self) -> u32 {
        self.way().map_or(0, |way| way.calls.mailbox())
    }

    /// Begins the description of a call; nothing happens before it is started or awaited.
    pub fn call(&self, method: impl Into<String>) -> CallBuilder<'_> {
        CallBuilder::new(self, method.into())
    }

    /// Lets the actor serve the calls that it has, and end.
    ///
    /// # Errors
    /// There is no such actor, or the scheduler cannot be reached.
    pub async fn stop(&self) -> Result<(), Error> {
        self.shared.client.stop_actor(self.shared.name.clone()).await
    }

    /// The open way, if there is one.
    pub(super) fn way(&self) -> Option<Way> {
        self.lock().as_ref().filter(|way| !way.calls.is_closed()).cloned()
    }

    /// The way to an incarnation other than `lost`, once there is one.
    pub(super) async fn find(&self, lost: Option<AttemptId>) -> Result<Way, CallError> {
        let fresh = |way: &Way| lost != Some(way.living.incarnation);
        let _searching = self.shared.search.lock().await;
        if let Some(way) = self.way().filter(fresh) {
            return Ok(way);
        }
        let mut pause = PAUSE;
        let mut tries = 0;
        loop {
            let place = self.shared.client.locate_actor(self.shared.name.clone()).await;
            let place = place.map_err(|source| self.unreachable(source))?;
            if place.actor.state.is_final() {
                return Err(self.ended(&place.actor));
            }
            if let Some(living) = place.living.filter(|living| lost != Some(living.incarnation)) {
                match self.shared.client.transport().open_calls(living.clone()).await {
                    Ok(calls) => {
                        let way = Way { living, calls };
                        *self.lock() = Some(way.clone());
                        return Ok(way);
                    }
                    // It has ended meanwhile, or its executor has and the scheduler will hear.
                    Err(Error::Refused { code: Code::NotFound, .. }) => {}
                    Err(error) if error.is_transient() && tries < TRIES => tries += 1,
                    Err(error) => return Err(self.unreachable(error)),
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    pub(super) fn unreachable(&self, source: Error) -> CallError {
        CallError::Unreachable { actor: self.shared.name.clone(), source }
    }

    fn ended(&self, actor: &ActorView) -> CallError {
        let why = match (&actor.failure, actor.state) {
            (Some(failure), _) => failure.to_string(),
            (None, TaskState::Cancelled) => "it was cancelled".to_owned(),
            (None, _) => "it was stopped".to_owned(),
        };
        let incarnation = actor.incarnation;
        CallError::Ended { actor: self.shared.name.clone(), incarnation, why }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Way>> {
        self.shared.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
