//! The devices that an executor offers, and kernels on them.
//!
//! A kernel's inputs are copied to its device unless they are there already; its outputs stay there
//! for those to come, and are copied to the store, where everybody else finds them.

mod health;
mod telemetry;
mod topology;
mod vram;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use drawloom_cuda::{Buffer, Device, Error, Lane, Missing, Properties, devices};
use drawloom_executor_core::RoomFor;
use drawloom_model::{
    AttemptId, DeviceCapacity, DeviceIndex, DeviceInfo, Failure, FailureKind, KernelCall,
    ObjectKey, ObjectType, Value,
};

use drawloom_nvml::Library;
use tokio::sync::mpsc;

use crate::driver::News;
use crate::store::Store;
use health::Place;
use vram::Vram;
pub(crate) use watch::watch;

/// What is left of a device's memory for the driver's own needs, in hundredths.
const RESERVE_SHARE: u64 = 5;

/// The devices of this machine that the executor offers.
#[derive(Default)]
pub(crate) struct Devices {
    places: Vec<Arc<Place>>,
    infos: Vec<DeviceInfo>,
}

/// A device and what is kept for it.
struct Unit {
    device: Arc<Device>,
    offered_bytes: u64,
    vram: Mutex<Vram>,
    /// Lanes that nobody uses now.
    lanes: Mutex<Vec<Lane>>,
}

impl Devices {
    /// None.
    pub(crate) fn none() -> Self {
        Devices::default()
    }

    /// Those that the driver knows; none, and a line in the log, where there is no driver.
    /// What watches them is to be given the library.
    pub(crate) fn open(news: &mpsc::UnboundedSender<News>) -> (Self, Option<Library>) {
        let found = match devices() {
            Ok(found) => found,
            Err(Missing::NoLibrary) => {
                tracing::info!("no GPUs: there is no libcuda");
                Vec::new()
            }
            Err(why) => {
                tracing::warn!(%why, "no GPUs");
                Vec::new()
            }
        };
        let units = found.into_iter().filter_map(|device| {
            let Properties { name, uuid, .. } = device.properties().clone();
            let unit = Unit::new(device);
            match &unit {
                Ok(_) => tracing::info!(name, uuid, "offers a GPU"),
                Err(why) => tracing::warn!(name, uuid, %why, "a GPU is left out"),
            }
            unit.ok()
        });
        let units: Vec<Unit> = units.collect();
        let library = if units.is_empty() { None } else { Library::open() };
        let found = library.as_ref().map(Library::devices).unwrap_or_default();
        let properties = units.iter().map(|unit| unit.device.properties());
        let infos = topology::describe(&properties.collect::<Vec<_>>(), &found);
        let places = (0..).zip(units).zip(&infos).map(|((index, unit), info)| {
            Place::new(DeviceIndex(index), info.uuid.clone(), unit, news.clone())
        });
        (Devices { places: places.collect(), infos }, library)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn places(&self) -> &[Arc<Place>] {
        &self.places
    }

    /// Those that are in service.
    fn units(&self) -> impl Iterator<Item = Arc<Unit>> + '_ {
        self.places.iter().filter_map(|place| place.unit())
    }

    fn uuids(&self) -> Vec<String> {
        self.infos.iter().map(|info| info.uuid.clone()).collect()
    }

    /// An attempt has run longer than it may: it ends, or its device does.
    pub(crate) fn time_is_up(&self, attempt: AttemptId) {
        for place in &self.places {
            place.time_is_up(attempt, Instant::now());
        }
    }

    /// What is offered, device by device.
    pub(crate) fn capacities(&self) -> Vec<DeviceCapacity> {
        self.places
            .iter()
            .map(|place| place.unit().map_or(DeviceCapacity::NONE, |unit| unit.capacity()))
            .collect()
    }

    /// What they are, for people.
    pub(crate) fn infos(&self) -> &[DeviceInfo] {
        &self.infos
    }

    /// Forgets what devices keep of an object.
    pub(crate) fn forget(&self, object: ObjectKey) {
        for unit in self.units() {
            unit.vram().forget(object);
        }
    }

    /// Bytes of objects' copies, device by device.
    pub(crate) fn kept_bytes(&self) -> impl Iterator<Item = u64> + '_ {
        self.units().map(|unit| unit.vram().bytes())
    }

    /// Runs a kernel on a device and waits for its end; its outputs, which the device keeps under
    /// the keys from the first on. On a thread that may block.
    pub(crate) fn run(
        &self,
        call: &KernelCall,
        work: &Work<'_>,
        store: &Store,
    ) -> Result<Vec<Value>, Failure> {
        let place = self.places.get(usize::from(work.device.0)).ok_or_else(|| {
            Failure::new(FailureKind::Spawn, format!("there is no device {}", work.device.0))
        })?;
        let (_stay, unit) = place.enter(work.attempt)?;
        let failed = |error| {
            place.judge(&error);
            unit.failure(call, &error)
        };
        let mut lane = unit.lane().map_err(failed)?;
        let result = unit.run(call, work, &mut lane);
        // A lane is whole after whatever failed, or its device is not, and then all of them fail.
        unit.lanes().push(lane);
        let values =
            result.map_err(failed).and_then(|made| unit.bring_back(made, work, store, failed));
        // What was released meanwhile is not kept.
        for object in work.inputs.iter().filter_map(|(object, _)| *object) {
            if store.find(object).is_none() {
                unit.vram().forget(object);
            }
        }
        if values.is_ok() {
            place.works();
        }
        values
    }
}

/// A call of a kernel on a device.
pub(crate) struct Work<'w> {
    pub attempt: AttemptId,
    pub device: DeviceIndex,
    /// With the keys under which the device may have them; none where they came with the
    /// assignment, since nobody would say when they are to be forgotten.
    pub inputs: Vec<(Option<ObjectKey>, &'w Value)>,
    pub first_output: ObjectKey,
}

impl Unit {
    fn new(device: Arc<Device>) -> Result<Self, Error> {
        let offered_bytes = device.free_bytes()? / 100 * (100 - RESERVE_SHARE);
        Ok(Unit { device, offered_bytes, vram: Mutex::default(), lanes: Mutex::default() })
    }

    /// Opens a device again that has failed, and tries it.
    fn reopen(ordinal: usize) -> Result<Self, String> {
        const SAMPLE: [u8; 64] = [0xa5; 64];
        let device = Arc::new(drawloom_cuda::open(ordinal)?);
        let mut back = [0; SAMPLE.len()];
        let copied = device.upload(&SAMPLE).and_then(|there| device.download(&there, &mut back));
        copied.map_err(|error| error.to_string())?;
        if back != SAMPLE {
            return Err("its memory does not keep what it is given".to_owned());
        }
        Unit::new(device).map_err(|error| error.to_string())
    }

    fn capacity(&self) -> DeviceCapacity {
        let (major, minor) = self.device.properties().compute_capability;
        DeviceCapacity {
            milli: 1000,
            vram_bytes: self.offered_bytes,
            compute_capability: u16::try_from(major * 10 + minor).unwrap_or(u16::MAX),
        }
    }

    fn vram(&self) -> MutexGuard<'_, Vram> {
        self.vram.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self) -> Result<Lane, Error> {
        let idle = self.lanes().pop();
        idle.map_or_else(|| Lane::new(&self.device), Ok)
    }

    fn run(
        &self,
        call: &KernelCall,
        work: &Work<'_>,
        lane: &mut Lane,
    ) -> Result<Vec<(ObjectType, Buffer)>, Error> {
        let types: Vec<ObjectType> =
            work.inputs.iter().map(|(_, value)| value.object_type.clone()).collect();
        let plan = lane.plan(call, &types)?;
        let inputs = work.inputs.iter().map(|(object, value)| self.input(*object, value));
        let inputs = inputs.collect::<Result<Vec<Buffer>, Error>>()?;
        let flight = self.making_room(|| lane.launch(&plan, &inputs))?;
        lane.land(flight)
    }

    /// An input on the device, copied there unless it is.
    fn input(&self, object: Option<ObjectKey>, value: &Value) -> Result<Buffer, Error> {
        if let Some(buffer) = object.and_then(|object| self.vram().find(object)) {
            metrics::counter!("executor_vram_inputs_total", "found" => "there").increment(1);
            return Ok(buffer);
        }
        metrics::counter!("executor_vram_inputs_total", "found" => "copied").increment(1);
        let buffer = self.making_room(|| self.device.upload(&value.data))?;
        if let Some(object) = object {
            self.keep(object, buffer.clone());
        }
        Ok(buffer)
    }

    /// Keeps a copy of an object. All copies together stay within what is offered.
    fn keep(&self, object: ObjectKey, buffer: Buffer) {
        let mut vram = self.vram();
        vram.keep(object, buffer);
        let excess = vram.bytes().saturating_sub(self.offered_bytes);
        if excess > 0 {
            vram.evict(excess);
        }
    }

    /// Tries again as long as the device is full and copies that nobody reads can go.
    fn making_room<T>(&self, mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        loop {
            match attempt() {
                Err(Error::OutOfMemory { wanted_bytes }) => {
                    if self.vram().evict(wanted_bytes) == 0 {
                        return Err(Error::OutOfMemory { wanted_bytes });
                    }
                }
                other => return other,
            }
        }
    }

    /// Copies outputs to the store, and keeps them here, too.
    fn bring_back(
        &self,
        outputs: Vec<(ObjectType, Buffer)>,
        work: &Work<'_>,
        store: &Store,
        failed: impl Fn(Error) -> Failure,
    ) -> Result<Vec<Value>, Failure> {
        let mut values = Vec::with_capacity(outputs.len());
        let keys = (work.first_output.index..)
            .map(|index| ObjectKey { job: work.first_output.job, index });
        for (object, (object_type, buffer)) in keys.zip(outputs) {
            let purpose = RoomFor::Attempt(work.attempt);
            let place = store.buffer_blocking(object.job, buffer.len(), purpose);
            let mut place =
                place.map_err(|full| Failure::new(FailureKind::OutOfMemory, full.to_string()))?;
            self.device.download(&buffer, place.bytes_mut()).map_err(&failed)?;
            self.keep(object, buffer);
            values.push(Value { object_type, data: place.freeze() });
        }
        Ok(values)
    }

    fn failure(&self, call: &KernelCall, error: &Error) -> Failure {
        let name = &self.device.properties().name;
        match error {
            Error::OutOfMemory { .. } => {
                let (kept, offered) = (self.vram().bytes(), self.offered_bytes);
                let message = format!(
                    "kernel {}: {error}; {name} offers {offered}, {kept} of it hold objects",
                    call.name
                );
                Failure::new(FailureKind::OutOfMemory, message)
            }
            Error::Data(message) => {
                Failure::new(FailureKind::Application, format!("{}: {message}", call.name))
            }
            Error::Plan(error) => Failure::new(FailureKind::Application, error.to_string()),
            Error::Device { .. } => {
                let message = format!("kernel {} on {name}: {error}", call.name);
                let kind = match error.fault() {
                    Some(_) => FailureKind::DeviceLost,
                    None => FailureKind::Application,
                };
                Failure::new(kind, message)
            }
        }
    }
}
