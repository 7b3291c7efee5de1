//! Gangs: when they are ready, how they are placed as a whole, and how they fall apart as a whole.

use std::iter::Peekable;
use std::vec::IntoIter;

use drawloom_model::{
    AttemptId, Capacity, Failure, FailureKind, Gang, JobKey, ResourceRequest, TaskKey, Time,
    ToExecutor,
};

use super::Scheduler;
use crate::class::ClassId;
use crate::gang::{GangKey, Member, PATIENCE_PLACEMENTS, Room, Seat, Shortage, Turn, plan};
use crate::ledger::Claim;
use crate::policy::{Placement, Reason, ReasonKind};
use crate::state::Phase;
use crate::timers::Timer;
use crate::{AttemptCause, Commands, Fact, JobEvent, TaskEnd, TaskState};

/// The gangs whose turn is still to come in a round.
pub(super) struct Turns {
    left: Peekable<IntoIter<Turn>>,
    /// Whether room was kept for one: only the first that does not fit has any.
    kept: bool,
}

/// What of executors counts as free.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Free {
    /// What is free now and wanted by nothing that executors have.
    Now,
    /// The same, without what is kept for another gang.
    Spare,
    /// All of it.
    WhenIdle,
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
            let reason = Reason {
                kind: ReasonKind::Gang,
                compared: u16::try_from(compared).unwrap_or(u16::MAX),
                wait_nanos: 0,
                missing_bytes: view.missing_bytes(candidate, executor),
                run_nanos: view.run_nanos(candidate, variant),
            };
            Some(Placement { executor, variant, devices, reason })
        });
        if let Some(placement) = placement {
            self.dispatch(now, key, class, placement, super::place::Standing::Claimed, commands);
        }
    }

    /// Whether there are as many cores free as the members ask for at least: most often the
    /// answer is no, and nothing else need be looked at.
    fn may_fit(&self, members: &[TaskKey]) -> bool {
        let asked: u64 = members
            .iter()
            .filter_map(|member| {
                let variants = &self.state.job(member.job)?.template_of(member.index).variants;
                variants.iter().map(|variant| variant.request.cpu_milli).min()
            })
            .sum();
        let open = self.cluster.executors().filter(|executor| !executor.draining);
        open.map(|executor| executor.account.free().cpu_milli).sum::<u64>() >= asked
    }

    fn seats(
        &self,
        key: GangKey,
        members: &[TaskKey],
        rooms: &[Room],
    ) -> Result<Vec<Seat>, Option<Shortage>> {
        let gang = self.gang(key).ok_or(None)?;
        let member = |task: &TaskKey| {
            let template = self.state.task(*task)?.template;
            let class_id = self.soft.class_of(task.job, template);
            Some(Member { task: task.index, class_id, class: self.classes.get(class_id) })
        };
        let members: Vec<Member<'_>> = members.iter().filter_map(member).collect();
        plan(gang, &members, rooms).map_err(Some)
    }

    /// What each executor has for a gang.
    fn rooms(&self, members: &[TaskKey], free: Free) -> Vec<Room> {
        let mut held = std::collections::BTreeMap::new();
        for task in members {
            let inputs = self.state.job(task.job).map_or(&[][..], |job| job.inputs(task.index));
            for input in inputs {
                let size_bytes = self.state.report(*input).map_or(0, |r| r.size_bytes());
                for holder in self.cluster.holders(*input) {
                    *held.entry(*holder).or_insert(0) += size_bytes;
                }
            }
        }
        let mut uncommitted = match free {
            Free::Now | Free::Spare => self.uncommitted(),
            Free::WhenIdle => Default::default(),
        };
        let open = self.cluster.executors().filter(|executor| !executor.draining);
        open.map(|executor| Room {
            executor: executor.id,
            info: executor.info.clone(),
            version: executor.account.version(),
            free: match free {
                Free::Now => uncommitted.remove(&executor.id).unwrap_or_default(),
                Free::Spare => {
                    let free = uncommitted.remove(&executor.id).unwrap_or_default();
                    executor.spare().cloned().unwrap_or(free)
                }
                Free::WhenIdle => executor.account.capacity().clone(),
            },
            busy_nanos: if free == Free::WhenIdle { executor.load_nanos() } else { 0 },
            held_bytes: held.get(&executor.id).copied().unwrap_or(0),
        })
        .collect()
    }

    /// What is free for a gang outside of rounds.
    fn free_for(&self, gang: GangKey) -> Free {
        let keeps = |waiting: &crate::gang::Waiting| !waiting.reserved.is_empty();
        if self.gangs.get(gang).is_some_and(keeps) { Free::Now } else { Free::Spare }
    }

    fn uncommitted(&self) -> std::collections::BTreeMap<drawloom_model::ExecutorId, Capacity> {
        let classes = &self.classes;
        self.cluster.uncommitted(|active| {
            &classes.get(active.class).variants[usize::from(active.variant)].request
        })
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

    pub(super) fn exceed_gang_timeout(&mut self, now: Time, key: GangKey, commands: &mut Commands) {
        let Some(gang) = self.gang(key) else { return };
        let Some(timeout) = gang.timeout else { return };
        let members = self.unended_members(key);
        if !self.is_assembled(&members) {
            return;
        }
        let rooms = self.rooms(&members, self.free_for(key));
        let why = match self.seats(key, &members, &rooms) {
            Err(Some(shortage)) => format!("{shortage} now"),
            _ => "its turn did not come".to_owned(),
        };
        let message =
            format!("gang {:?} was not placed within its timeout of {timeout:?}: {why}", gang.name);
        let end = TaskEnd::Failed(Failure::new(FailureKind::DeadlineExceeded, message));
        self.counters.gangs_timed_out += 1;
        self.end_together(now, &members, end, commands);
        self.end_job_if_complete(now, key.job, commands);
    }

    /// A member's attempt was given up: so are the others', and the gang starts again as a whole.
    pub(super) fn disband(&mut self, now: Time, key: TaskKey, commands: &mut Commands) {
        let Some(gang) = self.gang_of(key) else { return };
        self.counters.gangs_disbanded += 1;
        for peer in self.unended_members(gang) {
            let Some(task) = self.state.task(peer) else { continue };
            let Phase::Placed(executor) = task.phase else { continue };
            let attempt = AttemptId { task: peer, number: task.attempt };
            if self.dismiss(attempt) {
                self.send(executor, ToExecutor::Cancel { attempt }, commands);
            }
            self.close_last(now, peer);
            let cause = AttemptCause::Disbanded;
            self.record(Fact::AttemptEnded { task: peer, cause }, commands);
            self.set_state(peer, TaskState::Waiting);
            self.tell_disbanded(now, key, attempt, commands);
            self.make_ready(peer);
        }
    }

    fn tell_disbanded(
        &self,
        now: Time,
        cause: TaskKey,
        attempt: AttemptId,
        commands: &mut Commands,
    ) {
        let Some(job) = self.state.job(cause.job) else { return };
        let message = format!("its gang starts again because {} does", job.describe(cause.index));
        let failure = Failure::new(FailureKind::Upstream, message);
        let AttemptId { task, number } = attempt;
        let (delay, span) = (Default::default(), self.last_span(now, task));
        let (index, attempt) = (task.index, number);
        let event = JobEvent::TaskRetried { task: index, attempt, failure, delay, span };
        self.notify(task.job, event, commands);
    }

    /// How a gang's other members end when one has ended without success.
    pub(super) fn peer_end(&self, job: JobKey, gang: u32, cause: u32) -> TaskEnd {
        let Some(job) = self.state.job(job) else { return TaskEnd::Cancelled };
        if job.tasks[cause as usize].phase == Phase::Cancelled {
            return TaskEnd::Cancelled;
        }
        let name = job.gangs.get(gang).map_or("", |gang| &gang.name);
        let message = format!("gang {name:?} failed: {} failed", job.describe(cause));
        TaskEnd::Failed(Failure::new(FailureKind::Upstream, message))
    }

    /// How many gangs wait for room.
    pub fn gangs_waiting(&self) -> usize {
        self.gangs.len()
    }

    /// Why a member that is ready is not placed.
    pub(super) fn explain_gang(&self, now: Time, key: GangKey) -> Vec<String> {
        let Some(gang) = self.gang(key) else { return Vec::new() };
        let members = self.unended_members(key);
        let mut reasons = Vec::new();
        if !self.is_assembled(&members) {
            reasons.push(self.explain_unassembled(key, &members));
            return reasons;
        }
        if self.is_leaving(&members) {
            reasons.push("earlier attempts of its gang have not ended yet".to_owned());
        }
        let rooms = self.rooms(&members, self.free_for(key));
        if let Err(Some(shortage)) = self.seats(key, &members, &rooms) {
            reasons.push(format!("{shortage} now"));
        }
        let idle = self.rooms(&members, Free::WhenIdle);
        if let Err(Some(shortage)) = self.seats(key, &members, &idle) {
            reasons.push(format!("{shortage} even when all are idle"));
        }
        let Some(waiting) = self.gangs.get(key) else { return reasons };
        if let Some(since) = waiting.since {
            let waited = now.since(since).as_secs_f64();
            reasons.push(match gang.timeout {
                Some(timeout) => {
                    format!("it has waited for room for {waited:.1} s of at most {timeout:?}")
                }
                None => format!("it has waited for room for {waited:.1} s"),
            });
        }
        let kept = waiting.reserved_on();
        if !kept.is_empty() {
            let names: Vec<String> = kept.iter().map(ToString::to_string).collect();
            reasons.push(format!("what becomes free on {} is kept for it", names.join(", ")));
        }
        reasons
    }

    fn explain_unassembled(&self, key: GangKey, members: &[TaskKey]) -> String {
        const NAMED: usize = 5;
        let Some((gang, job)) = self.gang(key).zip(self.state.job(key.job)) else {
            return String::new();
        };
        let state = |member: &TaskKey| self.soft.task(*member).map(|soft| soft.state);
        let late: Vec<_> = members.iter().filter(|m| state(m) != Some(TaskState::Ready)).collect();
        let describe = |member: &&TaskKey| {
            let state = state(member).map_or("unknown", TaskState::name);
            format!("{} ({state})", job.describe(member.index))
        };
        let mut named: Vec<String> = late.iter().take(NAMED).map(describe).collect();
        if late.len() > NAMED {
            named.push(format!("and {} more", late.len() - NAMED));
        }
        format!(
            "it starts together with its gang {:?}, of which {} member(s) are not ready: {}",
            gang.name,
            late.len(),
            named.join(", ")
        )
    }

    /// Refuses a graph with a gang for which there would be no room if every executor were idle.
    pub(super) fn check_gangs(
        &self,
        graph: &drawloom_model::TaskGraph,
        classes: &[ClassId],
    ) -> Result<(), crate::Refusal> {
        let rooms = if graph.gangs.is_empty() {
            return Ok(());
        } else {
            self.rooms(&[], Free::WhenIdle)
        };
        for (index, gang) in (0..).zip(&graph.gangs) {
            let members: Vec<Member<'_>> = gang
                .members
                .iter()
                .filter_map(|task| {
                    let position = task.checked_sub(graph.first_task)?;
                    let template = graph.tasks.get(position as usize)?.template;
                    let class_id = classes[template as usize];
                    let class = self.classes.get(class_id);
                    Some(Member { task: *task, class_id, class })
                })
                .collect();
            plan(gang, &members, &rooms)
                .map_err(|shortage| crate::Refusal::ImpossibleGang { index, shortage })?;
        }
        Ok(())
    }
}

fn request_of<'a>(classes: &'a crate::class::Classes, seat: &Seat) -> &'a ResourceRequest {
    &classes.get(seat.class).variants[usize::from(seat.variant)].request
}
