//! The devices that an executor offers, and kernels on them.
//!
//! A kernel's inputs are copied to its device unless they are there already; its outputs stay there
//! for those to come, and are copied to the store, where everybody else finds them.

mod source;
mod vram;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawloom_cuda::{Buffer, Compiler, Device, Error, Lane, Missing, devices};
use drawloom_executor_core::RoomFor;
use drawloom_model::{
    AttemptId, DeviceCapacity, DeviceIndex, DeviceInfo, DeviceKind, Failure, FailureKind,
    ObjectKey, ObjectType, Value,
};

use crate::store::Store;
pub(crate) use source::Code;
use vram::Vram;

/// What is left of a device's memory for the driver's own needs, in hundredths.
const RESERVE_SHARE: u64 = 5;

/// The devices of this machine that the executor offers.
#[derive(Default)]
pub(crate) struct Devices {
    units: Vec<Unit>,
    /// Of users' source.
    compiler: Compiler,
    /// Whether it is there.
    can_compile: bool,
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
    pub(crate) fn open() -> Self {
        let found = match devices() {
            Ok(found) => found,
            Err(Missing::NoLibrary) => {
                tracing::debug!("no GPUs: there is no libcuda");
                Vec::new()
            }
            Err(why) => {
                tracing::warn!(%why, "no GPUs");
                Vec::new()
            }
        };
        let units = found.into_iter().filter_map(|device| {
            let free = device.free_bytes().inspect_err(
                |why| tracing::warn!(device = %device.properties().name, %why, "a GPU is left out"),
            );
            let offered_bytes = free.ok()? / 100 * (100 - RESERVE_SHARE);
            let properties = device.properties();
            tracing::info!(name = %properties.name, uuid = %properties.uuid, "offers a GPU");
            Some(Unit { device, offered_bytes, vram: Mutex::default(), lanes: Mutex::default() })
        });
        let (units, compiler): (Vec<Unit>, _) = (units.collect(), Compiler::default());
        let can_compile = !units.is_empty() && compiler.is_there();
        Devices { units, compiler, can_compile }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Whether CUDA C++ can be compiled for them.
    pub(crate) fn can_compile(&self) -> bool {
        self.can_compile
    }

    /// What is offered, device by device.
    pub(crate) fn capacities(&self) -> Vec<DeviceCapacity> {
        let capacity = |unit: &Unit| {
            let (major, minor) = unit.device.properties().compute_capability;
            DeviceCapacity {
                milli: 1000,
                vram_bytes: unit.offered_bytes,
                compute_capability: u16::try_from(major * 10 + minor).unwrap_or(u16::MAX),
            }
        };
        self.units.iter().map(capacity).collect()
    }

    /// What they are, for people.
    pub(crate) fn infos(&self) -> Vec<DeviceInfo> {
        let info = |unit: &Unit| DeviceInfo {
            name: unit.device.properties().name.clone(),
            kind: DeviceKind::Cuda,
            numa_node: None,
            links: Vec::new(),
        };
        self.units.iter().map(info).collect()
    }

    /// Forgets what devices keep of an object.
    pub(crate) fn forget(&self, object: ObjectKey) {
        for unit in &self.units {
            unit.vram().forget(object);
        }
    }

    /// Bytes of objects' copies, device by device.
    pub(crate) fn kept_bytes(&self) -> impl Iterator<Item = u64> + '_ {
        self.units.iter().map(|unit| unit.vram().bytes())
    }

    /// Runs a kernel on a device and waits for its end; its outputs, which the device keeps under
    /// the keys from the first on. On a thread that may block.
    pub(crate) fn run(
        &self,
        code: Code<'_>,
        work: &Work<'_>,
        store: &Store,
    ) -> Result<Vec<Value>, Failure> {
        let unit = self.units.get(usize::from(work.device.0)).ok_or_else(|| {
            Failure::new(FailureKind::Spawn, format!("there is no device {}", work.device.0))
        })?;
        let failed = |error| unit.failure(code, &error);
        let mut lane = unit.lane().map_err(failed)?;
        let result = unit.run(code, &self.compiler, work, &mut lane);
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
        code: Code<'_>,
        compiler: &Compiler,
        work: &Work<'_>,
        lane: &mut Lane,
    ) -> Result<Vec<(ObjectType, Buffer)>, Error> {
        let plan = code.plan(lane, compiler, work.inputs.iter().map(|(_, value)| *value))?;
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

    fn failure(&self, code: Code<'_>, error: &Error) -> Failure {
        let kernel = code.name();
        let name = &self.device.properties().name;
        match error {
            Error::OutOfMemory { .. } => {
                let (kept, offered) = (self.vram().bytes(), self.offered_bytes);
                let message = format!(
                    "kernel {kernel}: {error}; {name} offers {offered}, {kept} of it hold objects"
                );
                Failure::new(FailureKind::OutOfMemory, message)
            }
            Error::Data(message) => {
                Failure::new(FailureKind::Application, format!("{kernel}: {message}"))
            }
            Error::User(_) | Error::Compile(_) => {
                Failure::new(FailureKind::Application, format!("{kernel}: {error}"))
            }
            Error::NoCompiler(_) => Failure::new(FailureKind::Spawn, format!("{kernel}: {error}")),
            Error::Plan(error) => Failure::new(FailureKind::Application, error.to_string()),
            Error::Device { .. } => {
                let message = format!("kernel {kernel} on {name}: {error}");
                Failure::new(FailureKind::Application, message)
            }
        }
    }
}
