//! Executors and what is on them: soft state, told anew by executors whenever they join.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    AttemptId, Balance, Capacity, DeviceCapacity, DeviceIndex, DeviceUsage, ExecutorId,
    ExecutorInfo, MILLI, ObjectKey, ReplicaPlace, ResourceRequest, Time,
};
use smallvec::SmallVec;

use crate::class::ClassId;
use crate::cost::DeviceClassId;
use crate::ledger::{Account, Claim, Conflict, commit_all};
use crate::load::{CLOSED, LoadTree};
use crate::near::Near;
use crate::queue::Ready;
use crate::transfers::{Sources, Transfers};

/// An attempt's index in [`Cluster`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ActiveIndex(u32);

/// An attempt that an executor has.
#[derive(Debug)]
pub(crate) struct Active {
    pub attempt: AttemptId,
    pub executor: ExecutorId,
    pub class: ClassId,
    pub variant: u8,
    pub devices: SmallVec<[DeviceIndex; 2]>,
    /// Whether its resources are taken from the ledger.
    pub claimed: bool,
    /// Whether it waits for others on its executor. If it does not and has no claim, it lies in
    /// its executor's queue for one.
    pub ahead: bool,
    /// Whether the executor said that it runs.
    pub started: bool,
    /// Whether its executor was asked to give it back.
    pub recalled: bool,
    /// Whether it is an actor, which keeps its claim until it is stopped.
    pub lasting: bool,
    /// Whether it waits for tasks and has no cores in the ledger meanwhile. If it has a claim, it
    /// keeps the rest of it; one that its executor started ahead of its claim has none. Once it may
    /// go on, it lies in its executor's queue for what it lacks.
    pub suspended: bool,
    /// What it adds to its executor's load: expected run time times cores.
    core_nanos: u64,
    /// What it adds to the work of each of its devices: expected run time times its share.
    device_nanos: u64,
}

/// Where a task would run on an executor's devices.
#[derive(Default)]
pub(crate) struct Seating {
    pub devices: SmallVec<[DeviceIndex; 2]>,
    /// Expected time until they are free for it.
    pub queue_nanos: u64,
    /// What it takes to copy its inputs to where it runs.
    pub copy_nanos: u64,
}

/// Bounds on how far dispatch runs ahead of capacity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunAhead {
    /// The most attempts that an executor may have beyond its slots.
    pub attempts: u32,
    /// The most expected work that an executor may have, once it has its first attempts.
    pub horizon: Duration,
}

pub(crate) struct Executor {
    pub id: ExecutorId,
    pub info: Arc<ExecutorInfo>,
    pub address: Arc<str>,
    pub account: Account,
    /// The capacity that actors leave to others, where there are any.
    left_by_actors: Option<Box<Balance>>,
    /// How many claims of actors there are.
    lasting_claims: u32,
    /// Attempts that could start but have no claim, in the order in which they get one.
    queue: VecDeque<(ActiveIndex, AttemptId)>,
    /// How many attempts it has.
    pub outstanding: u32,
    core_nanos: u64,
    /// Of these, attempts that wait for others, and their share of the work.
    ahead: u32,
    ahead_nanos: u64,
    /// Of these, attempts that gave their cores back while they wait for tasks.
    pub suspended: u32,
    /// Expected work of attempts per device, with or without a claim.
    device_nanos: Vec<u64>,
    /// What its devices are, in their order.
    device_classes: SmallVec<[DeviceClassId; 4]>,
    /// Objects it holds, with their sizes.
    pub held: BTreeMap<ObjectKey, u64>,
    pub held_bytes: u64,
    /// Those of them that it has on disk.
    pub spilled: BTreeSet<ObjectKey>,
    pub spilled_bytes: u64,
    /// What its devices have in their memory, as far as is known.
    pub near: Near,
    /// Tasks that may follow those it has, without waiting for their end.
    pub followers: BinaryHeap<Ready>,
    /// What may be placed there while room is kept for a gang; `None` while none is.
    spare: Option<Box<Capacity>>,
    pub draining: bool,
    pub stopped: bool,
    /// Objects of a draining executor, and who was told to fetch them; `None` once that failed.
    pub evacuating: BTreeMap<ObjectKey, Option<ExecutorId>>,
    pub joined_at: Time,
    pub last_heard: Time,
    /// Whether it was silent at the last look.
    pub doubted: bool,
    pub busy_core_seconds: f64,
    pub tasks_ended: u64,
    /// What it said last that its devices hold and have copied.
    pub devices_used: Vec<DeviceUsage>,
}

pub(crate) struct Cluster {
    executors: Vec<Option<Box<Executor>>>,
    active: Vec<Option<Active>>,
    free: Vec<ActiveIndex>,
    load: LoadTree,
    replicas: HashMap<ObjectKey, SmallVec<[ExecutorId; 2]>>,
    transfers: Transfers,
    run_ahead: RunAhead,
    /// Executors where room is kept for a gang.
    keeping: Vec<ExecutorId>,
    /// Executors on which actors have claimed something lately.
    crowded: BTreeSet<ExecutorId>,
    /// Suspended attempts that have their cores in the ledger again and are not told yet.
    resumed: Vec<(ExecutorId, AttemptId)>,
}

impl Executor {
    pub fn slots(&self) -> u32 {
        u32::try_from(self.account.capacity().cpu_milli / MILLI).unwrap_or(u32::MAX).max(1)
    }

    /// How long its work would keep all its cores busy.
    pub fn load_nanos(&self) -> u64 {
        self.core_nanos / u64::from(self.slots())
    }

    /// The class of what runs on these devices.
    pub fn device_class(&self, devices: &[DeviceIndex]) -> DeviceClassId {
        let first = devices.first().and_then(|first| self.device_classes.get(usize::from(first.0)));
        first.copied().unwrap_or(DeviceClassId::CPU)
    }

    /// Expected time until `request` could start there: now where it fits and nothing is in front.
    pub fn wait_nanos(&self, request: &ResourceRequest, seating: &Seating) -> u64 {
        if self.queue.is_empty() && self.account.free().fits(request) {
            return 0;
        }
        self.load_nanos().max(seating.queue_nanos)
    }

    /// The order in which executors are offered work: those with a free core first, the emptiest
    /// of them ahead, then those whose work ends soonest.
    fn load_key(&self) -> u64 {
        let free_milli = self.account.free().cpu_milli;
        if self.queue.is_empty() && free_milli >= MILLI {
            return MILLI - free_milli * MILLI / self.account.capacity().cpu_milli.max(1);
        }
        self.load_nanos().max(MILLI + 1)
    }

    /// Whether it could take this beside its actors, once all else has ended.
    pub fn could_take(&self, request: &ResourceRequest, devices: &[DeviceIndex]) -> bool {
        self.left_by_actors.as_ref().is_none_or(|left| left.free().fits_on(request, devices))
    }

    /// What there is beside its actors.
    fn lasting_capacity(&self) -> &Capacity {
        self.left_by_actors.as_deref().map_or(self.account.capacity(), Balance::free)
    }

    /// An actor has its claim.
    fn hold_lasting(&mut self, request: &ResourceRequest, devices: &[DeviceIndex]) {
        let account = &self.account;
        let whole = || Box::new(Balance::new(account.capacity().clone()));
        let left = self.left_by_actors.get_or_insert_with(whole);
        left.take(request, devices);
        self.lasting_claims += 1;
    }

    /// An actor waits for tasks: what it asked for, but for its devices, is for others meanwhile.
    fn lend(&mut self, request: &ResourceRequest) {
        if let Some(left) = &mut self.left_by_actors {
            left.give_back(request, &[]);
        }
    }

    /// An actor has back what it lent.
    fn take_back(&mut self, request: &ResourceRequest) {
        if let Some(left) = &mut self.left_by_actors {
            left.take(request, &[]);
        }
    }

    fn let_go(&mut self, request: &ResourceRequest, devices: &[DeviceIndex]) {
        self.lasting_claims -= 1;
        match &mut self.left_by_actors {
            Some(left) if self.lasting_claims > 0 => left.give_back(request, devices),
            _ => self.left_by_actors = None,
        }
    }

    /// A device offers this from now on.
    fn set_device(&mut self, device: DeviceIndex, offered: DeviceCapacity) {
        self.account.set_device(device, offered);
        if let Some(left) = &mut self.left_by_actors {
            left.set_device(device, offered);
        }
        if let Some(spare) = &mut self.spare
            && let Some(spare) = spare.devices.get_mut(usize::from(device.0))
        {
            // The room that is kept for a gang is found anew at the next round.
            *spare = DeviceCapacity::NONE;
        }
        Arc::make_mut(&mut self.info).capacity = self.account.capacity().clone();
    }

    pub fn queued(&self) -> u32 {
        self.queue.len() as u32 + self.ahead
    }

    /// Whether it takes tasks that could start. What waits for others does not count: it takes
    /// no core while it waits.
    fn is_open(&self, run_ahead: &RunAhead) -> bool {
        let outstanding = self.outstanding - self.ahead - self.suspended;
        self.has_room(outstanding, self.core_nanos.saturating_sub(self.ahead_nanos), run_ahead)
    }

    /// How many attempts it may have however long they run. With devices it is more than those that can
    /// run at once: a count of attempts does not tell which of its cores and devices are idle.
    fn first_attempts(&self) -> u32 {
        let devices = self.account.capacity().devices.len() as u32;
        let slots = self.slots();
        if devices == 0 { slots } else { slots.saturating_mul(2).saturating_add(devices) }
    }

    fn has_room(&self, outstanding: u32, core_nanos: u64, run_ahead: &RunAhead) -> bool {
        let slots = self.slots();
        let load = Duration::from_nanos(core_nanos / u64::from(slots));
        !self.draining
            && outstanding < slots.saturating_add(run_ahead.attempts)
            && (outstanding < self.first_attempts() || load < run_ahead.horizon)
            && self.spare.as_ref().is_none_or(|spare| spare.cpu_milli >= MILLI)
    }

    /// Whether placing `request` here leaves alone what is kept for a gang.
    pub fn spares(&self, request: &ResourceRequest, devices: &[DeviceIndex]) -> bool {
        self.spare.as_ref().is_none_or(|spare| spare.fits_on(request, devices))
    }

    /// What may be placed here while room is kept for a gang.
    pub fn spare(&self) -> Option<&Capacity> {
        self.spare.as_deref()
    }

    /// A replica is on disk or on a device now, or in memory again.
    pub fn move_replica(&mut self, object: ObjectKey, place: ReplicaPlace) {
        let Some(size_bytes) = self.held.get(&object).copied() else { return };
        if let ReplicaPlace::Device(device) = place {
            self.near.note(object, device);
        }
        self.near.set_alone(object, matches!(place, ReplicaPlace::Device(_)));
        let is_spilled = place == ReplicaPlace::Disk;
        if is_spilled && self.spilled.insert(object) {
            self.spilled_bytes += size_bytes;
        } else if !is_spilled && self.spilled.remove(&object) {
            self.spilled_bytes -= size_bytes;
        }
    }

    /// Whether there was one.
    fn drop_replica(&mut self, object: ObjectKey) -> bool {
        self.move_replica(object, ReplicaPlace::Memory);
        self.near.forget(object);
        let Some(size_bytes) = self.held.remove(&object) else { return false };
        self.held_bytes -= size_bytes;
        true
    }

    /// What it takes to copy objects to where a task on these devices, or on none, runs.
    pub fn copy_nanos(
        &self,
        inputs: &[ObjectKey],
        devices: &[DeviceIndex],
        size_bytes: impl Fn(ObjectKey) -> Option<u64>,
    ) -> u64 {
        if devices.is_empty() {
            return self.near.fetch_nanos(inputs, size_bytes);
        }
        let to = |device: &DeviceIndex| self.near.copy_nanos(inputs, *device, &size_bytes);
        devices.iter().map(to).max().unwrap_or(0)
    }

    /// The devices for `request` of a task with these inputs: those where it could start first, its
    /// inputs copied there, and of these the fullest.
    pub fn choose_devices(
        &self,
        request: &ResourceRequest,
        inputs: &[ObjectKey],
        size_bytes: impl Fn(ObjectKey) -> Option<u64>,
    ) -> Seating {
        let Some(gpu) = &request.gpu else {
            let copy_nanos = self.copy_nanos(inputs, &[], size_bytes);
            return Seating { copy_nanos, ..Seating::default() };
        };
        let free = &self.account.free().devices;
        let queue_nanos = |device: DeviceIndex| match free.get(usize::from(device.0)) {
            Some(free) if free.fits(gpu) => 0,
            _ => self.device_nanos[usize::from(device.0)],
        };
        // Who waits for what a device makes, waits for that device's queue wherever it is.
        let ready = self.near.makers(inputs).map(queue_nanos).max().unwrap_or(0);
        let rank = |device: DeviceIndex| {
            let copy = self.near.copy_nanos(inputs, device, &size_bytes);
            let queue = queue_nanos(device);
            let free = free.get(usize::from(device.0));
            let start = ready.max(queue).saturating_add(copy);
            (start, free.map(|free| (free.milli, free.vram_bytes)), device, queue, copy)
        };
        let able = self.lasting_capacity().devices_for(gpu).map(|(index, _)| index);
        let mut able: SmallVec<[_; 8]> = able.map(rank).collect();
        able.sort_unstable();
        let mut seating = Seating::default();
        for (_, _, device, queue, copy) in able.into_iter().take(usize::from(gpu.devices)) {
            seating.devices.push(device);
            seating.queue_nanos = seating.queue_nanos.max(queue);
            seating.copy_nanos = seating.copy_nanos.max(copy);
        }
        seating
    }
}

impl Cluster {
    pub fn new(run_ahead: RunAhead) -> Self {
        Cluster {
            executors: Vec::new(),
            active: Vec::new(),
            free: Vec::new(),
            load: LoadTree::default(),
            replicas: HashMap::new(),
            transfers: Transfers::default(),
            run_ahead,
            keeping: Vec::new(),
            crowded: BTreeSet::new(),
            resumed: Vec::new(),
        }
    }

    pub fn join(
        &mut self,
        id: ExecutorId,
        info: Arc<ExecutorInfo>,
        device_classes: SmallVec<[DeviceClassId; 4]>,
        now: Time,
    ) {
        let index = id.0 as usize;
        if self.executors.len() <= index {
            self.executors.resize_with(index + 1, || None);
        }
        self.executors[index] = Some(Box::new(Executor {
            id,
            address: info.address.as_str().into(),
            account: Account::new(info.capacity.clone()),
            left_by_actors: None,
            lasting_claims: 0,
            queue: VecDeque::new(),
            outstanding: 0,
            core_nanos: 0,
            ahead: 0,
            ahead_nanos: 0,
            suspended: 0,
            device_nanos: vec![0; info.capacity.devices.len()],
            device_classes,
            held: BTreeMap::new(),
            held_bytes: 0,
            spilled: BTreeSet::new(),
            spilled_bytes: 0,
            near: Near::default(),
            followers: BinaryHeap::new(),
            spare: None,
            draining: false,
            stopped: false,
            evacuating: BTreeMap::new(),
            joined_at: now,
            last_heard: now,
            doubted: false,
            busy_core_seconds: 0.0,
            tasks_ended: 0,
            devices_used: Vec::new(),
            info,
        }));
        self.refresh_load(id);
    }

    /// Removes an executor and everything on it; its attempts in order, and the objects of which
    /// it had the only replica.
    pub fn leave(&mut self, id: ExecutorId) -> Option<(Vec<Active>, Vec<ObjectKey>)> {
        let executor = self.executors.get_mut(id.0 as usize)?.take()?;
        self.load.set(id, CLOSED);
        self.transfers.leave(id);
        self.crowded.remove(&id);
        let mut lost = Vec::new();
        for object in executor.held.keys() {
            if self.forget_holder(*object, id) {
                lost.push(*object);
            }
        }
        let mut attempts = Vec::new();
        for index in 0..self.active.len() {
            if self.active[index].as_ref().is_some_and(|active| active.executor == id) {
                self.free.push(ActiveIndex(index as u32));
                attempts.extend(self.active[index].take());
            }
        }
        attempts.sort_by_key(|active| active.attempt);
        Some((attempts, lost))
    }

    pub fn executor(&self, id: ExecutorId) -> Option<&Executor> {
        self.executors.get(id.0 as usize)?.as_deref()
    }

    pub fn executor_mut(&mut self, id: ExecutorId) -> Option<&mut Executor> {
        self.executors.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub fn executors(&self) -> impl Iterator<Item = &Executor> {
        self.executors.iter().filter_map(Option::as_deref)
    }

    pub fn load(&self) -> &LoadTree {
        &self.load
    }

    pub fn is_open(&self, id: ExecutorId) -> bool {
        self.load.get(id) != CLOSED
    }

    /// Whether an executor takes tasks that wait for others it has.
    pub fn takes_followers(&self, id: ExecutorId) -> bool {
        let has_room = |executor: &Executor| {
            let outstanding = executor.outstanding - executor.suspended;
            executor.has_room(outstanding, executor.core_nanos, &self.run_ahead)
        };
        self.is_open(id) && self.executor(id).is_some_and(has_room)
    }

    /// A device offers this from now on; what the executor says of itself since.
    pub fn set_device(
        &mut self,
        id: ExecutorId,
        device: DeviceIndex,
        offered: DeviceCapacity,
    ) -> Option<Arc<ExecutorInfo>> {
        let executor = self.executor_mut(id)?;
        executor.set_device(device, offered);
        let info = Arc::clone(&executor.info);
        self.refresh_load(id);
        Some(info)
    }

    pub fn close_for_drain(&mut self, id: ExecutorId) {
        if let Some(executor) = self.executor_mut(id) {
            executor.draining = true;
        }
        self.refresh_load(id);
    }

    pub fn active(&self, index: ActiveIndex) -> Option<&Active> {
        self.active.get(index.0 as usize)?.as_ref()
    }

    pub fn actives_on(&self, id: ExecutorId) -> impl Iterator<Item = &Active> {
        self.active.iter().flatten().filter(move |active| active.executor == id)
    }

    /// Puts an attempt on its executor. One that comes with a claim keeps it; otherwise, if
    /// `may_start`, it gets one at once where it fits and nothing is in front, or queues for it.
    pub fn start(
        &mut self,
        mut active: Active,
        request: &ResourceRequest,
        run_nanos: u64,
        may_start: bool,
    ) -> ActiveIndex {
        let index = self.free.pop().unwrap_or(ActiveIndex(self.active.len() as u32));
        let id = active.executor;
        let attempt = active.attempt;
        if let Some(executor) = self.executor_mut(id) {
            active.core_nanos = core_nanos(request, run_nanos);
            active.device_nanos = device_nanos(request, run_nanos);
            executor.core_nanos += active.core_nanos;
            executor.outstanding += 1;
            for device in &active.devices {
                executor.device_nanos[usize::from(device.0)] += active.device_nanos;
            }
            let seen = executor.account.version();
            active.ahead = !may_start;
            // What takes nothing waits behind nobody.
            let is_next = executor.queue.is_empty() || *request == ResourceRequest::default();
            active.claimed = active.claimed
                || (may_start
                    && is_next
                    && executor.account.commit(request, &active.devices, seen).is_ok());
            if active.claimed && active.lasting {
                executor.hold_lasting(request, &active.devices);
            }
            if let Some(spare) = &mut executor.spare {
                spare.withhold(request, &active.devices);
            }
            if active.ahead {
                executor.ahead += 1;
                executor.ahead_nanos += active.core_nanos;
            } else if !active.claimed {
                executor.queue.push_back((index, attempt));
            }
        }
        if active.claimed && active.lasting {
            self.crowded.insert(id);
        }
        let place = index.0 as usize;
        if place == self.active.len() {
            self.active.push(Some(active));
        } else {
            self.active[place] = Some(active);
        }
        self.refresh_load(id);
        index
    }

    /// Takes all of these claims or none.
    pub fn commit_all(&mut self, claims: &[Claim<'_>]) -> Result<(), (usize, Conflict)> {
        let account: for<'a> fn(&'a mut Cluster, ExecutorId) -> Option<&'a mut Account> =
            |cluster, id| cluster.executor_mut(id).map(|executor| &mut executor.account);
        commit_all(self, account, claims)
    }

    /// For each executor that takes work, what nothing that it has will ask for: whatever fits
    /// there fits when it arrives, in whichever order the executor starts what it has.
    pub fn uncommitted<'a>(
        &self,
        request_of: impl Fn(&Active) -> &'a ResourceRequest,
    ) -> BTreeMap<ExecutorId, Capacity> {
        let open = self.executors().filter(|executor| !executor.draining);
        let mut free: BTreeMap<ExecutorId, Capacity> =
            open.map(|executor| (executor.id, executor.account.free().clone())).collect();
        if self.executors().any(|executor| executor.queued() > 0) {
            for active in self.active.iter().flatten().filter(|active| !active.claimed) {
                if let Some(free) = free.get_mut(&active.executor) {
                    free.withhold(request_of(active), &active.devices);
                }
            }
        }
        free
    }

    /// Keeps room on an executor for a gang: until [`Cluster::release_kept`], no more than `spare`
    /// is placed there.
    pub fn keep(&mut self, id: ExecutorId, spare: Capacity) {
        let Some(executor) = self.executor_mut(id) else { return };
        executor.spare = Some(Box::new(spare));
        self.keeping.push(id);
        self.refresh_load(id);
    }

    /// Keeps no room any longer; tells whether any was kept.
    pub fn release_kept(&mut self) -> bool {
        let keeping = std::mem::take(&mut self.keeping);
        for id in &keeping {
            if let Some(executor) = self.executor_mut(*id) {
                executor.spare = None;
            }
            self.refresh_load(*id);
        }
        !keeping.is_empty()
    }

    /// What the attempt waited for has ended: it queues for a claim.
    pub fn stop_waiting(&mut self, index: ActiveIndex) {
        let Some(Some(active)) = self.active.get_mut(index.0 as usize) else { return };
        if !std::mem::take(&mut active.ahead) {
            return;
        }
        let (id, attempt, core_nanos) = (active.executor, active.attempt, active.core_nanos);
        if let Some(executor) = self.executor_mut(id) {
            executor.ahead -= 1;
            executor.ahead_nanos -= core_nanos;
            executor.queue.push_back((index, attempt));
        }
    }

    pub fn mark_started(&mut self, index: ActiveIndex) {
        if let Some(Some(active)) = self.active.get_mut(index.0 as usize) {
            active.started = true;
        }
    }

    /// The attempt was asked back too late: it goes on.
    pub fn forget_recall(&mut self, index: ActiveIndex) {
        if let Some(Some(active)) = self.active.get_mut(index.0 as usize) {
            active.recalled = false;
        }
    }

    pub fn mark_recalled(&mut self, index: ActiveIndex) {
        if let Some(Some(active)) = self.active.get_mut(index.0 as usize) {
            active.recalled = true;
        }
    }

    /// Returns an attempt's cores while it waits for tasks; whether it has any on its executor.
    pub fn suspend(&mut self, index: ActiveIndex, request: &ResourceRequest) -> bool {
        let Some(Some(active)) = self.active.get_mut(index.0 as usize) else { return false };
        if active.ahead || active.suspended || request.cpu_milli == 0 {
            return false;
        }
        active.suspended = true;
        let (id, load_nanos) = (active.executor, std::mem::take(&mut active.core_nanos));
        let (claimed, lasting) = (active.claimed, active.lasting);
        if let Some(executor) = self.executor_mut(id) {
            if claimed {
                executor.account.release(&cores_alone(request), &[]);
                if lasting {
                    executor.lend(&cores_alone(request));
                }
            } else {
                executor.queue.retain(|(queued, _)| *queued != index);
            }
            executor.core_nanos = executor.core_nanos.saturating_sub(load_nanos);
            executor.suspended += 1;
        }
        self.refresh_load(id);
        true
    }

    /// A suspended attempt could go on: it is the first to get cores.
    pub fn want_cores_again(&mut self, index: ActiveIndex) {
        let Some(active) = self.active(index).filter(|active| active.suspended) else { return };
        let (id, attempt) = (active.executor, active.attempt);
        if let Some(executor) = self.executor_mut(id)
            && !executor.queue.contains(&(index, attempt))
        {
            executor.queue.push_front((index, attempt));
        }
    }

    /// Attempts that have their cores again since the last call.
    pub fn take_resumed(&mut self) -> Vec<(ExecutorId, AttemptId)> {
        std::mem::take(&mut self.resumed)
    }

    /// Takes an attempt off its executor and returns its claim.
    pub fn finish(&mut self, index: ActiveIndex, request: &ResourceRequest) -> Option<Active> {
        let active = self.active.get_mut(index.0 as usize)?.take()?;
        self.free.push(index);
        let id = active.executor;
        if let Some(executor) = self.executor_mut(id) {
            executor.core_nanos = executor.core_nanos.saturating_sub(active.core_nanos);
            executor.outstanding -= 1;
            for device in &active.devices {
                executor.device_nanos[usize::from(device.0)] -= active.device_nanos;
            }
            let kept = if active.suspended {
                Cow::Owned(without_cores(request))
            } else {
                Cow::Borrowed(request)
            };
            if active.claimed && active.lasting {
                executor.let_go(&kept, &active.devices);
            }
            if active.suspended {
                executor.suspended -= 1;
                if active.claimed {
                    executor.account.release(&kept, &active.devices);
                }
                executor.queue.retain(|(queued, _)| *queued != index);
            } else if active.claimed {
                executor.account.release(request, &active.devices);
            } else if active.ahead {
                executor.ahead -= 1;
                executor.ahead_nanos -= active.core_nanos;
            } else if executor.queue.front().is_some_and(|(front, _)| *front == index) {
                executor.queue.pop_front();
            } else {
                executor.queue.retain(|(queued, _)| *queued != index);
            }
        }
        self.refresh_load(id);
        Some(active)
    }

    /// Gives claims to queued attempts, in order, as long as they fit.
    pub fn promote<'a>(
        &mut self,
        id: ExecutorId,
        request_of: impl Fn(&Active) -> &'a ResourceRequest,
    ) {
        let Some(Some(executor)) = self.executors.get_mut(id.0 as usize) else { return };
        while let Some((index, _)) = executor.queue.front() {
            if let Some(active) = &mut self.active[index.0 as usize] {
                let seen = executor.account.version();
                let request = request_of(active);
                let granted = if active.suspended && active.claimed {
                    executor.account.commit(&cores_alone(request), &[], seen).is_ok()
                } else {
                    executor.account.commit(request, &active.devices, seen).is_ok()
                };
                if !granted {
                    break;
                }
                let is_new = !std::mem::replace(&mut active.claimed, true);
                if active.lasting {
                    if is_new {
                        executor.hold_lasting(request, &active.devices);
                    } else {
                        executor.take_back(&cores_alone(request));
                    }
                    self.crowded.insert(id);
                }
                if std::mem::take(&mut active.suspended) {
                    executor.suspended -= 1;
                    self.resumed.push((id, active.attempt));
                }
            }
            executor.queue.pop_front();
        }
        self.refresh_load(id);
    }

    /// An executor on which an actor has claimed something since the last call.
    pub fn pop_crowded(&mut self) -> Option<ExecutorId> {
        self.crowded.pop_first()
    }

    /// Attempts of an executor that have no claim, the last first.
    pub fn unclaimed_from_back(&self, id: ExecutorId) -> impl Iterator<Item = &Active> {
        let queue = self.executor(id).map(|executor| executor.queue.iter().rev());
        queue.into_iter().flatten().filter_map(|(index, _)| self.active(*index))
    }

    fn refresh_load(&mut self, id: ExecutorId) {
        let load = match self.executor(id) {
            Some(executor) if executor.is_open(&self.run_ahead) => executor.load_key(),
            _ => CLOSED,
        };
        self.load.set(id, load);
    }

    pub fn add_replica(&mut self, object: ObjectKey, id: ExecutorId, size_bytes: u64) {
        let Some(executor) = self.executor_mut(id) else { return };
        if executor.held.insert(object, size_bytes).is_none() {
            executor.held_bytes += size_bytes;
            self.replicas.entry(object).or_default().push(id);
        }
    }

    /// Where `to` fetches an object, the preferred source first: one that few others fetch it from,
    /// and of these the least loaded.
    pub fn sources(&self, object: ObjectKey, to: ExecutorId) -> Sources {
        let holders = self.holders(object).iter().filter_map(|id| self.executor(*id));
        let mut holders: SmallVec<[&Executor; 4]> = holders.collect();
        holders.sort_by_key(|executor| (executor.load_nanos(), executor.id));
        let holders: Sources = holders.iter().map(|executor| executor.id).collect();
        self.transfers.sources(object, to, &holders)
    }

    /// `to` is told to fetch an object from its sources.
    pub fn begin_transfer(&mut self, object: ObjectKey, to: ExecutorId) {
        let sources = self.sources(object, to);
        self.transfers.begin(object, to, &sources);
    }

    /// The object has arrived there, or will not.
    pub fn end_transfer(&mut self, object: ObjectKey, to: ExecutorId) {
        self.transfers.end(object, to);
    }

    /// Tells whether it was the last replica.
    pub fn remove_replica(&mut self, object: ObjectKey, id: ExecutorId) -> bool {
        let Some(executor) = self.executor_mut(id) else { return false };
        if !executor.drop_replica(object) {
            return false;
        }
        self.forget_holder(object, id)
    }

    fn forget_holder(&mut self, object: ObjectKey, id: ExecutorId) -> bool {
        let Some(holders) = self.replicas.get_mut(&object) else { return false };
        holders.retain(|holder| *holder != id);
        let last = holders.is_empty();
        if last {
            self.replicas.remove(&object);
        }
        last
    }

    /// Removes every replica of an object; the executors that held one.
    pub fn take_replicas(&mut self, object: ObjectKey) -> SmallVec<[ExecutorId; 2]> {
        self.transfers.forget(object);
        let holders = self.replicas.remove(&object).unwrap_or_default();
        for holder in &holders {
            if let Some(executor) = self.executor_mut(*holder) {
                executor.drop_replica(object);
            }
        }
        holders
    }

    pub fn holders(&self, object: ObjectKey) -> &[ExecutorId] {
        self.replicas.get(&object).map_or(&[], |holders| holders)
    }

    pub fn holds(&self, id: ExecutorId, object: ObjectKey) -> bool {
        self.holders(object).contains(&id)
    }

    /// A check for tests: that accounts agree with claims, and no queue holds a stranger.
    #[cfg(test)]
    pub fn assert_consistent<'a>(&self, request_of: impl Fn(&Active) -> &'a ResourceRequest) {
        for executor in self.executors() {
            let nothing = Account::new(executor.account.capacity().clone()).taken();
            let (mut taken, mut by_actors) = (nothing.clone(), nothing);
            let mut outstanding = 0;
            for active in self.actives_on(executor.id) {
                outstanding += 1;
                if active.claimed {
                    let mut request = request_of(active).clone();
                    if active.suspended {
                        request = without_cores(&request);
                    }
                    taken.give_back(&request, &active.devices);
                    if active.lasting {
                        by_actors.give_back(&request, &active.devices);
                    }
                }
            }
            assert_eq!(taken, executor.account.taken(), "leak on {:?}", executor.id);
            let noted = executor.left_by_actors.as_ref().map(|left| left.taken());
            assert_eq!(by_actors, noted.unwrap_or_else(|| by_actors.clone()), "{:?}", executor.id);
            assert!(
                executor.left_by_actors.is_some() || executor.lasting_claims == 0,
                "actors of {:?}",
                executor.id
            );
            assert_eq!(outstanding, executor.outstanding);
            let mut device_nanos = vec![0; executor.device_nanos.len()];
            for active in self.actives_on(executor.id) {
                for device in &active.devices {
                    device_nanos[usize::from(device.0)] += active.device_nanos;
                }
            }
            assert_eq!(device_nanos, executor.device_nanos);
            for (index, attempt) in &executor.queue {
                let active = self.active(*index).expect("queued attempts are active");
                assert_eq!(active.attempt, *attempt);
                assert!((!active.claimed || active.suspended) && !active.ahead);
            }
            let ahead = self.actives_on(executor.id).filter(|active| active.ahead).count();
            assert_eq!(ahead, executor.ahead as usize);
            let suspended = self.actives_on(executor.id).filter(|active| active.suspended).count();
            assert_eq!(suspended, executor.suspended as usize);
            let bytes: u64 = executor.held.values().sum();
            assert_eq!(bytes, executor.held_bytes);
            executor.near.check(|object| executor.held.contains_key(object));
            let spilled: u64 = executor.spilled.iter().map(|object| executor.held[object]).sum();
            assert_eq!(spilled, executor.spilled_bytes);
        }
    }
}

impl Active {
    pub fn new(attempt: AttemptId, executor: ExecutorId, class: ClassId, variant: u8) -> Self {
        Active {
            attempt,
            executor,
            class,
            variant,
            devices: SmallVec::new(),
            claimed: false,
            ahead: false,
            started: false,
            recalled: false,
            lasting: false,
            suspended: false,
            core_nanos: 0,
            device_nanos: 0,
        }
    }
}

fn core_nanos(request: &ResourceRequest, run_nanos: u64) -> u64 {
    let milli = request.cpu_milli.max(1);
    (u128::from(run_nanos) * u128::from(milli) / u128::from(MILLI)) as u64
}

fn device_nanos(request: &ResourceRequest, run_nanos: u64) -> u64 {
    let milli = request.gpu.as_ref().map_or(0, |gpu| gpu.milli.max(1));
    (u128::from(run_nanos) * u128::from(milli) / u128::from(MILLI)) as u64
}

/// The part of a request that a suspended attempt returns.
fn cores_alone(request: &ResourceRequest) -> ResourceRequest {
    ResourceRequest { cpu_milli: request.cpu_milli, ..ResourceRequest::default() }
}

/// The part of a request that a suspended attempt keeps.
fn without_cores(request: &ResourceRequest) -> ResourceRequest {
    ResourceRequest { cpu_milli: 0, ..request.clone() }
}
