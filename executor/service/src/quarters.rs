//! What processes live in: control groups and scratch directories. Those that are as new once a
//! process has gone are kept for the next, since making and removing them takes longer than a short
//! process does.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Config;
use crate::cgroup::{Group, GroupLimits};
use crate::runner::Rooms;

/// The most that are kept of a kind.
const KEPT: usize = 64;

/// What can be used again.
pub(crate) trait Reusable {
    /// Whether nothing is left of who used it.
    fn is_as_new(&mut self) -> bool;
}

/// Things of a kind that nobody uses now.
pub(crate) struct Idle<T>(Mutex<Kept<T>>);

struct Kept<T> {
    things: Vec<T>,
    is_closed: bool,
}

impl<T> Default for Idle<T> {
    fn default() -> Self {
        Idle(Mutex::new(Kept { things: Vec::new(), is_closed: false }))
    }
}

impl<T> Idle<T> {
    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<T> {
        self.kept().things.pop()
    }

    fn keep(&self, thing: T) {
        let mut kept = self.kept();
        if !kept.is_closed && kept.things.len() < KEPT {
            kept.things.push(thing);
        }
    }

    /// Removes what is kept, and keeps nothing more.
    fn close(&self) {
        let things = {
            let mut kept = self.kept();
            kept.is_closed = true;
            std::mem::take(&mut kept.things)
        };
        drop(things);
    }
}

/// A thing in use, which is kept or removed when this is dropped.
pub(crate) struct Lease<T: Reusable> {
    /// Always there until it is dropped.
    thing: Option<T>,
    idle: Option<Arc<Idle<T>>>,
}

impl<T: Reusable> Lease<T> {
    /// One that is idle, or a new one.
    pub(crate) fn take<E>(
        idle: &Arc<Idle<T>>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Self, E> {
        let thing = idle.take().map_or_else(make, Ok)?;
        Ok(Lease { thing: Some(thing), idle: Some(Arc::clone(idle)) })
    }

    /// One that is not kept for others.
    pub(crate) fn once(thing: T) -> Self {
        Lease { thing: Some(thing), idle: None }
    }
}

impl<T: Reusable> Deref for Lease<T> {
    type Target = T;

    #[allow(clippy::expect_used, reason = "it is taken out by nobody but drop")]
    fn deref(&self) -> &T {
        self.thing.as_ref().expect("it is there until this is dropped")
    }
}

impl<T: Reusable> DerefMut for Lease<T> {
    #[allow(clippy::expect_used, reason = "it is taken out by nobody but drop")]
    fn deref_mut(&mut self) -> &mut T {
        self.thing.as_mut().expect("it is there until this is dropped")
    }
}

impl<T: Reusable> Drop for Lease<T> {
    fn drop(&mut self) {
        let Some((mut thing, idle)) = self.thing.take().zip(self.idle.take()) else { return };
        if thing.is_as_new() {
            idle.keep(thing);
        }
    }
}

/// Where an executor's processes find room.
pub(crate) struct Quarters {
    pub(crate) config: Config,
    /// The uuids of the devices that the executor offers, in order.
    pub(crate) device_uuids: Vec<String>,
    groups: Arc<Idle<Group>>,
    pub(crate) rooms: Arc<Idle<Rooms>>,
}

impl Quarters {
    pub(crate) fn new(config: Config, device_uuids: Vec<String>) -> Arc<Self> {
        let (groups, rooms) = (Arc::default(), Arc::default());
        Arc::new(Quarters { config, device_uuids, groups, rooms })
    }

    /// A control group with as many of the limits as can be set; none where there are none.
    pub(crate) fn group(&self, limits: GroupLimits) -> Option<Lease<Group>> {
        if !self.config.control_groups {
            return None;
        }
        if limits == GroupLimits::default() {
            return Lease::take(&self.groups, || Group::create(limits).ok_or(())).ok();
        }
        Group::create(limits).map(Lease::once)
    }

    /// Removes what is kept for processes to come: the executor ends.
    pub(crate) fn close(&self) {
        self.groups.close();
        self.rooms.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Room {
        number: u32,
        is_clean: bool,
    }

    impl Reusable for Room {
        fn is_as_new(&mut self) -> bool {
            self.is_clean
        }
    }

    #[test]
    fn only_what_is_as_new_is_used_again() {
        let idle = Arc::new(Idle::default());
        let make = |number| move || Ok::<_, ()>(Room { number, is_clean: true });
        let mut first = Lease::take(&idle, make(1)).expect("made");
        first.is_clean = false;
        drop(first);
        let second = Lease::take(&idle, make(2)).expect("made");
        assert_eq!(second.number, 2);
        drop(second);
        let third = Lease::take(&idle, make(3)).expect("kept");
        assert_eq!(third.number, 2);
        drop(Lease::once(Room { number: 4, is_clean: true }));
        drop(third);
        assert_eq!(idle.kept().things.len(), 1);
        let last = Lease::take(&idle, make(5)).expect("kept");
        idle.close();
        drop(last);
        assert!(idle.take().is_none());
    }
}
