//! Policies: where a ready task runs. Ordering is the ready queue's; a policy proposes a place,
//! the ledger decides.

mod basis;
mod earliest_finish;
mod round_robin;

use drawloom_model::{DeviceIndex, ExecutorId, ObjectKey, ObjectReport, TaskKey, Time};
use smallvec::SmallVec;

pub use basis::Basis;
pub use earliest_finish::EarliestFinish;
pub use round_robin::RoundRobin;

use crate::class::{Class, ClassId, Classes};
use crate::cluster::{Cluster, Executor, Seating};
use crate::cost::{Costs, DeviceClassId, Ways};
use crate::estimate::{Bandwidth, Estimates, LEAST_NANOS};
use crate::state::State;

/// How many executors that hold inputs of a task are compared at most.
const HOLDERS_LIMIT: usize = 16;

/// Chooses where ready tasks run. The same calls give the same answers.
pub trait Policy: Send {
    /// The name it is chosen by.
    fn name(&self) -> &'static str;

    /// A place for the first task of a class, or `None` to leave the class waiting until capacity
    /// comes back. Called for one task at a time, so it sees what was placed before.
    fn place(&mut self, now: Time, task: &Candidate<'_>, view: &View<'_>) -> Option<Placement>;

    /// A place on `executor` for a task whose inputs are being made there, so that it can be
    /// sent ahead; `None` to wait until it is ready.
    fn follow(
        &mut self,
        _now: Time,
        task: &Candidate<'_>,
        executor: ExecutorId,
        view: &View<'_>,
    ) -> Option<Placement> {
        let variants = 0..task.class.variants.len() as u8;
        let eligible = |variant: &u8| {
            let executors = &task.class.variants[usize::from(*variant)].eligible;
            executors.binary_search(&executor).is_ok()
        };
        let variant = variants.into_iter().find(eligible)?;
        let mut placement = view.proposal(task, variant, executor)?;
        placement.reason.kind = ReasonKind::FollowsInputs;
        Some(placement)
    }
}

/// The policies by name, the default first.
pub const POLICIES: [&str; 2] = ["earliest-finish", "round-robin"];

/// The policy of that name.
pub fn policy(name: &str) -> Option<Box<dyn Policy>> {
    match name {
        "earliest-finish" => Some(Box::new(EarliestFinish)),
        "round-robin" => Some(Box::new(RoundRobin::default())),
        _ => None,
    }
}

/// A task to be placed.
pub struct Candidate<'a> {
    /// The task.
    pub task: TaskKey,
    /// Its class.
    pub class: &'a Class,
    pub(crate) class_id: ClassId,
    pub(crate) hints: SmallVec<[Option<std::time::Duration>; 2]>,
    pub(crate) ways: &'a Ways,
    /// How much it is expected to take and make.
    pub(crate) bytes: u64,
    /// The objects it takes.
    pub inputs: &'a [ObjectKey],
}

/// A proposal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// Where.
    pub executor: ExecutorId,
    /// Which variant.
    pub variant: u8,
    /// On which devices.
    pub devices: SmallVec<[DeviceIndex; 2]>,
    /// Why there.
    pub reason: Reason,
}

/// Why a task was placed where it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reason {
    /// What decided.
    pub kind: ReasonKind,
    /// How many places were compared.
    pub compared: u16,
    /// Expected time until it could start.
    pub wait_nanos: u64,
    /// Bytes of inputs that were not there.
    pub missing_bytes: u64,
    /// Expected time to copy inputs between the host and its device, once they are on the host.
    pub copy_nanos: u64,
    /// Expected run time.
    pub run_nanos: u64,
    /// What the expected run time rests on.
    pub basis: Basis,
}

/// What decided a placement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum ReasonKind {
    /// The earliest expected finish among those compared.
    #[default]
    EarliestFinish,
    /// Its inputs are being made there.
    FollowsInputs,
    /// The policy's turn, whatever the cost.
    Turn,
    /// A measurement of the variant was wanted.
    Sample,
    /// Its gang was placed as a whole.
    Gang,
    /// It is a call, and its actor is there.
    WithActor,
}

impl ReasonKind {
    /// The name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            ReasonKind::EarliestFinish => "earliest_finish",
            ReasonKind::FollowsInputs => "follows_inputs",
            ReasonKind::Turn => "turn",
            ReasonKind::Sample => "sample",
            ReasonKind::Gang => "gang",
            ReasonKind::WithActor => "with_actor",
        }
    }
}

/// What a policy may look at.
pub struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) cluster: &'a Cluster,
    pub(crate) classes: &'a Classes,
    pub(crate) costs: &'a Costs,
    pub(crate) estimates: &'a Estimates,
    pub(crate) bandwidth: &'a Bandwidth,
}

impl View<'_> {
    /// Whether the executor takes more now.
    pub fn is_open(&self, executor: ExecutorId) -> bool {
        self.cluster.is_open(executor)
    }

    /// Executors that take more, by load, then by id.
    pub fn by_load(&self) -> impl Iterator<Item = ExecutorId> + '_ {
        self.cluster.load().ascending().map(|(_, executor)| executor)
    }

    /// The executor with the least load.
    pub fn least_loaded(&self) -> Option<ExecutorId> {
        self.cluster.load().first().map(|(_, executor)| executor)
    }

    /// How long an executor's work would keep all its cores busy.
    pub fn load_nanos(&self, executor: ExecutorId) -> u64 {
        self.cluster.executor(executor).map_or(0, Executor::load_nanos)
    }

    /// The executors that hold an input of the task, in order, each once; where they are many, those
    /// that hold the most bytes: a task that joins what a thousand executors made finds little on any
    /// one of them, and comparing them all would take inputs × executors.
    pub fn holders(&self, task: &Candidate<'_>) -> SmallVec<[ExecutorId; 4]> {
        let mut held: SmallVec<[(ExecutorId, u64); 4]> = SmallVec::new();
        for input in task.inputs {
            let bytes = self.state.report(*input).map_or(0, ObjectReport::size_bytes);
            held.extend(self.cluster.holders(*input).iter().map(|holder| (*holder, bytes)));
        }
        held.sort_unstable_by_key(|(holder, _)| *holder);
        held.dedup_by(|(holder, bytes), (kept, sum)| {
            let is_same = holder == kept;
            *sum += if is_same { *bytes } else { 0 };
            is_same
        });
        if held.len() > HOLDERS_LIMIT {
            held.sort_unstable_by_key(|(holder, bytes)| (std::cmp::Reverse(*bytes), *holder));
            held.truncate(HOLDERS_LIMIT);
            held.sort_unstable_by_key(|(holder, _)| *holder);
        }
        held.into_iter().map(|(holder, _)| holder).collect()
    }

    /// Bytes of the task's inputs that the executor does not hold.
    pub fn missing_bytes(&self, task: &Candidate<'_>, executor: ExecutorId) -> u64 {
        let missing = task.inputs.iter().filter(|input| !self.cluster.holds(executor, **input));
        missing.filter_map(|input| self.state.report(*input)).map(|r| r.size_bytes()).sum()
    }

    /// Expected run time of a variant on devices of an executor, and what that rests on: what was
    /// measured of its way on such devices for its size, else of its class, else its hint.
    pub fn run_time(
        &self,
        task: &Candidate<'_>,
        variant: u8,
        executor: ExecutorId,
        devices: &[DeviceIndex],
    ) -> (u64, Basis) {
        let entry = self.cluster.executor(executor);
        let class = entry.map_or(DeviceClassId::CPU, |entry| entry.device_class(devices));
        let way = task.ways.get(usize::from(variant)).copied().flatten();
        if let Some(expected) = way.and_then(|way| self.costs.expected(way, class, task.bytes)) {
            return (expected.nanos.max(LEAST_NANOS), Basis::of(expected));
        }
        let hint = task.hints.get(usize::from(variant)).copied().flatten();
        self.estimates.expected(task.class_id, variant, hint)
    }

    /// Whether the placement would bring a measurement of a variant that is wanted: otherwise a hint
    /// that is wrong would keep a variant from being tried for ever.
    pub fn brings_sample(&self, task: &Candidate<'_>, placement: &Placement) -> bool {
        if task.class.variants.len() < 2 {
            return false;
        }
        let Some(way) = task.ways.get(usize::from(placement.variant)).copied().flatten() else {
            return false;
        };
        let Some(entry) = self.cluster.executor(placement.executor) else { return false };
        self.costs.wants_try(way, entry.device_class(&placement.devices), task.bytes)
    }

    /// Expected time from now until the placed task has run. Inputs arrive on the host while it
    /// waits, and are copied to its device after that.
    pub fn finish_nanos(&self, reason: &Reason) -> u64 {
        let start = reason.wait_nanos.max(self.transfer_nanos(reason.missing_bytes));
        // A guess at the run time is not made better by adding what is known; until there is more,
        // the order of variants decides.
        let copy_nanos = if reason.basis == Basis::Nothing { 0 } else { reason.copy_nanos };
        start.saturating_add(copy_nanos).saturating_add(reason.run_nanos)
    }

    /// Expected time to copy the task's inputs between the host and these devices.
    pub(crate) fn copy_nanos(
        &self,
        task: &Candidate<'_>,
        executor: ExecutorId,
        devices: &[DeviceIndex],
    ) -> u64 {
        let size = |object| self.state.report(object).map(ObjectReport::size_bytes);
        self.cluster
            .executor(executor)
            .map_or(0, |entry| entry.copy_nanos(task.inputs, devices, size))
    }

    /// The devices of an executor for a variant, and what it takes to bring the inputs there.
    pub(crate) fn seating(&self, entry: &Executor, task: &Candidate<'_>, variant: u8) -> Seating {
        let request = &task.class.variants[usize::from(variant)].request;
        let size = |object| self.state.report(object).map(ObjectReport::size_bytes);
        entry.choose_devices(request, task.inputs, size)
    }

    /// Expected time to move so many bytes.
    pub fn transfer_nanos(&self, bytes: u64) -> u64 {
        self.bandwidth.nanos(bytes)
    }

    /// A placement of a variant on an executor, with what it is expected to cost; `None` when the
    /// executor is gone or takes no more, or what it has left is kept for a gang.
    pub fn proposal(
        &self,
        task: &Candidate<'_>,
        variant: u8,
        executor: ExecutorId,
    ) -> Option<Placement> {
        if !self.is_open(executor) {
            return None;
        }
        let entry: &Executor = self.cluster.executor(executor)?;
        let request = &task.class.variants[usize::from(variant)].request;
        let seating = self.seating(entry, task, variant);
        let wait_nanos = entry.wait_nanos(request, &seating);
        let Seating { devices, copy_nanos, .. } = seating;
        // Actors have it, and keep it, or room is kept for a gang.
        if !entry.could_take(request, &devices) || !entry.spares(request, &devices) {
            return None;
        }
        let (run_nanos, basis) = self.run_time(task, variant, executor, &devices);
        Some(Placement {
            executor,
            variant,
            devices,
            reason: Reason {
                kind: ReasonKind::EarliestFinish,
                compared: 1,
                wait_nanos,
                missing_bytes: self.missing_bytes(task, executor),
                copy_nanos,
                run_nanos,
                basis,
            },
        })
    }

    pub(crate) fn class(&self, id: ClassId) -> &Class {
        self.classes.get(id)
    }
}
