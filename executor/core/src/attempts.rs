//! The attempts that are here, from their arrival to their end.

use drawloom_model::{AfterStop, Assignment, AttemptId, ObjectKey, TaskKey, Time};
use smallvec::SmallVec;

use crate::admission::ClassId;
use crate::hash::FastMap;
use crate::{Cores, KillReason, Turn};

/// An attempt's place in the slab and its number of arrival, which is never used again: a token
/// of an attempt that is gone finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Token {
    pub slot: u32,
    pub arrival: u64,
}

/// An attempt that is here.
pub(crate) struct Entry {
    pub attempt: AttemptId,
    pub arrival: u64,
    pub arrived: Time,
    pub priority: i32,
    pub class: ClassId,
    /// Whether a device was told to expect it.
    pub is_expected: bool,
    pub stage: Stage,
    /// Attempts that wait for this one's success.
    pub successors: SmallVec<[Token; 2]>,
}

/// How far an attempt has come.
pub(crate) enum Stage {
    /// It waits for so many tasks and inputs.
    Waiting { assignment: Box<Assignment>, missing: u32 },
    /// It waits for capacity.
    Ready { assignment: Box<Assignment> },
    /// It has its cores, and waits for inputs to come back from disk.
    Staged(Staged),
    /// It runs.
    Running(Running),
    /// It is between two other stages, or on its way out.
    Ended,
}

/// An attempt that was admitted but cannot start yet.
pub(crate) struct Staged {
    pub assignment: Box<Assignment>,
    pub cores: Cores,
    /// How many inputs are on their way into memory.
    pub missing: u32,
}

/// What is kept of an attempt that runs.
pub(crate) struct Running {
    pub started: Time,
    pub deadline: Option<Time>,
    pub first_output: ObjectKey,
    pub cores: Cores,
    pub killed: Option<KillReason>,
    /// The objects that it takes from the store.
    pub reads: SmallVec<[ObjectKey; 2]>,
    /// What becomes of an actor that was told to end.
    pub stopping: Option<AfterStop>,
    pub suspension: Suspension,
}

/// Whether a running attempt waits for tasks of its job, and has no cores meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Suspension {
    /// It has cores.
    AtWork,
    /// It waits.
    Waiting,
    /// What it waited for has ended: it queues for cores, in this class.
    WantsCores(ClassId),
}

impl Entry {
    pub(crate) fn rank(&self) -> Turn {
        Turn::new(self.priority, self.arrival)
    }
}

/// A slab of attempts, found by task.
#[derive(Default)]
pub(crate) struct Attempts {
    slots: Vec<Option<Entry>>,
    vacant: Vec<u32>,
    newest: FastMap<TaskKey, u32>,
    /// Attempts that run on although a newer one of the same task is here; nearly always empty.
    outdated: Vec<u32>,
    arrivals: u64,
}

impl Attempts {
    /// How many are here.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// The token of whatever is inserted next.
    pub(crate) fn next_token(&self) -> Token {
        let slot = self.vacant.last().map_or(self.slots.len() as u32, |slot| *slot);
        Token { slot, arrival: self.arrivals }
    }

    /// Puts an attempt in that was built for the [`Attempts::next_token`].
    pub(crate) fn insert(&mut self, entry: Entry) {
        let task = entry.attempt.task;
        self.arrivals += 1;
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                (self.slots.len() - 1) as u32
            }
        };
        self.outdated.extend(self.newest.insert(task, slot));
    }

    /// The newest attempt of a task.
    pub(crate) fn of_task(&self, task: TaskKey) -> Option<Token> {
        let slot = *self.newest.get(&task)?;
        let entry = self.slots[slot as usize].as_ref()?;
        Some(Token { slot, arrival: entry.arrival })
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, &Entry)> {
        let slots = (0..).zip(&self.slots);
        slots.filter_map(|(slot, entry)| {
            let entry = entry.as_ref()?;
            Some((Token { slot, arrival: entry.arrival }, entry))
        })
    }

    pub(crate) fn find(&self, attempt: AttemptId) -> Option<Token> {
        let is_it = |token: &Token| self.get(*token).is_some_and(|e| e.attempt == attempt);
        self.of_task(attempt.task).filter(is_it).or_else(|| {
            let tokens = self.outdated.iter().filter_map(|slot| {
                let entry = self.slots[*slot as usize].as_ref()?;
                Some(Token { slot: *slot, arrival: entry.arrival })
            });
            tokens.into_iter().find(is_it)
        })
    }

    pub(crate) fn get(&self, token: Token) -> Option<&Entry> {
        self.slots[token.slot as usize].as_ref().filter(|entry| entry.arrival == token.arrival)
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Entry> {
        self.slots[token.slot as usize].as_mut().filter(|entry| entry.arrival == token.arrival)
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Entry> {
        self.get(token)?;
        let entry = self.slots[token.slot as usize].take()?;
        self.vacant.push(token.slot);
        if self.newest.get(&entry.attempt.task) == Some(&token.slot) {
            self.newest.remove(&entry.attempt.task);
        } else {
            self.outdated.retain(|slot| *slot != token.slot);
        }
        Some(entry)
    }
}
