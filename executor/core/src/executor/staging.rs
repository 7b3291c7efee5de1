//! Between admission and start: inputs come back from disk or from a device, and memory is made for
//! those who wait for it.
//!
//! An attempt that was admitted takes all its inputs at once, so that none of them moves any more;
//! while some are on their way into memory it holds its cores and is *staged*. Memory is made by
//! writing to disk what no started attempt reads, the least recently used first. Where nothing can
//! go and everybody who has started waits for memory, the attempt staged last goes back into the
//! queue; where there is none, the latest wish is refused. So somebody always goes on.

use drawloom_model::{
    Assignment, AttemptId, Failure, FailureKind, FromExecutor, InputSource, ObjectKey, Outcome,
    ReplicaPlace, Time,
};

use super::{Commands, Executor};
use crate::Command;
use crate::attempts::{Entry, Stage, Staged, Token};
use crate::cores::Cores;
use crate::objects::{Pinned, ReadFrom, Spilled};
use crate::room::{Room, RoomAnswer, RoomFor, RoomId};

impl Executor {
    /// An admitted attempt takes its inputs; it starts at once when all are in memory.
    pub(super) fn stage(
        &mut self,
        now: Time,
        token: Token,
        assignment: Box<Assignment>,
        cores: Cores,
        commands: &mut Commands,
    ) {
        let mut missing = 0;
        let mut lost = None;
        let from = if assignment.runs_on_device() { ReadFrom::Device } else { ReadFrom::Memory };
        for object in taken(&assignment) {
            match self.objects.pin(object, token, from) {
                Pinned::There => {}
                Pinned::Moving => missing += 1,
                Pinned::Aside => {
                    missing += 1;
                    commands.push(Command::Restore { object });
                }
                Pinned::Nowhere => lost = Some(object),
            }
        }
        if missing == 0 && lost.is_none() {
            return self.start(now, token, assignment, cores, commands);
        }
        let Some(entry) = self.attempts.get_mut(token) else { return };
        entry.stage = Stage::Staged(Staged { assignment, cores, missing });
        self.staged.insert(token.arrival, token);
        if let Some(lost) = lost {
            self.lose_input(now, token, lost, commands);
        }
    }

    /// Lets go of what a staged attempt holds.
    pub(super) fn unstage(&mut self, token: Token) -> Option<Box<Assignment>> {
        let entry = self.attempts.get_mut(token)?;
        if !matches!(entry.stage, Stage::Staged(_)) {
            return None;
        }
        let class = entry.class;
        let Stage::Staged(staged) = std::mem::replace(&mut entry.stage, Stage::Ended) else {
            return None;
        };
        self.staged.remove(&token.arrival);
        for object in taken(&staged.assignment) {
            self.objects.unpin(object, token);
        }
        self.admission.give_back(class, &staged.cores);
        Some(staged.assignment)
    }

    pub(super) fn on_spilled(&mut self, object: ObjectKey, commands: &mut Commands) {
        self.rooms.spilled();
        match self.objects.spilled(object) {
            Some(Spilled::Stays) => say_moved(object, ReplicaPlace::Disk, commands),
            Some(Spilled::ComesBack) => commands.push(Command::Restore { object }),
            None => {}
        }
        self.on_room_freed(commands);
    }

    pub(super) fn on_spill_failed(
        &mut self,
        now: Time,
        object: ObjectKey,
        why: String,
        commands: &mut Commands,
    ) {
        self.rooms.not_spilled(why);
        let waiters = self.objects.in_memory(object);
        self.staged_less(now, waiters, commands);
    }

    pub(super) fn on_restored(&mut self, now: Time, object: ObjectKey, commands: &mut Commands) {
        if self.objects.is_restoring(object) || self.objects.is_aside(object) {
            say_moved(object, ReplicaPlace::Memory, commands);
        }
        let waiters = self.objects.in_memory(object);
        self.staged_less(now, waiters, commands);
    }

    /// An object did not come back: it is lost, or stays where it is for want of memory.
    pub(super) fn on_restore_failed(
        &mut self,
        now: Time,
        object: ObjectKey,
        failure: &Failure,
        commands: &mut Commands,
    ) {
        if !self.objects.is_restoring(object) {
            return; // Released meanwhile.
        }
        if failure.kind != FailureKind::OutOfMemory {
            return self.on_object_lost(now, object, failure, commands);
        }
        let Some((waiters, aside)) = self.objects.stays_aside(object) else { return };
        say_moved(object, aside.replica_place(), commands);
        for token in waiters {
            self.end_unstarted(now, token, Outcome::Failed(failure.clone()), commands);
        }
    }

    /// An object is no more: those fail that wait for it.
    pub(super) fn on_object_lost(
        &mut self,
        now: Time,
        object: ObjectKey,
        failure: &Failure,
        commands: &mut Commands,
    ) {
        let Some(waiters) = self.objects.release(object) else { return };
        commands.push(Command::Drop { objects: vec![object] });
        commands.push(Command::Say(FromExecutor::ReplicaLost { object }));
        for token in waiters {
            self.end_unstarted(now, token, Outcome::Failed(failure.clone()), commands);
        }
    }

    /// Somebody wants memory that there is not.
    pub(super) fn on_room_wanted(
        &mut self,
        id: RoomId,
        missing_bytes: u64,
        purpose: RoomFor,
        commands: &mut Commands,
    ) {
        self.rooms.waiting.insert(id, Room { missing_bytes, purpose });
        if matches!(purpose, RoomFor::Attempt(attempt) if self.is_killed(attempt)) {
            self.refuse(id, commands);
        }
    }

    fn is_killed(&self, attempt: AttemptId) -> bool {
        let entry = self.attempts.find(attempt).and_then(|token| self.attempts.get(token));
        entry.is_some_and(|entry| match &entry.stage {
            Stage::Running(running) => running.killed.is_some(),
            _ => false,
        })
    }

    /// A running attempt is to end: it must not wait for memory.
    pub(super) fn refuse_killed(&mut self, attempt: AttemptId, commands: &mut Commands) {
        while let Some(room) = self.rooms.last(|purpose| purpose == RoomFor::Attempt(attempt)) {
            self.refuse(room, commands);
        }
    }

    /// Some memory came free: everybody who waits tries again.
    pub(super) fn on_room_freed(&mut self, commands: &mut Commands) {
        while let Some((room, _)) = self.rooms.waiting.pop_first() {
            commands.push(Command::AnswerRoom { room, answer: RoomAnswer::TryAgain });
        }
    }

    /// Makes memory for the first who waits, or finds that there is none to be had.
    pub(super) fn make_room(&mut self, commands: &mut Commands) {
        while let Some((_, first)) = self.rooms.waiting.first_key_value() {
            let missing_bytes = first.missing_bytes;
            if self.objects.spilling() > 0 {
                return;
            }
            let mut victims = Vec::new();
            if self.can_spill && self.rooms.may_spill() {
                self.objects.choose_victims(missing_bytes, &mut victims);
            }
            if !victims.is_empty() {
                let spill = |object| Command::Spill { object };
                commands.extend(victims.into_iter().map(spill));
                return;
            }
            if let Some(client) = self.rooms.last(|purpose| purpose == RoomFor::Client) {
                self.refuse(client, commands);
            } else if self.somebody_goes_on() {
                return;
            } else if !self.take_back_staged(commands) {
                let Some(last) = self.latest_wish() else { return };
                self.refuse(last, commands);
            }
        }
        // Whoever wants memory later tries the disk again.
        self.rooms.failures = 0;
    }

    /// Whether an attempt runs, or an object comes back, that does not wait for memory itself, nor
    /// for tasks that may.
    fn somebody_goes_on(&self) -> bool {
        let restores = |purpose| matches!(purpose, RoomFor::Object(object) if self.objects.is_restoring(object));
        let waiting = self.rooms.waiting.values().filter(|room| restores(room.purpose)).count();
        self.running - self.suspended > self.rooms.attempts() || self.objects.restoring() > waiting
    }

    /// Puts the attempt staged last back into the queue, unless it is the only one that started;
    /// whether there was one.
    fn take_back_staged(&mut self, commands: &mut Commands) -> bool {
        if self.running == 0 && self.staged.len() < 2 {
            return false;
        }
        let Some((_, token)) = self.staged.last_key_value() else { return false };
        let token = *token;
        let Some(assignment) = self.unstage(token) else { return false };
        let Some(entry) = self.attempts.get_mut(token) else { return false };
        let (class, rank) = (entry.class, entry.rank());
        entry.stage = Stage::Ready { assignment };
        self.admission.push(class, rank, token);
        self.cancel_unwanted(commands);
        true
    }

    /// Ends waits for memory for objects that nobody wants back any more.
    fn cancel_unwanted(&mut self, commands: &mut Commands) {
        let unwanted = |room: &Room| matches!(room.purpose, RoomFor::Object(object) if self.objects.is_unwanted(object));
        let rooms = self.rooms.waiting.iter().filter(|(_, room)| unwanted(room));
        let rooms = rooms.map(|(id, _)| *id).collect::<Vec<_>>();
        for room in rooms {
            self.refuse(room, commands);
        }
    }

    /// Whose wish is refused first: those of attempts that have not started, then the others.
    fn latest_wish(&self) -> Option<RoomId> {
        let fetched = |purpose| matches!(purpose, RoomFor::Object(object) if !self.objects.is_restoring(object));
        let restored = |purpose| matches!(purpose, RoomFor::Object(_));
        self.rooms
            .last(fetched)
            .or_else(|| self.rooms.last(restored))
            .or_else(|| self.rooms.last(|_| true))
    }

    fn refuse(&mut self, room: RoomId, commands: &mut Commands) {
        self.rooms.waiting.remove(&room);
        let why = self.rooms.obstacle.clone();
        commands.push(Command::AnswerRoom { room, answer: RoomAnswer::Refused { why } });
    }

    /// Staged attempts miss one object less.
    fn staged_less(&mut self, now: Time, tokens: Vec<Token>, commands: &mut Commands) {
        for token in tokens {
            let Some(entry) = self.attempts.get_mut(token) else { continue };
            let Stage::Staged(staged) = &mut entry.stage else { continue };
            staged.missing -= 1;
            if staged.missing > 0 {
                continue;
            }
            let Stage::Staged(staged) = std::mem::replace(&mut entry.stage, Stage::Ended) else {
                continue;
            };
            self.staged.remove(&token.arrival);
            self.start(now, token, staged.assignment, staged.cores, commands);
        }
    }

    /// A running attempt has ended: others may push its inputs out now.
    pub(super) fn unpin_inputs(&mut self, token: Token, entry: &Entry) {
        let Stage::Running(running) = &entry.stage else { return };
        self.running -= 1;
        for object in &running.reads {
            self.objects.unpin(*object, token);
        }
    }
}

/// The objects that an attempt takes from the store.
pub(super) fn taken(assignment: &Assignment) -> impl Iterator<Item = ObjectKey> + '_ {
    let stored =
        assignment.inputs.iter().filter(|input| !matches!(input.source, InputSource::Inline(_)));
    stored.map(|input| input.object)
}

fn say_moved(object: ObjectKey, place: ReplicaPlace, commands: &mut Commands) {
    commands.push(Command::Say(FromExecutor::ReplicaMoved { object, place }));
}
