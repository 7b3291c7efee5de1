//! The devices that an executor offers, and kernels on them.
//!
//! A kernel's inputs are copied to its device unless they are there already. Its outputs stay there,
//! and nowhere else, until somebody needs them in memory or the device needs the room.

mod queue;
mod unit;
mod vram;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use drawloom_cuda::{Device, Missing, devices};
use drawloom_model::{
    Assignment, AttemptId, DeviceCapacity, DeviceIndex, DeviceInfo, DeviceKind, DeviceUsage,
    Failure, FailureKind, JobKey, ObjectKey, ObjectType,
};
use tokio::sync::mpsc;

use crate::cancellation::Cancellation;
use crate::driver::News;
use crate::store::{Kept, Resident, Store};
use queue::Queue;
use unit::Unit;

/// What is left of a device's memory for the driver's own needs, in hundredths.
const RESERVE_SHARE: u64 = 5;

/// The devices of this machine that the executor offers.
pub(crate) struct Devices {
    seats: Vec<Seat>,
    news: mpsc::UnboundedSender<News>,
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

/// An input and where it is.
pub(crate) struct Operand {
    pub object: ObjectKey,
    pub kept: Kept,
    /// Whether it came with the assignment.
    pub was_sent: bool,
}

/// An attempt on a device has ended.
#[derive(Debug)]
pub(crate) struct Landing {
    pub attempt: AttemptId,
    pub device: DeviceIndex,
    pub result: Result<Vec<Arc<Resident>>, Failure>,
    pub run_time: Duration,
}

impl std::fmt::Debug for Devices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} devices", self.seats.len())
    }
}

impl Devices {
    /// Those that the driver knows where they are wanted; none, and a line in the log, where there
    /// is no driver.
    pub(crate) fn open(
        is_wanted: bool,
        store: &Arc<Store>,
        news: &mpsc::UnboundedSender<News>,
    ) -> Self {
        let found = if is_wanted { find() } else { Vec::new() };
        let offered = found.into_iter().filter_map(|device| {
            let free = device.free_bytes().inspect_err(
                |why| tracing::warn!(device = %device.properties().name, %why, "a GPU is left out"),
            );
            let offered_bytes = free.ok()? / 100 * (100 - RESERVE_SHARE);
            let properties = device.properties();
            tracing::info!(name = %properties.name, uuid = %properties.uuid, "offers a GPU");
            Some((device, offered_bytes))
        });
        let seats = (0..).zip(offered).map(|(index, (device, offered_bytes))| {
            let (store, news) = (Arc::clone(store), news.clone());
            let unit = Unit::new(DeviceIndex(index), device, offered_bytes, store, news);
            Seat { unit: Arc::new(unit), queue: OnceLock::new() }
        });
        Devices { seats: seats.collect(), news: news.clone() }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// What is offered, device by device.
    pub(crate) fn capacities(&self) -> Vec<DeviceCapacity> {
        let capacity = |seat: &Seat| {
            let (major, minor) = seat.unit.device.properties().compute_capability;
            DeviceCapacity {
                milli: 1000,
                vram_bytes: seat.unit.offered_bytes,
                compute_capability: u16::try_from(major * 10 + minor).unwrap_or(u16::MAX),
            }
        };
        self.seats.iter().map(capacity).collect()
    }

    /// What they are, for people.
    pub(crate) fn infos(&self) -> Vec<DeviceInfo> {
        let info = |seat: &Seat| DeviceInfo {
            name: seat.unit.device.properties().name.clone(),
            kind: DeviceKind::Cuda,
            numa_node: None,
            links: Vec::new(),
        };
        self.seats.iter().map(info).collect()
    }

    /// What each of them holds.
    pub(crate) fn usage(&self) -> Vec<DeviceUsage> {
        self.seats.iter().map(|seat| seat.unit.usage()).collect()
    }

    /// Forgets what devices hold of an object.
    pub(crate) fn forget(&self, object: ObjectKey) {
        for seat in &self.seats {
            seat.unit.vram().forget(object);
        }
    }

    /// Forgets what came with the assignments of a job.
    pub(crate) fn forget_sent(&self, job: JobKey) {
        for seat in &self.seats {
            seat.unit.vram().forget_sent(job);
        }
    }

    /// Puts an attempt into its device's queue; [`News::Landed`] tells of its end.
    pub(crate) fn run(&self, job: DeviceJob) {
        let attempt = job.assignment.attempt;
        let device = job.assignment.devices.first().copied().unwrap_or_default();
        match self.queue(device) {
            Ok(queue) => queue.add(job),
            Err(why) => {
                let result = Err(Failure::new(FailureKind::Spawn, why));
                let landing = Landing { attempt, device, result, run_time: Duration::ZERO };
                let _ = self.news.send(News::Landed(vec![landing]));
            }
        }
    }

    fn queue(&self, device: DeviceIndex) -> Result<&Queue, String> {
        let seat = self.seats.get(usize::from(device.0));
        let seat = seat.ok_or_else(|| format!("there is no device {}", device.0))?;
        if let Some(queue) = seat.queue.get() {
            return Ok(queue);
        }
        let queue = Queue::start(Arc::clone(&seat.unit), self.news.clone())
            .map_err(|error| format!("no thread for device {}: {error}", device.0))?;
        Ok(seat.queue.get_or_init(|| queue))
    }
}

impl Operand {
    fn object_type(&self) -> &ObjectType {
        match &self.kept {
            Kept::Memory(value) => &value.object_type,
            Kept::Device(resident) => &resident.object_type,
            Kept::Disk(spilled) => &spilled.object_type,
        }
    }
}

fn find() -> Vec<Arc<Device>> {
    match devices() {
        Ok(found) => found,
        Err(Missing::NoLibrary) => {
            tracing::debug!("no GPUs: there is no libcuda");
            Vec::new()
        }
        Err(why) => {
            tracing::warn!(%why, "no GPUs");
            Vec::new()
        }
    }
}
