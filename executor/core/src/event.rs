//! What the executor's core hears and what it asks for.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    Assignment, AttemptId, Capacity, DeviceCapacity, DeviceIndex, Failure, FromExecutor, ObjectKey,
    Outcome, ToExecutor, Value,
};
use smallvec::SmallVec;

use crate::Cores;
use crate::room::{RoomAnswer, RoomFor, RoomId};

/// What an executor has.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// Everything it offers.
    pub capacity: Capacity,
    /// The indexes of its cores. Made up to the capacity's whole cores where they are fewer.
    pub cores: Vec<u32>,
    /// Whether objects can be written to disk when memory is short.
    pub can_spill: bool,
}

/// News for the core.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The scheduler says something.
    Told(ToExecutor),
    /// A fetched object is in the store.
    InputArrived {
        /// The object.
        object: ObjectKey,
        /// Its size.
        size_bytes: u64,
    },
    /// An object could be fetched from none of its sources.
    FetchFailed {
        /// The object.
        object: ObjectKey,
        /// Why, for people.
        why: String,
    },
    /// Memory is wanted that there is not. Answered by `AnswerRoom`, some time.
    RoomWanted {
        /// The wish.
        room: RoomId,
        /// How much must come free.
        missing_bytes: u64,
        /// What for.
        purpose: RoomFor,
    },
    /// Memory came free while somebody waits for some.
    RoomFreed,
    /// An object was written to disk, and is no more in memory.
    Spilled {
        /// The object.
        object: ObjectKey,
    },
    /// An object could not be written to disk, and stays in memory.
    SpillFailed {
        /// The object.
        object: ObjectKey,
        /// Why, for people.
        why: String,
    },
    /// An object is back in memory: asked for, or because its device had no room for it.
    Restored {
        /// The object.
        object: ObjectKey,
    },
    /// An object did not come back from disk or from a device: for want of memory (`OutOfMemory`),
    /// and then it is still there, or because it is no more what it was.
    RestoreFailed {
        /// The object.
        object: ObjectKey,
        /// Why.
        failure: Failure,
    },
    /// An object is gone: its device has failed.
    ObjectLost {
        /// The object.
        object: ObjectKey,
        /// Why.
        failure: Failure,
    },
    /// A client put an object into the store.
    ObjectPut {
        /// The object.
        object: ObjectKey,
        /// Its size.
        size_bytes: u64,
    },
    /// A started attempt has ended; where it succeeded, its outputs are in the store.
    AttemptEnded {
        /// The attempt.
        attempt: AttemptId,
        /// How it ended.
        outcome: Outcome,
        /// How long it ran.
        run_time: Duration,
        /// The device in whose memory its outputs are; `None` where they are in memory.
        outputs_on: Option<DeviceIndex>,
    },
    /// A device offers this from now on: nothing once it has failed.
    DeviceChanged {
        /// Which device.
        device: DeviceIndex,
        /// What it offers.
        capacity: DeviceCapacity,
    },
    /// The process has been asked to end.
    DrainWanted,
    /// The moment that [`crate::Executor::next_timeout`] named has come.
    TimeoutDue,
}

/// Work for the service, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Fetch an object into the store; answered by `InputArrived` or `FetchFailed`.
    Fetch {
        /// The object.
        object: ObjectKey,
        /// Where it is, the preferred first.
        sources: SmallVec<[Arc<str>; 1]>,
    },
    /// Keep an object that the scheduler sent.
    Keep {
        /// Its key.
        object: ObjectKey,
        /// The object.
        value: Value,
    },
    /// Write an object to disk and drop it from memory; answered by `Spilled` or `SpillFailed`.
    Spill {
        /// The object.
        object: ObjectKey,
    },
    /// Read an object back from disk or from a device; answered by `Restored` or `RestoreFailed`.
    Restore {
        /// The object.
        object: ObjectKey,
    },
    /// Tell whoever waits for memory.
    AnswerRoom {
        /// The wish.
        room: RoomId,
        /// What becomes of it.
        answer: RoomAnswer,
    },
    /// An attempt has come that is for a device, and will want these objects there: of all that can
    /// leave the device's memory they leave it last, those of the attempt that starts last first.
    Expect {
        /// The attempt.
        attempt: AttemptId,
        /// Its device.
        device: DeviceIndex,
        /// When its turn is, as far as is known.
        turn: Turn,
        /// What it takes.
        objects: SmallVec<[ObjectKey; 2]>,
    },
    /// An attempt that was expected is no longer here.
    ExpectNoMore {
        /// The attempt.
        attempt: AttemptId,
        /// Its device.
        device: DeviceIndex,
    },
    /// Run an attempt; answered by `AttemptEnded`. The service tells the scheduler `Started`
    /// unless the attempt ends before it sends.
    Start {
        /// The attempt, its devices among it.
        assignment: Box<Assignment>,
        /// The cores that are its alone; empty where it asked for a part of one.
        cores: Cores,
    },
    /// End a running attempt; `AttemptEnded` follows all the same.
    Kill {
        /// The attempt.
        attempt: AttemptId,
        /// Why.
        why: KillReason,
    },
    /// Let a running actor serve the calls that it has and end; `AttemptEnded` follows.
    StopActor {
        /// Its incarnation.
        attempt: AttemptId,
    },
    /// Tell the scheduler.
    Say(FromExecutor),
    /// Forget these objects. Buffers that a running attempt reads live on until it has ended.
    Drop {
        /// The objects.
        objects: Vec<ObjectKey>,
    },
    /// The scheduler needs this executor no longer: end the process.
    Stop,
}

/// The order in which attempts that wait are started where nothing else holds them up: larger
/// priorities first, then earlier arrivals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Turn {
    /// Reversed, so that larger ones come first.
    pub priority: Reverse<i32>,
    /// The number of its arrival.
    pub arrival: u64,
}

impl Turn {
    pub(crate) fn new(priority: i32, arrival: u64) -> Self {
        Turn { priority: Reverse(priority), arrival }
    }
}

/// Why a running attempt is ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KillReason {
    /// The scheduler said so.
    Cancelled,
    /// It ran longer than this, its timeout.
    TimedOut(Duration),
    /// A device that it uses has failed.
    DeviceLost,
}
