//! Which objects are here, in memory or aside, and which are on their way.

use std::collections::BTreeMap;

use drawloom_model::{DeviceIndex, INLINE_LIMIT_BYTES, ObjectKey, ReplicaPlace, Time};

use crate::attempts::Token;
use crate::hash::FastMap;

/// The objects of the store, as the core knows them.
#[derive(Default)]
pub(crate) struct Objects {
    known: FastMap<ObjectKey, Presence>,
    /// Large objects in memory that no started attempt reads, the least recently used first.
    idle: BTreeMap<u64, ObjectKey>,
    uses: u64,
    /// How many are on their way to the disk, and back into memory.
    spilling: usize,
    restoring: usize,
}

/// What is known of an object.
enum Presence {
    /// It is here.
    Held(Held),
    /// It is being fetched.
    Fetching(Fetching),
}

/// An object that is here.
struct Held {
    size_bytes: u64,
    place: Place,
    /// Started attempts that take it.
    readers: u32,
    /// Its place in the order of uses, where it is idle.
    used: u64,
}

/// Where an object that is here is, and who waits for it to be in memory.
enum Place {
    Memory,
    Spilling(Vec<Token>),
    Aside(Aside),
    /// It comes back from where it is.
    Restoring(Vec<Token>, Aside),
}

/// Where an object is that is not in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Aside {
    Disk,
    /// In a device's memory alone.
    Device(DeviceIndex),
}

impl Aside {
    pub(crate) fn replica_place(self) -> ReplicaPlace {
        match self {
            Aside::Disk => ReplicaPlace::Disk,
            Aside::Device(device) => ReplicaPlace::Device(device),
        }
    }
}

/// Where an attempt reads its inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReadFrom {
    Memory,
    /// A device: it takes them from wherever they are.
    Device,
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

/// What an attempt that starts finds.
#[derive(PartialEq, Eq)]
pub(crate) enum Pinned {
    /// It can be read.
    There,
    /// It is to be restored into memory.
    Aside,
    /// It is being moved, and will be in memory.
    Moving,
    Nowhere,
}

impl Objects {
    pub(crate) fn size_bytes(&self, object: ObjectKey) -> Option<u64> {
        match self.known.get(&object) {
            Some(Presence::Held(held)) => Some(held.size_bytes),
            _ => None,
        }
    }

    /// Whether the object is here; where it is on its way, `waiter` is told of its arrival.
    pub(crate) fn want(&mut self, object: ObjectKey, waiter: Token) -> Found {
        match self.known.get_mut(&object) {
            Some(Presence::Held(_)) => Found::Here,
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

    /// An object is here, and in memory unless it was here before.
    pub(crate) fn hold(&mut self, object: ObjectKey, size_bytes: u64) -> Option<Fetching> {
        self.hold_at(object, size_bytes, Place::Memory)
    }

    /// An object is in a device's memory, unless it was here before.
    pub(crate) fn hold_on(&mut self, device: DeviceIndex, object: ObjectKey, size_bytes: u64) {
        self.hold_at(object, size_bytes, Place::Aside(Aside::Device(device)));
    }

    fn hold_at(&mut self, object: ObjectKey, size_bytes: u64, place: Place) -> Option<Fetching> {
        if let Some(Presence::Held(_)) = self.known.get(&object) {
            return None; // Made twice; whoever moves it finds out where it is.
        }
        let used = self.next_use();
        if is_large(size_bytes) && matches!(place, Place::Memory) {
            self.idle.insert(used, object);
        }
        let held = Held { size_bytes, place, readers: 0, used };
        match self.known.insert(object, Presence::Held(held)) {
            Some(Presence::Fetching(fetching)) => Some(fetching),
            Some(Presence::Held(_)) | None => None,
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

    /// Forgets an object; whether its replica can be dropped at once, and who waited for it to
    /// come back into memory.
    pub(crate) fn release(&mut self, object: ObjectKey) -> Option<Vec<Token>> {
        if let Some(Presence::Fetching(fetching)) = self.known.get_mut(&object) {
            fetching.released = true;
            return None;
        }
        let Some(Presence::Held(held)) = self.known.remove(&object) else { return None };
        self.idle.remove(&held.used);
        match held.place {
            Place::Spilling(waiters) => {
                self.spilling -= 1;
                Some(waiters)
            }
            Place::Restoring(waiters, _) => {
                self.restoring -= 1;
                Some(waiters)
            }
            Place::Memory | Place::Aside(_) => Some(Vec::new()),
        }
    }

    /// What is in a device's memory and nowhere else here, in order.
    pub(crate) fn only_on(&self, device: DeviceIndex) -> Vec<ObjectKey> {
        let is_there = |presence: &Presence| {
            matches!(presence, Presence::Held(Held { place: Place::Aside(Aside::Device(home)), .. })
                if *home == device)
        };
        let there = self.known.iter().filter(|(_, presence)| is_there(presence));
        let mut objects: Vec<ObjectKey> = there.map(|(object, _)| *object).collect();
        objects.sort_unstable();
        objects
    }

    /// An attempt that starts takes the object: it stays where the attempt can read it, or comes
    /// back into memory and the attempt is told.
    pub(crate) fn pin(&mut self, object: ObjectKey, reader: Token, from: ReadFrom) -> Pinned {
        let Some(Presence::Held(held)) = self.known.get_mut(&object) else {
            return Pinned::Nowhere;
        };
        held.readers += 1;
        match &mut held.place {
            Place::Memory => {
                if held.readers == 1 {
                    self.idle.remove(&held.used);
                }
                Pinned::There
            }
            Place::Aside(_) | Place::Restoring(..) if from == ReadFrom::Device => Pinned::There,
            Place::Aside(aside) => {
                held.place = Place::Restoring(vec![reader], *aside);
                self.restoring += 1;
                Pinned::Aside
            }
            Place::Spilling(waiters) | Place::Restoring(waiters, _) => {
                waiters.push(reader);
                Pinned::Moving
            }
        }
    }

    /// An attempt that took the object needs it no more.
    pub(crate) fn unpin(&mut self, object: ObjectKey, reader: Token) {
        let used = self.next_use();
        let Some(Presence::Held(held)) = self.known.get_mut(&object) else { return };
        // It may have been dropped and made again meanwhile; then nobody pinned this one.
        held.readers = held.readers.saturating_sub(1);
        match &mut held.place {
            Place::Memory if held.readers == 0 && is_large(held.size_bytes) => {
                self.idle.remove(&held.used);
                held.used = used;
                self.idle.insert(used, object);
            }
            Place::Memory | Place::Aside(_) => {}
            Place::Spilling(waiters) | Place::Restoring(waiters, _) => {
                waiters.retain(|waiter| *waiter != reader);
            }
        }
    }

    /// Picks what was used longest ago, up to so many bytes, to be written to disk.
    pub(crate) fn choose_victims(&mut self, bytes: u64, victims: &mut Vec<ObjectKey>) {
        let mut freed = 0;
        while freed < bytes
            && let Some((_, object)) = self.idle.pop_first()
        {
            let Some(Presence::Held(held)) = self.known.get_mut(&object) else { continue };
            held.place = Place::Spilling(Vec::new());
            self.spilling += 1;
            freed += held.size_bytes;
            victims.push(object);
        }
    }

    /// The object is on disk, and no more in memory; who wants it back. Nothing where it is not
    /// known any more.
    pub(crate) fn spilled(&mut self, object: ObjectKey) -> Option<Spilled> {
        let Some(Presence::Held(held)) = self.known.get_mut(&object) else { return None };
        let waiters = match &mut held.place {
            Place::Spilling(waiters) => waiters,
            // Its device and memory had no room for it.
            Place::Aside(Aside::Device(_)) => {
                held.place = Place::Aside(Aside::Disk);
                return Some(Spilled::Stays);
            }
            // It comes from the disk now; who brings it back finds it there.
            Place::Restoring(_, aside) => {
                *aside = Aside::Disk;
                return None;
            }
            Place::Memory | Place::Aside(Aside::Disk) => return None,
        };
        self.spilling -= 1;
        if waiters.is_empty() {
            held.place = Place::Aside(Aside::Disk);
            return Some(Spilled::Stays);
        }
        held.place = Place::Restoring(std::mem::take(waiters), Aside::Disk);
        self.restoring += 1;
        Some(Spilled::ComesBack)
    }

    /// The object could not be written to disk, or is in memory now; who waited for that.
    pub(crate) fn in_memory(&mut self, object: ObjectKey) -> Vec<Token> {
        let used = self.next_use();
        let Some(Presence::Held(held)) = self.known.get_mut(&object) else { return Vec::new() };
        let waiters = match &mut held.place {
            Place::Spilling(waiters) => {
                self.spilling -= 1;
                std::mem::take(waiters)
            }
            Place::Restoring(waiters, _) => {
                self.restoring -= 1;
                std::mem::take(waiters)
            }
            Place::Aside(_) => Vec::new(),
            Place::Memory => return Vec::new(),
        };
        held.place = Place::Memory;
        held.used = used;
        if held.readers == 0 && is_large(held.size_bytes) {
            self.idle.insert(used, object);
        }
        waiters
    }

    /// The object stays aside: there is no room for it. Who waited for it, and where it is.
    pub(crate) fn stays_aside(&mut self, object: ObjectKey) -> Option<(Vec<Token>, Aside)> {
        let Some(Presence::Held(held)) = self.known.get_mut(&object) else { return None };
        let Place::Restoring(waiters, aside) = &mut held.place else { return None };
        let (waiters, aside) = (std::mem::take(waiters), *aside);
        held.place = Place::Aside(aside);
        self.restoring -= 1;
        Some((waiters, aside))
    }

    /// Whether nobody waits for an object that comes back into memory.
    pub(crate) fn is_unwanted(&self, object: ObjectKey) -> bool {
        match self.known.get(&object) {
            Some(Presence::Held(Held { place: Place::Restoring(waiters, _), .. })) => {
                waiters.is_empty()
            }
            _ => false,
        }
    }

    /// Whether it comes back into memory.
    pub(crate) fn is_restoring(&self, object: ObjectKey) -> bool {
        let held = self.known.get(&object);
        matches!(held, Some(Presence::Held(Held { place: Place::Restoring(..), .. })))
    }

    /// Whether it is neither in memory nor on its way there.
    pub(crate) fn is_aside(&self, object: ObjectKey) -> bool {
        let held = self.known.get(&object);
        matches!(held, Some(Presence::Held(Held { place: Place::Aside(_), .. })))
    }

    /// How many are on their way to the disk.
    pub(crate) fn spilling(&self) -> usize {
        self.spilling
    }

    /// How many are on their way back.
    pub(crate) fn restoring(&self) -> usize {
        self.restoring
    }

    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

/// What becomes of an object that was written to disk.
pub(crate) enum Spilled {
    Stays,
    /// Somebody has come to want it meanwhile.
    ComesBack,
}

/// Whether it takes memory that objects share; small ones are kept elsewhere and never move.
fn is_large(size_bytes: u64) -> bool {
    size_bytes > INLINE_LIMIT_BYTES as u64
}
