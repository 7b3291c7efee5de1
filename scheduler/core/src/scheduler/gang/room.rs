//! What executors have for gangs, and whether one fits.

use std::collections::BTreeMap;

use drawloom_model::{Capacity, ExecutorId, ResourceRequest, TaskGraph, TaskKey};

use crate::Refusal;
use crate::class::{ClassId, Classes};
use crate::gang::{GangKey, Member, Room, Seat, Shortage, Waiting, plan};
use crate::scheduler::Scheduler;

/// What of executors counts as free.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Free {
    /// What is free now and wanted by nothing that executors have.
    Now,
    /// The same, without what is kept for another gang.
    Spare,
    /// All of it.
    WhenIdle,
}

impl Scheduler {
    /// Refuses a graph with a gang for which there would be no room if every executor were idle.
    pub(in crate::scheduler) fn check_gangs(
        &self,
        graph: &TaskGraph,
        classes: &[ClassId],
    ) -> Result<(), Refusal> {
        if graph.gangs.is_empty() {
            return Ok(());
        }
        let rooms = self.rooms(&[], Free::WhenIdle);
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
                .map_err(|shortage| Refusal::ImpossibleGang { index, shortage })?;
        }
        Ok(())
    }

    /// Whether there are as many cores free as the members ask for at least: most often the
    /// answer is no, and nothing else need be looked at.
    pub(super) fn may_fit(&self, members: &[TaskKey]) -> bool {
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

    pub(super) fn seats(
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
    pub(super) fn rooms(&self, members: &[TaskKey], free: Free) -> Vec<Room> {
        let mut held = BTreeMap::new();
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
    pub(super) fn free_for(&self, gang: GangKey) -> Free {
        let keeps = |waiting: &Waiting| !waiting.reserved.is_empty();
        if self.gangs.get(gang).is_some_and(keeps) { Free::Now } else { Free::Spare }
    }

    pub(super) fn uncommitted(&self) -> BTreeMap<ExecutorId, Capacity> {
        let classes = &self.classes;
        self.cluster.uncommitted(|active| {
            &classes.get(active.class).variants[usize::from(active.variant)].request
        })
    }
}

pub(super) fn request_of<'a>(classes: &'a Classes, seat: &Seat) -> &'a ResourceRequest {
    &classes.get(seat.class).variants[usize::from(seat.variant)].request
}
