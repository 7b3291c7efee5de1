//! Those who wait for memory.

use std::collections::BTreeMap;

use drawloom_model::{AttemptId, ObjectKey};

/// A wish for memory, numbered by the service in the order of asking.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoomId(pub u64);

/// What memory is wanted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoomFor {
    /// An output of a running attempt.
    Attempt(AttemptId),
    /// An object that is fetched or comes back from disk.
    Object(ObjectKey),
    /// An object that a client puts. It waits for nobody's end.
    Client,
}

/// What becomes of a wish for memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoomAnswer {
    /// Some memory came free: try again, and ask again under the same number where it is not
    /// enough.
    TryAgain,
    /// Nothing can be moved out of the way, and nobody who could make room is going on.
    Refused {
        /// Why nothing could be moved, where that was tried.
        why: Option<String>,
    },
}

/// A wish that was not answered yet.
pub(crate) struct Room {
    pub missing_bytes: u64,
    pub purpose: RoomFor,
}

/// Wishes in the order of asking.
#[derive(Default)]
pub(crate) struct Rooms {
    pub waiting: BTreeMap<RoomId, Room>,
    /// Why the last object that was to go to disk did not.
    pub obstacle: Option<String>,
    /// How many did not, one after another, since somebody waits.
    pub failures: u32,
}

/// So many objects are tried one after another before the disk is taken to be full.
const FAILURES: u32 = 4;

impl Rooms {
    /// Whether to try writing to disk.
    pub(crate) fn may_spill(&self) -> bool {
        self.failures < FAILURES
    }

    /// An object was written to disk.
    pub(crate) fn spilled(&mut self) {
        self.obstacle = None;
        self.failures = 0;
    }

    /// An object could not be written to disk.
    pub(crate) fn not_spilled(&mut self, why: String) {
        self.obstacle = Some(why);
        self.failures += 1;
    }

    /// How many running attempts wait.
    pub(crate) fn attempts(&self) -> usize {
        let is_attempt = |room: &&Room| matches!(room.purpose, RoomFor::Attempt(_));
        self.waiting.values().filter(is_attempt).count()
    }

    /// The latest wish of that kind.
    pub(crate) fn last(&self, is_meant: impl Fn(RoomFor) -> bool) -> Option<RoomId> {
        let meant = |(id, room): (&RoomId, &Room)| is_meant(room.purpose).then_some(*id);
        self.waiting.iter().rev().find_map(meant)
    }
}
