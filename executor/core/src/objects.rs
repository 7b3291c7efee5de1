//! Which objects are here and which are on their way.

use drawloom_model::{ObjectKey, Time};

use crate::attempts::Token;
use crate::hash::FastMap;

/// The objects of the store, as the core knows them.
#[derive(Default)]
pub(crate) struct Objects {
    known: FastMap<ObjectKey, Presence>,
}

/// What is known of an object.
pub(crate) enum Presence {
    /// It is here.
    Held { size_bytes: u64 },
    /// It is being fetched.
    Fetching(Fetching),
}

/// A transfer on its way.
pub(crate) struct Fetching {
    /// When it was asked for.
    pub since: Time,
    /// The attempts that wait for it.
    pub waiters: Vec<Token>,
    /// Whether the scheduler has released it meanwhile.
    pub released: bool,
}

/// What an attempt finds when it wants an object.
pub(crate) enum Found {
    Here,
    OnItsWay,
    Nowhere,
}

impl Objects {
    pub(crate) fn size_bytes(&self, object: ObjectKey) -> Option<u64> {
        match self.known.get(&object) {
            Some(Presence::Held { size_bytes }) => Some(*size_bytes),
            _ => None,
        }
    }

    /// Whether the object is here; where it is on its way, `waiter` is told of its arrival.
    pub(crate) fn want(&mut self, object: ObjectKey, waiter: Token) -> Found {
        match self.known.get_mut(&object) {
            Some(Presence::Held { .. }) => Found::Here,
            Some(Presence::Fetching(fetching)) => {
                fetching.released = false;
                fetching.waiters.push(waiter);
                Found::OnItsWay
            }
            None => Found::Nowhere,
        }
    }

    /// Whether the object is on its way; if so it is kept although it was released meanwhile.
    pub(crate) fn keep_if_fetching(&mut self, object: ObjectKey) -> bool {
        match self.known.get_mut(&object) {
            Some(Presence::Fetching(fetching)) => {
                fetching.released = false;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn fetch(&mut self, object: ObjectKey, now: Time, waiter: Option<Token>) {
        let waiters = waiter.into_iter().collect();
        let fetching = Fetching { since: now, waiters, released: false };
        self.known.insert(object, Presence::Fetching(fetching));
    }

    pub(crate) fn hold(&mut self, object: ObjectKey, size_bytes: u64) -> Option<Fetching> {
        match self.known.insert(object, Presence::Held { size_bytes }) {
            Some(Presence::Fetching(fetching)) => Some(fetching),
            _ => None,
        }
    }

    /// Forgets a transfer that came to nothing.
    pub(crate) fn give_up(&mut self, object: ObjectKey) -> Option<Fetching> {
        if let Some(Presence::Fetching(_)) = self.known.get(&object)
            && let Some(Presence::Fetching(fetching)) = self.known.remove(&object)
        {
            return Some(fetching);
        }
        None
    }

    /// Forgets an object; whether its replica can be dropped at once.
    pub(crate) fn release(&mut self, object: ObjectKey) -> bool {
        match self.known.get_mut(&object) {
            Some(Presence::Held { .. }) => self.known.remove(&object).is_some(),
            Some(Presence::Fetching(fetching)) => {
                fetching.released = true;
                false
            }
            None => false,
        }
    }
}
