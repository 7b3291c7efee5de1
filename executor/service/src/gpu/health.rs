//! Devices that fail: out of service at once, and back when they are whole again.
//!
//! Whatever fails on a device, the executor goes on. A broken context fails all that is asked of it,
//! so everybody who uses it lets go of it soon, and then a new one is made. A kernel that never ends
//! holds on to its context; that is reset under it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use drawloom_cuda::{Device, Error, Fault, open, reset};
use drawloom_executor_core::Event;
use drawloom_model::{AttemptId, DeviceCapacity, DeviceIndex, Failure, FailureKind};
use tokio::sync::mpsc;

use super::expected::Expected;
use super::stays::{Grace, Overdue, Stays};
use super::unit::Unit;
use super::{Landing, Seat, offered_bytes};
use crate::driver::News;
use crate::store::Store;

/// How long a kernel may go on after its attempt's timeout.
const GRACE: Duration = Duration::from_secs(2);
/// How long whoever uses a broken context has to let go of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a device may fail without a success in between before it stays out.
const FAILURES_LIMIT: u32 = 3;

/// Why a device is taken out of service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// Something on it failed.
    Failed(Fault, String),
    /// A kernel does not end.
    Hangs(Overdue),
}

/// A device's place among those that are offered, whether it works or not.
pub(super) struct Place {
    pub(super) index: DeviceIndex,
    uuid: String,
    /// The driver's number.
    ordinal: usize,
    /// `None` while it is out of service.
    seat: Mutex<Option<Arc<Seat>>>,
    /// Attempts on it.
    stays: Mutex<Stays>,
    grace: Grace,
    /// What is wanted here soon, also by attempts that have not come yet.
    expected: Arc<Mutex<Expected>>,
    failures: AtomicU32,
    /// Whether it is known that the device itself is broken.
    is_broken: AtomicBool,
    store: Arc<Store>,
    news: mpsc::UnboundedSender<News>,
}

impl Place {
    pub(super) fn new(
        index: DeviceIndex,
        uuid: String,
        device: Arc<Device>,
        offered_bytes: u64,
        store: Arc<Store>,
        news: mpsc::UnboundedSender<News>,
        cancel_grace: Duration,
    ) -> Arc<Self> {
        let place = Arc::new(Place {
            index,
            uuid,
            ordinal: device.ordinal(),
            seat: Mutex::default(),
            stays: Mutex::default(),
            grace: Grace { timed_out: GRACE, cancelled: cancel_grace },
            expected: Arc::default(),
            failures: AtomicU32::new(0),
            is_broken: AtomicBool::new(false),
            store,
            news,
        });
        *place.slot() = Some(place.furnish(device, offered_bytes));
        place
    }

    fn furnish(self: &Arc<Self>, device: Arc<Device>, offered_bytes: u64) -> Arc<Seat> {
        let (store, news) = (Arc::clone(&self.store), self.news.clone());
        let (place, expected) = (Arc::downgrade(self), Arc::clone(&self.expected));
        Seat::new(Unit::new(place, self.index, device, offered_bytes, store, news, expected))
    }

    /// The device, where it is in service.
    pub(super) fn seat(&self) -> Option<Arc<Seat>> {
        self.slot().clone()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Seat>>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stays(&self) -> MutexGuard<'_, Stays> {
        self.stays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn expected(&self) -> MutexGuard<'_, Expected> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt comes to the device.
    ///
    /// # Errors
    /// It is out of service.
    pub(super) fn enter(&self, attempt: AttemptId) -> Result<Arc<Seat>, Failure> {
        let out = || Failure::new(FailureKind::DeviceLost, "the device is out of service");
        let seat = self.seat().ok_or_else(out)?;
        self.stays().enter(attempt);
        self.expected().queue(attempt);
        Ok(seat)
    }

    /// An attempt has ended there.
    pub(super) fn leave(&self, attempt: AttemptId, succeeded: bool) {
        self.stays().leave(attempt, Instant::now());
        if succeeded {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Takes the device out of service where a kernel goes on long after it was to end.
    pub(super) fn check(self: &Arc<Self>, now: Instant) {
        let overdue = self.stays().overdue(now, self.grace);
        if let Some(overdue) = overdue {
            self.fail(Cause::Hangs(overdue));
        }
    }

    /// Takes the device out of service where the error tells that it is of no more use.
    pub(super) fn judge(self: &Arc<Self>, error: &Error) {
        if let Some(fault) = error.fault() {
            self.fail(Cause::Failed(fault, error.to_string()));
        }
    }

    /// Takes the device out of service, unless it is, and sees to its return.
    pub(super) fn fail(self: &Arc<Self>, cause: Cause) {
        if let Cause::Failed(Fault::Device, _) = cause {
            // It may be known already that something is wrong, but not how much.
            self.is_broken.store(true, Ordering::Relaxed);
        }
        let Some(seat) = self.slot().take() else { return };
        let why = match &cause {
            Cause::Failed(_, why) => why,
            Cause::Hangs(Overdue::TimedOut) => "a kernel on it does not end after its timeout",
            Cause::Hangs(Overdue::Cancelled) => {
                "a kernel on it does not end after it was cancelled"
            }
        };
        tracing::error!(gpu = %self.uuid, why, "a GPU is out of service");
        metrics::counter!("executor_gpu_failures_total", "gpu" => self.uuid.clone()).increment(1);
        self.announce(DeviceCapacity::NONE);
        let place = Arc::clone(self);
        let thread = std::thread::Builder::new().name("drawloom-gpu-repair".to_owned());
        if let Err(error) = thread.spawn(move || place.repair(seat, &cause)) {
            tracing::error!(gpu = %self.uuid, %error, "nobody repairs the GPU: it stays out");
        }
    }

    /// Tells the core what the device offers from now on.
    fn announce(&self, capacity: DeviceCapacity) {
        let changed = Event::DeviceChanged { device: self.index, capacity };
        // Nobody listens when the executor is ending.
        let _ = self.news.send(News::Event(changed));
    }

    fn repair(self: &Arc<Self>, seat: Arc<Seat>, cause: &Cause) {
        let old = Arc::downgrade(&seat.unit.device);
        drop(seat);
        let lets_go = !matches!(cause, Cause::Hangs(_)) && is_gone(&old);
        // Also where nobody here uses it: whoever shares the process may hold on to the context.
        if let Err(why) = reset(self.ordinal) {
            tracing::warn!(gpu = %self.uuid, %why, "a GPU's context is not reset");
        }
        if !lets_go && !is_gone(&old) {
            tracing::error!(gpu = %self.uuid, "what runs on the GPU cannot be ended");
            return self.give_up();
        }
        // That somebody wants a kernel to end says nothing of the device.
        let counts = u32::from(*cause != Cause::Hangs(Overdue::Cancelled));
        let failures = counts + self.failures.fetch_add(counts, Ordering::Relaxed);
        if self.is_broken.load(Ordering::Relaxed) {
            tracing::error!(gpu = %self.uuid, "the GPU stays out of service");
        } else if failures > FAILURES_LIMIT {
            tracing::error!(gpu = %self.uuid, failures, "the GPU fails again and again");
        } else {
            self.reopen();
        }
    }

    fn reopen(self: &Arc<Self>) {
        match try_out(self.ordinal) {
            Ok((device, offered_bytes)) => {
                let seat = self.furnish(device, offered_bytes);
                let capacity = seat.unit.capacity();
                tracing::info!(gpu = %self.uuid, "the GPU is in service again");
                *self.slot() = Some(seat);
                self.announce(capacity);
            }
            Err(why) => tracing::error!(gpu = %self.uuid, %why, "the GPU does not come back"),
        }
    }

    /// Nobody hears of those attempts from their threads any more.
    fn give_up(&self) {
        let attempts = self.stays().take_all();
        for attempt in attempts {
            let message = "the device failed and does not let go of the attempt";
            let result = Err(Failure::new(FailureKind::DeviceLost, message));
            let (device, run_time) = (self.index, Duration::ZERO);
            let landing = Landing { attempt, device, result, run_time, ticket: None };
            let _ = self.news.send(News::Landed(vec![landing]));
        }
    }
}

/// Opens a device again that has failed, and tries it; what it offers.
fn try_out(ordinal: usize) -> Result<(Arc<Device>, u64), String> {
    const SAMPLE: [u8; 64] = [0xa5; 64];
    let device = Arc::new(open(ordinal)?);
    let mut back = [0; SAMPLE.len()];
    let copied = device.upload(&SAMPLE).and_then(|there| device.download(&there, &mut back));
    copied.map_err(|error| error.to_string())?;
    if back != SAMPLE {
        return Err("its memory does not keep what it is given".to_owned());
    }
    let offered_bytes = offered_bytes(&device).map_err(|error| error.to_string())?;
    Ok((device, offered_bytes))
}

/// Waits until nobody uses a device's old context, for a while: neither its threads nor whoever has
/// something in its memory.
fn is_gone(device: &Weak<Device>) -> bool {
    let start = Instant::now();
    while device.strong_count() > 0 {
        if start.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
