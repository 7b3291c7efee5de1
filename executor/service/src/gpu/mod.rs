//! The devices that an executor offers, and kernels on them.
//!
//! A kernel's inputs are copied to its device unless they are there already. Its outputs stay there,
//! and nowhere else, until somebody needs them in memory or the device needs the room.

mod air;
mod expected;
mod health;
mod line;
mod operand;
mod queue;
mod source;
mod stays;
mod telemetry;
mod topology;
mod unit;
mod vram;
mod watch;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use drawloom_cuda::{Compiler, Device, Missing, devices};
use drawloom_executor_core::Turn;
use drawloom_model::{
    Assignment, AttemptId, DeviceCapacity, DeviceIndex, DeviceInfo, DeviceUsage, Failure,
    FailureKind, JobKey, ObjectKey,
};
use drawloom_nvml::Library;
use tokio::sync::mpsc;

use crate::cancellation::Cancellation;
use crate::driver::News;
use crate::store::{Resident, Store};
use air::Ticket;
use health::Place;
pub(crate) use operand::Operand;
use queue::Queue;
use unit::Unit;
pub(crate) use watch::watch;

/// What is left of a device's memory for the driver's own needs, in hundredths.
const RESERVE_SHARE: u64 = 5;

/// The devices of this machine that the executor offers.
pub(crate) struct Devices {
    places: Vec<Arc<Place>>,
    infos: Vec<DeviceInfo>,
    news: mpsc::UnboundedSender<News>,
    /// Of users' source.
    compiler: Arc<Compiler>,
    /// Whether it is there.
    can_compile: bool,
}

/// A device, and its queue once something was put there.
struct Seat {
    unit: Arc<Unit>,
    queue: OnceLock<Queue>,
}

/// An attempt that is to run on a device.
pub(crate) struct DeviceJob {
    pub assignment: Box<Assignment>,
    pub operands: Vec<Operand>,
    pub cancellation: Arc<Cancellation>,
}

/// An attempt on a device has ended.
#[derive(Debug)]
pub(crate) struct Landing {
    pub attempt: AttemptId,
    pub device: DeviceIndex,
    pub result: Result<Vec<Arc<Resident>>, Failure>,
    pub run_time: Duration,
    /// To be dropped when the store has its outputs.
    pub ticket: Option<Ticket>,
}

impl std::fmt::Debug for Devices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} devices", self.places.len())
    }
}

impl Devices {
    /// Those that the driver knows where they are wanted; none, and a line in the log, where there
    /// is no driver. What watches them is to be given the library.
    pub(crate) fn open(
        is_wanted: bool,
        cancel_grace: Duration,
        store: &Arc<Store>,
        news: &mpsc::UnboundedSender<News>,
    ) -> (Self, Option<Library>) {
        let devices = if is_wanted { find() } else { Vec::new() };
        let offered = devices.into_iter().filter_map(|device| {
            let offered_bytes = offered_bytes(&device).inspect_err(
                |why| tracing::warn!(device = %device.properties().name, %why, "a GPU is left out"),
            );
            let properties = device.properties();
            tracing::info!(name = %properties.name, uuid = %properties.uuid, "offers a GPU");
            Some((Arc::clone(&device), offered_bytes.ok()?))
        });
        let offered: Vec<_> = offered.collect();
        let library = if offered.is_empty() { None } else { Library::open() };
        let found = library.as_ref().map(Library::devices).unwrap_or_default();
        let properties = offered.iter().map(|(device, _)| device.properties());
        let infos = topology::describe(&properties.collect::<Vec<_>>(), &found);
        let places = (0..).zip(offered).zip(&infos).map(|((index, (device, bytes)), info)| {
            let (store, news) = (Arc::clone(store), news.clone());
            Place::new(
                DeviceIndex(index),
                info.uuid.clone(),
                device,
                bytes,
                store,
                news,
                cancel_grace,
            )
        });
        let (places, news): (Vec<_>, _) = (places.collect(), news.clone());
        let compiler = Arc::new(Compiler::default());
        let can_compile = !places.is_empty() && compiler.is_there();
        (Devices { places, infos, news, compiler, can_compile }, library)
    }

    /// Whether CUDA C++ can be compiled for them.
    pub(crate) fn can_compile(&self) -> bool {
        self.can_compile
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn places(&self) -> &[Arc<Place>] {
        &self.places
    }

    /// Those that are in service.
    fn seats(&self) -> impl Iterator<Item = Arc<Seat>> + '_ {
        self.places.iter().filter_map(|place| place.seat())
    }

    fn uuids(&self) -> Vec<String> {
        self.infos.iter().map(|info| info.uuid.clone()).collect()
    }

    /// An attempt has run longer than it may: it ends, or its device does.
    pub(crate) fn time_is_up(&self, attempt: AttemptId) {
        for place in &self.places {
            place.stays().time_is_up(attempt, Instant::now());
        }
    }

    /// An attempt is to end for another reason: it has longer for it.
    pub(crate) fn cancelled(&self, attempt: AttemptId) {
        for place in &self.places {
            place.stays().cancelled(attempt, Instant::now());
        }
    }

    /// An attempt is no more on its device.
    pub(crate) fn landed(&self, landing: &Landing) {
        if let Some(place) = self.places.get(usize::from(landing.device.0)) {
            place.leave(landing.attempt, landing.result.is_ok());
        }
    }

    /// What is offered, device by device.
    pub(crate) fn capacities(&self) -> Vec<DeviceCapacity> {
        let capacity = |seat: Arc<Seat>| seat.unit.capacity();
        self.places
            .iter()
            .map(|place| place.seat().map_or(DeviceCapacity::NONE, capacity))
            .collect()
    }

    /// What they are, for people.
    pub(crate) fn infos(&self) -> &[DeviceInfo] {
        &self.infos
    }

    /// What each of them holds.
    pub(crate) fn usage(&self) -> Vec<DeviceUsage> {
        let usage = |place: &Arc<Place>| place.seat().map(|seat| seat.unit.usage());
        self.places.iter().map(|place| usage(place).unwrap_or_default()).collect()
    }

    /// Forgets what devices hold of an object.
    pub(crate) fn forget(&self, object: ObjectKey) {
        for seat in self.seats() {
            seat.unit.vram().forget(object);
        }
    }

    /// Forgets what came with the assignments of a job.
    pub(crate) fn forget_sent(&self, job: JobKey) {
        for seat in self.seats() {
            seat.unit.vram().forget_sent(job);
        }
    }

    /// An attempt will come to a device, and want these objects there.
    pub(crate) fn expect(
        &self,
        attempt: AttemptId,
        device: DeviceIndex,
        turn: Turn,
        objects: &[ObjectKey],
    ) {
        if let Some(place) = self.places.get(usize::from(device.0)) {
            place.expected().add(attempt, turn, objects);
        }
    }

    /// An attempt that was expected has been there, or comes no more.
    pub(crate) fn expect_no_more(&self, attempt: AttemptId, device: DeviceIndex) {
        if let Some(place) = self.places.get(usize::from(device.0)) {
            place.expected().remove(attempt);
        }
    }

    /// Puts an attempt into its device's queue; [`News::Landed`] tells of its end.
    pub(crate) fn run(&self, job: DeviceJob) {
        let attempt = job.assignment.attempt;
        let device = job.assignment.devices.first().copied().unwrap_or_default();
        if let Err(failure) = self.enqueue(device, job) {
            let (result, run_time) = (Err(failure), Duration::ZERO);
            let landing = Landing { attempt, device, result, run_time, ticket: None };
            let _ = self.news.send(News::Landed(vec![landing]));
        }
    }

    fn enqueue(&self, device: DeviceIndex, job: DeviceJob) -> Result<(), Failure> {
        let place = self.places.get(usize::from(device.0)).ok_or_else(|| {
            Failure::new(FailureKind::Spawn, format!("there is no device {}", device.0))
        })?;
        let seat = place.enter(job.assignment.attempt)?;
        seat.queue(&self.news, &self.compiler)?.add(job);
        Ok(())
    }
}

impl Seat {
    fn new(unit: Unit) -> Arc<Self> {
        Arc::new(Seat { unit: Arc::new(unit), queue: OnceLock::new() })
    }

    fn queue(
        &self,
        news: &mpsc::UnboundedSender<News>,
        compiler: &Arc<Compiler>,
    ) -> Result<&Queue, Failure> {
        if let Some(queue) = self.queue.get() {
            return Ok(queue);
        }
        let (unit, compiler) = (Arc::clone(&self.unit), Arc::clone(compiler));
        let queue = Queue::start(unit, news.clone(), compiler).map_err(|error| {
            Failure::new(FailureKind::Spawn, format!("no thread for a device: {error}"))
        })?;
        Ok(self.queue.get_or_init(|| queue))
    }
}

/// What is offered of a device's memory: what others leave, less a reserve.
fn offered_bytes(device: &Device) -> Result<u64, drawloom_cuda::Error> {
    Ok(device.free_bytes()? / 100 * (100 - RESERVE_SHARE))
}

fn find() -> Vec<Arc<Device>> {
    match devices() {
        Ok(found) => found,
        Err(Missing::NoLibrary) => {
            tracing::info!("no GPUs: there is no libcuda");
            Vec::new()
        }
        Err(why) => {
            tracing::warn!(%why, "no GPUs");
            Vec::new()
        }
    }
}
