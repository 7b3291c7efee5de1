//! Where the members of a gang could sit, all of them at once.
//!
//! Members are taken by size, the largest first (first-fit decreasing, Johnson 1973); where each
//! is to have an executor of its own, a matching of members with executors is found by augmenting
//! paths (Kuhn 1955), so that no gang waits for room that is there. Work is bounded by members
//! times executors, times the members once more in the worst case of a matching.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use drawloom_model::{Demand, DeviceIndex, ExecutorId, Gang, GangStrategy, ResourceRequest};
use smallvec::SmallVec;

use super::room::{Room, domains};
use crate::class::{Class, ClassId};

/// A task of a gang that is to have a place.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    /// Its index in its job.
    pub task: u32,
    pub class_id: ClassId,
    pub class: &'a Class,
}

/// A member's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seat {
    pub task: u32,
    pub class: ClassId,
    pub executor: ExecutorId,
    pub variant: u8,
    pub devices: SmallVec<[DeviceIndex; 2]>,
}

/// What a gang needs and how much of it there is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shortage {
    gang: String,
    strategy: GangStrategy,
    shared: String,
    members: usize,
    /// For how many of its members there is room at once.
    seated: usize,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shortage { gang, strategy, shared, members, seated } = self;
        let strategy = strategy.name();
        match self.strategy {
            GangStrategy::StrictSpread => write!(
                f,
                "gang {gang:?} needs {members} executors that fit its members{shared} ({strategy}), there are {seated}"
            ),
            GangStrategy::StrictPack => write!(
                f,
                "gang {gang:?} needs one executor that fits its {members} members together{shared} ({strategy}), there is room for {seated} at most"
            ),
            GangStrategy::Pack | GangStrategy::Spread => write!(
                f,
                "gang {gang:?} needs room for its {members} members at once{shared} ({strategy}), there is room for {seated}"
            ),
        }
    }
}

/// Seats for all the members, or how far the rooms are from it. Takes nothing.
pub(crate) fn plan(
    gang: &Gang,
    members: &[Member<'_>],
    rooms: &[Room],
) -> Result<Vec<Seat>, Shortage> {
    let mut members = members.to_vec();
    members.sort_by_key(|member| (Reverse(size(&member.class.variants[0].request)), member.task));
    let mut seated = 0;
    let mut attempt = |rooms: &[Room]| {
        let seats = seat(gang.strategy, &members, rooms);
        seats.map_err(|count| seated = seated.max(count)).ok()
    };
    let required = match &gang.topology {
        Some(topology) => {
            let domains = domains(rooms, &topology.shared);
            if let Some(seats) = domains.iter().find_map(|rooms| attempt(rooms)) {
                return Ok(seats);
            }
            (topology.demand == Demand::Required).then_some(&topology.shared)
        }
        None => None,
    };
    if required.is_none()
        && let Some(seats) = attempt(rooms)
    {
        return Ok(seats);
    }
    Err(Shortage {
        gang: gang.name.clone(),
        strategy: gang.strategy,
        shared: required.map_or_else(String::new, |shared| format!(" with {shared}")),
        members: members.len(),
        seated,
    })
}

/// What makes a request hard to place, the hardest first.
fn size(request: &ResourceRequest) -> (u64, u64, u64) {
    let gpu = request.gpu.as_ref();
    let devices = gpu.map_or(0, |gpu| u64::from(gpu.devices) * u64::from(gpu.milli.max(1)));
    (devices, request.cpu_milli, request.memory_bytes)
}

/// Seats for all, or for how many there is room.
fn seat(
    strategy: GangStrategy,
    members: &[Member<'_>],
    rooms: &[Room],
) -> Result<Vec<Seat>, usize> {
    match strategy {
        GangStrategy::StrictPack => strict_pack(members, rooms),
        GangStrategy::Pack => pack(members, rooms),
        GangStrategy::StrictSpread => strict_spread(members, rooms),
        GangStrategy::Spread => spread(members, rooms).or_else(|_| pack(members, rooms)),
    }
}

fn strict_pack(members: &[Member<'_>], rooms: &[Room]) -> Result<Vec<Seat>, usize> {
    let mut rooms = rooms.to_vec();
    rooms.sort_by_key(Room::tightest);
    let mut most = 0;
    for mut room in rooms {
        let seats = fill(&mut room, members.iter());
        if seats.len() == members.len() {
            return Ok(seats);
        }
        most = most.max(seats.len());
    }
    Err(most)
}

/// Fills the rooms that take most members first; where that leaves some over, gives each the
/// tightest room that fits.
fn pack(members: &[Member<'_>], rooms: &[Room]) -> Result<Vec<Seat>, usize> {
    let mut filled: Vec<(usize, Room)> = rooms
        .iter()
        .map(|room| (fill(&mut room.clone(), members.iter()).len(), room.clone()))
        .filter(|(count, _)| *count > 0)
        .collect();
    filled.sort_by_key(|(count, room)| (Reverse(*count), room.tightest()));
    let mut seats: Vec<Seat> = Vec::new();
    let mut left = members.to_vec();
    for (_, room) in &mut filled {
        let taken = fill(room, left.iter());
        left.retain(|member| taken.iter().all(|seat| seat.task != member.task));
        seats.extend(taken);
        if left.is_empty() {
            return Ok(seats);
        }
    }
    let each = one_by_one(members, rooms.to_vec(), BTreeMap::new(), |_, room| room.tightest());
    each.map_err(|count| count.max(seats.len()))
}

fn strict_spread(members: &[Member<'_>], rooms: &[Room]) -> Result<Vec<Seat>, usize> {
    let mut rooms = rooms.to_vec();
    rooms.sort_by_key(Room::widest);
    let seats = matched(members, &mut rooms);
    if seats.len() == members.len() { Ok(seats) } else { Err(seats.len()) }
}

/// As many as can have an executor of their own, then the others where fewest are.
fn spread(members: &[Member<'_>], rooms: &[Room]) -> Result<Vec<Seat>, usize> {
    let mut rooms = rooms.to_vec();
    rooms.sort_by_key(Room::widest);
    let mut seats = matched(members, &mut rooms);
    let mut counts: BTreeMap<ExecutorId, usize> = BTreeMap::new();
    for seat in &seats {
        *counts.entry(seat.executor).or_default() += 1;
    }
    let left: Vec<_> = members
        .iter()
        .filter(|member| seats.iter().all(|seat| seat.task != member.task))
        .copied()
        .collect();
    let rest = one_by_one(&left, rooms, counts, |count, room| (count, room.widest()));
    let rest = rest.map_err(|count| seats.len() + count)?;
    seats.extend(rest);
    Ok(seats)
}

/// Gives each member the first room that fits in the order of `key`, which is told how many seats
/// were given there before, `counts` included.
fn one_by_one<K: Ord>(
    members: &[Member<'_>],
    mut rooms: Vec<Room>,
    mut counts: BTreeMap<ExecutorId, usize>,
    key: impl Fn(usize, &Room) -> K,
) -> Result<Vec<Seat>, usize> {
    let mut seats: Vec<Seat> = Vec::new();
    for member in members {
        let fitting = rooms.iter_mut().filter(|room| room.place_for(member).is_some());
        let count = |room: &Room| counts.get(&room.executor).copied().unwrap_or(0);
        let best = fitting.min_by_key(|room| key(count(room), room));
        match best.and_then(|room| take(room, member)) {
            Some(seat) => {
                *counts.entry(seat.executor).or_default() += 1;
                seats.push(seat);
            }
            None => return Err(seats.len()),
        }
    }
    Ok(seats)
}

/// Seats in one room for as many as fit.
fn fill<'a>(room: &mut Room, members: impl Iterator<Item = &'a Member<'a>>) -> Vec<Seat> {
    members.filter_map(|member| take(room, member)).collect()
}

fn take(room: &mut Room, member: &Member<'_>) -> Option<Seat> {
    let (variant, devices) = room.seat(member)?;
    let (task, class, executor) = (member.task, member.class_id, room.executor);
    Some(Seat { task, class, executor, variant, devices })
}

/// As many members as possible, each in a room of its own; what they take is taken.
fn matched(members: &[Member<'_>], rooms: &mut [Room]) -> Vec<Seat> {
    let mut fitting: BTreeMap<ClassId, Vec<usize>> = BTreeMap::new();
    for member in members {
        fitting.entry(member.class_id).or_insert_with(|| {
            (0..rooms.len()).filter(|room| rooms[*room].place_for(member).is_some()).collect()
        });
    }
    let choices: Vec<&[usize]> =
        members.iter().map(|member| fitting[&member.class_id].as_slice()).collect();
    let mut matching = Matching {
        choices: &choices,
        member_in: vec![None; rooms.len()],
        seen: vec![false; rooms.len()],
    };
    for member in 0..members.len() {
        if matching.augment(member) {
            matching.seen.fill(false);
        }
    }
    let member_in = matching.member_in;
    let pairs = member_in.into_iter().enumerate().filter_map(|(room, m)| Some((room, m?)));
    pairs.filter_map(|(room, member)| take(&mut rooms[room], &members[member])).collect()
}

struct Matching<'a> {
    /// The rooms that fit each member, the preferred first.
    choices: &'a [&'a [usize]],
    member_in: Vec<Option<usize>>,
    /// Rooms from which no path leads on. They stay so until one is found elsewhere.
    seen: Vec<bool>,
}

impl Matching<'_> {
    /// Finds a room for a member, moving others if need be.
    fn augment(&mut self, member: usize) -> bool {
        let choices = self.choices;
        let empty = choices[member].iter().find(|room| self.member_in[**room].is_none());
        if let Some(room) = empty {
            self.member_in[*room] = Some(member);
            return true;
        }
        for room in choices[member] {
            if std::mem::replace(&mut self.seen[*room], true) {
                continue;
            }
            if self.member_in[*room].is_none_or(|other| self.augment(other)) {
                self.member_in[*room] = Some(member);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
