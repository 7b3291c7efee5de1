//! Gangs: when they are ready, and how they are placed as a whole.

mod disband;
mod explain;
mod room;

use std::iter::Peekable;
use std::vec::IntoIter;

use drawloom_model::{AttemptId, Gang, JobKey, TaskKey, Time};

use super::Scheduler;
use super::place::Standing;
use crate::gang::{GangKey, PATIENCE_PLACEMENTS, Seat, Turn};
use crate::ledger::Claim;
use crate::policy::{Placement, Reason, ReasonKind};
use crate::timers::Timer;
use crate::{Commands, Fact, TaskState};

use room::{Free, request_of};

/// The gangs whose turn is still to come in a round.
pub(super) struct Turns {
    left: Peekable<IntoIter<Turn>>,
    /// Whether room was kept for one: only the first that does not fit has any.
    kept: bool,
}

impl Scheduler {
    /// The gang that a task is a member of.
    pub(super) fn gang_of(&self, key: TaskKey) -> Option<GangKey> {
        let index = self.state.job(key.job)?.gangs.of_task(key.index)?;
        Some(GangKey { job: key.job, index })
    }

    /// A gang as it was submitted.
    pub(super) fn gang(&self, key: GangKey) -> Option<&Gang> {
        self.state.job(key.job)?.gangs.get(key.index)
    }

    /// The members that have not ended.
    pub(super) fn unended_members(&self, gang: GangKey) -> Vec<TaskKey> {
        let Some(job) = self.state.job(gang.job) else { return Vec::new() };
        let members = job.gangs.get(gang.index).map_or(&[][..], |gang| &gang.members);
        let unended = members.iter().filter(|m| !job.tasks[**m as usize].phase.is_final());
        unended.map(|index| TaskKey { job: gang.job, index: *index }).collect()
    }

    /// A member has become ready: the gang waits for room once every member is.
    pub(super) fn assemble(&mut self, gang: GangKey) {
        let members = self.unended_members(gang);
        if !self.is_assembled(&members) {
            return;
        }
        let Some(job) = self.state.job(gang.job) else { return };
        let priorities = members.iter().map(|member| job.priority_of(member.index));
        let priority = priorities.max().unwrap_or_default();
        self.gangs.push(gang, priority);
    }

    fn is_assembled(&self, members: &[TaskKey]) -> bool {
        let is_ready = |member: &TaskKey| {
            self.soft.task(*member).is_some_and(|soft| soft.state == TaskState::Ready)
        };
        !members.is_empty() && members.iter().all(is_ready)
    }

    /// The time of gangs that have become ready counts from now on.
    pub(super) fn greet_gangs(&mut self, now: Time) -> bool {
        let arrived = self.gangs.take_arrived();
        for key in &arrived {
            let timeout = self.gang(*key).and_then(|gang| gang.timeout);
            let Some(waiting) = self.gangs.get_mut(*key) else { continue };
            waiting.since = Some(now);
            if let Some(timeout) = timeout {
                self.timers.set(now + timeout, Timer::GangTimeout(*key));
            }
        }
        !arrived.is_empty()
    }

    /// The gangs to be placed this round: all of them, if that is worth asking.
    pub(super) fn gang_turns(&mut self, worth_asking: bool) -> Turns {
        let mut left = Vec::new();
        if worth_asking && self.gangs.len() > 0 {
            left.extend(self.gangs.turns());
        }
        Turns { left: left.into_iter().peekable(), kept: false }
    }

    /// Gives their turns to gangs of this priority and larger ones.
    pub(super) fn place_gangs(
        &mut self,
        now: Time,
        priority: i32,
        turns: &mut Turns,
        commands: &mut Commands,
    ) {
        while let Some(turn) = turns.left.next_if(|turn| turn.priority() >= priority) {
            let members = self.unended_members(turn.gang);
            if !self.is_assembled(&members) {
                self.forget_waiting(turn.gang);
                continue;
            }
            if self.is_leaving(&members) {
                continue;
            }
            let lost = members.iter().find_map(|task| Some((*task, self.lost_input(*task)?)));
            if let Some((task, object)) = lost {
                self.fail_for_lost_input(now, task, object, commands);
            } else if !self.place_gang(now, turn.gang, &members, commands) {
                self.pass_over(turn.gang, &members, turns);
            }
        }
    }

    /// Whether an earlier attempt of a member is still on its executor: the gang starts again only
    /// when all are gone, so that no two attempts of a member meet and none makes what the other does.
    fn is_leaving(&self, members: &[TaskKey]) -> bool {
        members.iter().any(|task| {
            let attempt = |number| AttemptId { task: *task, number };
            self.departing.range(attempt(0)..=attempt(u32::MAX)).next().is_some()
        })
    }

    /// Places every member or none.
    fn place_gang(
        &mut self,
        now: Time,
        key: GangKey,
        members: &[TaskKey],
        commands: &mut Commands,
    ) -> bool {
        if !self.may_fit(members) {
            return false;
        }
        let rooms = self.rooms(members, Free::Spare);
        let Ok(seats) = self.seats(key, members, &rooms) else { return false };
        let claims: Vec<Claim<'_>> = seats
            .iter()
            .map(|seat| Claim {
                executor: seat.executor,
                request: request_of(&self.classes, seat),
                devices: &seat.devices,
                expected_version: rooms
                    .iter()
                    .find(|room| room.executor == seat.executor)
                    .map_or(0, |room| room.version),
            })
            .collect();
        if self.cluster.commit_all(&claims).is_err() {
            return false;
        }
        let placements = seats.iter().map(|seat| (seat.task, seat.executor)).collect();
        self.record(Fact::GangPlaced { job: key.job, placements }, commands);
        self.forget_waiting(key);
        self.counters.gangs_placed += 1;
        for seat in seats {
            self.send_member(now, key.job, seat, rooms.len(), commands);
        }
        true
    }

    fn send_member(
        &mut self,
        now: Time,
        job: JobKey,
        seat: Seat,
        compared: usize,
        commands: &mut Commands,
    ) {
        let key = TaskKey { job, index: seat.task };
        let Seat { class, executor, variant, devices, .. } = seat;
        let placement = self.ask(key, class, |_, candidate, view| {
            let (run_nanos, basis) = view.run_time(candidate, variant, executor, &devices);
            let reason = Reason {
                kind: ReasonKind::Gang,
                compared: u16::try_from(compared).unwrap_or(u16::MAX),
                wait_nanos: 0,
                missing_bytes: view.missing_bytes(candidate, executor),
                copy_nanos: view.copy_nanos(candidate, executor, &devices),
                run_nanos,
                basis,
            };
            Some(Placement { executor, variant, devices, reason })
        });
        if let Some(placement) = placement {
            self.dispatch(now, key, class, placement, Standing::Claimed, commands);
        }
    }

    /// Counts how often a gang was passed, and keeps room for the first in the order once that is
    /// often. What is kept is told anew in every round, so that nothing has to be given back.
    fn pass_over(&mut self, key: GangKey, members: &[TaskKey], turns: &mut Turns) {
        let placements = self.counters.total_placements();
        let Some(waiting) = self.gangs.get_mut(key) else { return };
        let passed_at = *waiting.passed_at.get_or_insert(placements);
        if turns.kept || placements - passed_at < PATIENCE_PLACEMENTS {
            turns.kept |= true;
            return;
        }
        let mut reserved = waiting.reserved.clone();
        let stale = |seat: &Seat| self.cluster.executor(seat.executor).is_none_or(|e| e.draining);
        if reserved.is_empty() || reserved.iter().any(stale) {
            let rooms = self.rooms(members, Free::WhenIdle);
            reserved = self.seats(key, members, &rooms).unwrap_or_default();
        }
        if reserved.is_empty() {
            return; // It would not fit if all were idle: the next one may have room kept.
        }
        turns.kept = true;
        let mut spare = self.uncommitted();
        for seat in &reserved {
            if let Some(spare) = spare.get_mut(&seat.executor) {
                spare.withhold(request_of(&self.classes, seat), &seat.devices);
            }
        }
        if let Some(waiting) = self.gangs.get_mut(key) {
            waiting.reserved = reserved;
            for executor in waiting.reserved_on() {
                self.cluster.keep(executor, spare.remove(&executor).unwrap_or_default());
            }
        }
    }

    /// The gang waits for room no longer.
    pub(super) fn forget_waiting(&mut self, gang: GangKey) {
        if let Some(waiting) = self.gangs.remove(gang) {
            // What was kept for it is there for others.
            self.capacity_came_back |= !waiting.reserved.is_empty();
            self.timers.clear(Timer::GangTimeout(gang));
        }
    }
}
