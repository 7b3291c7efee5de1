//! A device and its memory: bringing operands there, and making room.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use drawloom_cuda::{Buffer, Device, Error};
use drawloom_executor_core::Event;
use drawloom_model::{
    AttemptId, DeviceCapacity, DeviceIndex, DeviceUsage, Failure, FailureKind, ObjectKey,
    ObjectType, Value,
};
use tokio::sync::mpsc;

use super::Operand;
use super::expected::Expected;
use super::health::Place;
use super::vram::{Standing, Victim, Vram};
use crate::driver::News;
use crate::store::{Kept, Resident, Store};

/// A device that the executor offers.
pub(super) struct Unit {
    place: Weak<Place>,
    pub index: DeviceIndex,
    pub device: Arc<Device>,
    pub offered_bytes: u64,
    store: Arc<Store>,
    news: mpsc::UnboundedSender<News>,
    vram: Mutex<Vram>,
    expected: Arc<Mutex<Expected>>,
    counts: Counts,
}

/// How operands came to be on the device, and what left it.
#[derive(Default)]
struct Counts {
    found: AtomicU64,
    uploaded: AtomicU64,
    received: AtomicU64,
    copied_bytes: AtomicU64,
    evicted_bytes: AtomicU64,
    launches: AtomicU64,
    launch_cpu_nanos: AtomicU64,
}

impl Unit {
    pub(super) fn new(
        place: Weak<Place>,
        index: DeviceIndex,
        device: Arc<Device>,
        offered_bytes: u64,
        store: Arc<Store>,
        news: mpsc::UnboundedSender<News>,
        expected: Arc<Mutex<Expected>>,
    ) -> Self {
        let (vram, counts) = (Mutex::default(), Counts::default());
        Unit { place, index, device, offered_bytes, store, news, vram, expected, counts }
    }

    /// What it offers.
    pub(super) fn capacity(&self) -> DeviceCapacity {
        let (major, minor) = self.device.properties().compute_capability;
        DeviceCapacity {
            milli: 1000,
            vram_bytes: self.offered_bytes,
            compute_capability: u16::try_from(major * 10 + minor).unwrap_or(u16::MAX),
        }
    }

    pub(super) fn vram(&self) -> MutexGuard<'_, Vram> {
        self.vram.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn usage(&self) -> DeviceUsage {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        DeviceUsage {
            objects_bytes: self.vram().bytes(),
            inputs_found: count(&self.counts.found),
            inputs_uploaded: count(&self.counts.uploaded),
            inputs_received: count(&self.counts.received),
            copied_bytes: count(&self.counts.copied_bytes),
            evicted_bytes: count(&self.counts.evicted_bytes),
            launches: count(&self.counts.launches),
            launch_cpu_nanos: count(&self.counts.launch_cpu_nanos),
        }
    }

    /// Operands on the device, copied there unless they are. Those that are there are taken first,
    /// so that none of them has to go for the others.
    pub(super) fn bring_all(
        &self,
        operands: &[Operand],
        wait: impl Fn() -> bool,
    ) -> Result<Vec<Arc<Resident>>, Error> {
        let here: Vec<_> = operands.iter().map(|operand| self.find_here(operand)).collect();
        let all = here.into_iter().zip(operands);
        all.map(|(here, operand)| here.map_or_else(|| self.bring(operand, &wait), Ok)).collect()
    }

    fn find_here(&self, operand: &Operand) -> Option<Arc<Resident>> {
        let resident = self.vram().find(operand.object)?;
        self.counts.found.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("executor_vram_inputs_total", "found" => "there").increment(1);
        Some(resident)
    }

    fn bring(&self, operand: &Operand, wait: impl Fn() -> bool) -> Result<Arc<Resident>, Error> {
        // It may be the same as one before.
        if let Some(resident) = self.find_here(operand) {
            return Ok(resident);
        }
        let Some(kept) = operand.find(&self.store) else {
            return Err(Error::Source("an input was dropped before its use".to_owned()));
        };
        match kept {
            Kept::Memory(value) => self.upload(operand, &value, wait),
            Kept::Device(resident) if resident.home == self.index => {
                self.counts.found.fetch_add(1, Ordering::Relaxed);
                Ok(resident)
            }
            Kept::Device(resident) => {
                // Where the other device fails, this one does not.
                let receive = || {
                    self.device.receive(resident.buffer()).map_err(|error| match error.fault() {
                        Some(_) => Error::Source(error.to_string()),
                        None => error,
                    })
                };
                let buffer = self.making_room(receive, wait)?;
                self.note(&self.counts.received, "device", &buffer);
                let object_type = resident.object_type.clone();
                Ok(self.keep(operand.object, object_type, buffer, Standing::Copy))
            }
            // Memory on the host is not wanted for it.
            Kept::Disk(spilled) => {
                let value = spilled.load().map_err(|error| Error::Data(error.to_string()))?;
                self.upload(operand, &value, wait)
            }
        }
    }

    /// Copies an operand from the host.
    fn upload(
        &self,
        operand: &Operand,
        value: &Value,
        wait: impl Fn() -> bool,
    ) -> Result<Arc<Resident>, Error> {
        let buffer = self.making_room(|| self.device.upload(&value.data), wait)?;
        self.note(&self.counts.uploaded, "host", &buffer);
        let standing = if operand.was_sent { Standing::Sent } else { Standing::Copy };
        Ok(self.keep(operand.object, value.object_type.clone(), buffer, standing))
    }

    /// Counts a launch, which took so much processor time.
    pub(super) fn launched(&self, attempt: AttemptId, lane: usize, cpu: Duration) {
        if let Some(place) = self.place.upgrade() {
            place.stays().launched(attempt, lane, Instant::now());
        }
        let nanos = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
        self.counts.launches.fetch_add(1, Ordering::Relaxed);
        self.counts.launch_cpu_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn note(&self, count: &AtomicU64, from: &'static str, buffer: &Buffer) {
        count.fetch_add(1, Ordering::Relaxed);
        self.counts.copied_bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        metrics::counter!("executor_vram_inputs_total", "found" => from).increment(1);
    }

    /// Keeps what is on the device.
    pub(super) fn keep(
        &self,
        object: ObjectKey,
        object_type: ObjectType,
        buffer: Buffer,
        standing: Standing,
    ) -> Arc<Resident> {
        let device = Arc::clone(&self.device);
        let resident = Resident::new(object_type, self.index, device, buffer);
        self.vram().keep(object, Arc::clone(&resident), standing);
        resident
    }

    /// What was just made is in the store now, or nobody wants it.
    pub(super) fn settle(&self, object: ObjectKey) {
        let is_kept = matches!(self.store.find(object), Some(Kept::Device(_)));
        self.vram().settle(object, is_kept);
    }

    /// Forgets a copy of what was released while it was used.
    pub(super) fn forget_released(&self, operand: &Operand) {
        if !operand.was_sent && self.store.find(operand.object).is_none() {
            self.vram().forget(operand.object);
        }
    }

    /// Tries again as long as the device is full and something can leave it, or `wait`, which waits
    /// for a kernel's end, finds that there was one.
    pub(super) fn making_room<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Error>,
        wait: impl Fn() -> bool,
    ) -> Result<T, Error> {
        loop {
            match attempt() {
                Err(Error::OutOfMemory { wanted_bytes }) => {
                    if !self.evict(wanted_bytes) && !wait() {
                        return Err(Error::OutOfMemory { wanted_bytes });
                    }
                }
                other => return other,
            }
        }
    }

    /// Moves objects out of the device's memory; whether any went.
    fn evict(&self, wanted_bytes: u64) -> bool {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        let victims = self.vram().victims(wanted_bytes, |object| expected.next_use(object));
        drop(expected);
        let mut any = false;
        for victim in victims {
            if victim.standing == Standing::Alone && !self.move_out(&victim) {
                continue;
            }
            let Victim { object, resident, .. } = victim;
            self.counts.evicted_bytes.fetch_add(resident.size_bytes(), Ordering::Relaxed);
            self.vram().forget(object);
            any = true;
        }
        any
    }

    /// Moves what is here alone off the device and tells the core where it is; whether it went.
    fn move_out(&self, victim: &Victim) -> bool {
        let told = self.put_elsewhere(victim).map(|event| {
            let _ = self.news.send(News::Event(event));
        });
        if let Err(error) = &told {
            tracing::warn!(object = ?victim.object, error, "an object does not leave its device");
        }
        told.is_ok()
    }

    /// Copies it into memory, or to the disk where memory is full. Waits for no memory: whoever
    /// would free some may be waiting for this device.
    fn put_elsewhere(&self, Victim { object, resident, .. }: &Victim) -> Result<Event, String> {
        let object = *object;
        let Ok(mut place) = self.store.buffer_now(object.job, resident.size_bytes() as usize)
        else {
            let value = resident.load().map_err(|error| error.to_string())?;
            self.store.put_on_disk(object, &value).map_err(|error| error.to_string())?;
            return Ok(Event::Spilled { object });
        };
        resident.read(place.bytes_mut()).map_err(|error| error.to_string())?;
        let object_type = resident.object_type.clone();
        self.store.put_back(object, Value { object_type, data: place.freeze() });
        Ok(Event::Restored { object })
    }

    /// What is told of a call that failed. Where the device is of no more use, it is out of service
    /// before anybody is told.
    pub(super) fn failure(&self, kernel: &str, error: &Error) -> Failure {
        if let Some(place) = self.place.upgrade() {
            place.judge(error);
        }
        let name = &self.device.properties().name;
        match error {
            Error::OutOfMemory { .. } => {
                let (held, offered) = (self.vram().bytes(), self.offered_bytes);
                let message = format!(
                    "kernel {kernel}: {error}; {name} offers {offered}, {held} of it hold objects"
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
                let kind = match error.fault() {
                    Some(_) => FailureKind::DeviceLost,
                    None => FailureKind::Application,
                };
                Failure::new(kind, message)
            }
            Error::Source(_) => {
                Failure::new(FailureKind::ObjectLost, format!("kernel {kernel}: {error}"))
            }
        }
    }
}
