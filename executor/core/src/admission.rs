//! Admission: which ready attempts start now. Never beyond capacity.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use drawloom_model::{Balance, Capacity, DeviceCapacity, DeviceIndex, ResourceRequest, Shortfall};
use smallvec::SmallVec;

use crate::Turn;
use crate::attempts::Token;
use crate::cores::{CoreSet, Cores};

/// How many attempts may start while an attempt before them is too large for what is free. From
/// then on what it needs is kept for it as it becomes free.
const STARVING_AFTER_STARTS: u64 = 64;

type Devices = SmallVec<[DeviceIndex; 2]>;

/// Index of a class of attempts that ask for the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ClassId(u32);

struct Class {
    request: ResourceRequest,
    devices: Devices,
    ready: BTreeMap<Turn, Token>,
    /// The number of starts when its first attempt was first found not to fit.
    blocked_at: Option<u64>,
}

/// What is free, and the attempts that wait for it.
///
/// Attempts with the same request and devices form a class; whether one fits is asked once per
/// class. Between calls no ready attempt fits.
pub(crate) struct Admission {
    balance: Balance,
    cores: CoreSet,
    classes: Vec<Class>,
    class_ids: BTreeMap<(ResourceRequest, Devices), ClassId>,
    last_class: Option<ClassId>,
    /// The first of each class that has any.
    heads: BTreeSet<(Turn, ClassId)>,
    starts: u64,
    has_changed: bool,
}

impl Admission {
    pub(crate) fn new(capacity: Capacity, cores: CoreSet) -> Self {
        Admission {
            balance: Balance::new(capacity),
            cores,
            classes: Vec::new(),
            class_ids: BTreeMap::new(),
            last_class: None,
            heads: BTreeSet::new(),
            starts: 0,
            has_changed: false,
        }
    }

    pub(crate) fn free(&self) -> &Capacity {
        self.balance.free()
    }

    /// A device offers this from now on, whatever attempts have of it.
    pub(crate) fn set_device(&mut self, device: DeviceIndex, offered: DeviceCapacity) {
        self.balance.set_device(device, offered);
        self.has_changed = true;
        // Whether there is enough for a request is asked anew.
        self.class_ids.clear();
        self.last_class = None;
    }

    /// Whether any device has ever changed.
    pub(crate) fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Whether attempts of this class use a device.
    pub(crate) fn uses(&self, class: ClassId, device: DeviceIndex) -> bool {
        self.classes[class.0 as usize].devices.contains(&device)
    }

    /// The first of the devices that attempts of this class use.
    pub(crate) fn first_device(&self, class: ClassId) -> Option<DeviceIndex> {
        self.classes[class.0 as usize].devices.first().copied()
    }

    /// Whether attempts of this class could start, were nothing else here.
    pub(crate) fn could_fit(&self, class: ClassId) -> bool {
        let Class { request, devices, .. } = &self.classes[class.0 as usize];
        self.balance.capacity().fits_on(request, devices)
    }

    /// The class of a request, or what the whole executor has too little of.
    pub(crate) fn classify(
        &mut self,
        request: &ResourceRequest,
        devices: &Devices,
    ) -> Result<ClassId, Option<Shortfall>> {
        if let Some(last) = self.last_class {
            let class = &self.classes[last.0 as usize];
            if class.request == *request && class.devices == *devices {
                return Ok(last);
            }
        }
        let key = (request.clone(), devices.clone());
        let id = match self.class_ids.get(&key) {
            Some(id) => *id,
            None => self.add_class(key)?,
        };
        self.last_class = Some(id);
        Ok(id)
    }

    fn add_class(&mut self, key: (ResourceRequest, Devices)) -> Result<ClassId, Option<Shortfall>> {
        let total = self.balance.capacity();
        if !total.fits_on(&key.0, &key.1) {
            return Err(total.shortfall(&key.0));
        }
        let id = ClassId(self.classes.len() as u32);
        let (request, devices) = key.clone();
        self.classes.push(Class { request, devices, ready: BTreeMap::new(), blocked_at: None });
        self.class_ids.insert(key, id);
        Ok(id)
    }

    /// Starts an attempt of this class at once, where none waits and it fits.
    pub(crate) fn start_at_once(&mut self, class: ClassId) -> Option<Cores> {
        let Class { request, devices, .. } = &self.classes[class.0 as usize];
        if !self.heads.is_empty() || !self.balance.free().fits_on(request, devices) {
            return None;
        }
        self.starts += 1;
        self.balance.take(request, devices);
        Some(self.cores.take(request.cpu_milli))
    }

    /// Takes what an attempt of this class asks for, whoever waits, where it fits.
    pub(crate) fn set_aside(&mut self, class: ClassId) -> Option<Cores> {
        let Class { request, devices, .. } = &self.classes[class.0 as usize];
        if !self.balance.free().fits_on(request, devices) {
            return None;
        }
        self.starts += 1;
        self.balance.take(request, devices);
        Some(self.cores.take(request.cpu_milli))
    }

    /// Queues a ready attempt.
    pub(crate) fn push(&mut self, class: ClassId, rank: Turn, token: Token) {
        self.change(class, |class| class.ready.insert(rank, token));
    }

    /// Takes a ready attempt out of the queue.
    pub(crate) fn remove(&mut self, class: ClassId, rank: Turn) {
        self.change(class, |class| {
            if class.first() == Some(rank) {
                class.blocked_at = None;
            }
            class.ready.remove(&rank)
        });
    }

    /// Changes a class's queue and keeps `heads` true.
    fn change<R>(&mut self, id: ClassId, change: impl FnOnce(&mut Class) -> R) -> R {
        let class = &mut self.classes[id.0 as usize];
        let before = class.first();
        let result = change(class);
        let after = class.first();
        if before != after {
            before.map(|rank| self.heads.remove(&(rank, id)));
            self.heads.extend(after.map(|rank| (rank, id)));
        }
        result
    }

    /// Starts what fits, in the order of ranks; smaller ones may pass one that does not fit until
    /// it has waited for long. What `first` ask for is left to them.
    pub(crate) fn admit(
        &mut self,
        first: impl Iterator<Item = ClassId>,
        started: &mut Vec<(Token, Cores)>,
    ) {
        // What those may take that come after a starving one; all that is free without one.
        let mut spare: Option<Capacity> = None;
        for id in first {
            let class = &self.classes[id.0 as usize];
            let spare = spare.get_or_insert_with(|| self.balance.free().clone());
            spare.withhold(&class.request, &class.devices);
        }
        let mut next = self.heads.first().copied();
        while let Some((rank, id)) = next {
            let class = &self.classes[id.0 as usize];
            let fits = self.balance.free().fits_on(&class.request, &class.devices)
                && spare.as_ref().is_none_or(|s| s.fits_on(&class.request, &class.devices));
            if fits {
                started.extend(self.start_head(id, spare.as_mut()));
            } else {
                self.keep_back(id, &mut spare);
            }
            next =
                self.heads.range((Bound::Excluded((rank, id)), Bound::Unbounded)).next().copied();
        }
    }

    fn start_head(&mut self, id: ClassId, spare: Option<&mut Capacity>) -> Option<(Token, Cores)> {
        let (_, token) = self.change(id, |class| class.ready.pop_first())?;
        self.starts += 1;
        let class = &mut self.classes[id.0 as usize];
        class.blocked_at = None;
        if let Some(spare) = spare {
            spare.take(&class.request, &class.devices);
        }
        self.balance.take(&class.request, &class.devices);
        Some((token, self.cores.take(class.request.cpu_milli)))
    }

    /// Remembers that the class is blocked, and takes what it needs out of `spare` once it has
    /// been for long.
    fn keep_back(&mut self, id: ClassId, spare: &mut Option<Capacity>) {
        let class = &mut self.classes[id.0 as usize];
        let blocked_at = *class.blocked_at.get_or_insert(self.starts);
        if self.starts - blocked_at >= STARVING_AFTER_STARTS {
            let spare = spare.get_or_insert_with(|| self.balance.free().clone());
            spare.withhold(&class.request, &class.devices);
        }
    }

    /// Gives back what an attempt of this class had.
    pub(crate) fn give_back(&mut self, class: ClassId, cores: &[u32]) {
        let class = &self.classes[class.0 as usize];
        self.balance.give_back(&class.request, &class.devices);
        self.cores.give_back(cores);
    }

    /// What attempts of this class ask for.
    pub(crate) fn request(&self, class: ClassId) -> &ResourceRequest {
        &self.classes[class.0 as usize].request
    }

    /// Gives back the cores of an attempt of this class, which keeps the rest.
    pub(crate) fn give_back_cores(&mut self, class: ClassId, cores: &[u32]) {
        let cpu_milli = self.request(class).cpu_milli;
        let cores_alone = ResourceRequest { cpu_milli, ..ResourceRequest::default() };
        self.balance.give_back(&cores_alone, &[]);
        self.cores.give_back(cores);
    }

    /// Gives back what an attempt of this class kept when it gave back its cores.
    pub(crate) fn give_back_all_but_cores(&mut self, class: ClassId) {
        let class = &self.classes[class.0 as usize];
        let kept = ResourceRequest { cpu_milli: 0, ..class.request.clone() };
        self.balance.give_back(&kept, &class.devices);
    }

    /// Forgets every class. Only while no attempt is here.
    pub(crate) fn forget_classes(&mut self) {
        self.classes.clear();
        self.class_ids.clear();
        self.last_class = None;
    }
}

impl Class {
    fn first(&self) -> Option<Turn> {
        self.ready.first_key_value().map(|(rank, _)| *rank)
    }
}
