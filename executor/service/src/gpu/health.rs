//! Devices that fail: out of service at once, and back when they are whole again.
//!
//! Whatever fails on a device, the executor goes on. A broken context fails all that is asked of it,
//! so everybody who uses it lets go of it soon, and then a new one is made. A kernel that never ends
//! holds on to its context; that is reset under it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use drawloom_cuda::{Error, Fault, reset};
use drawloom_executor_core::Event;
use drawloom_model::{AttemptId, DeviceCapacity, DeviceIndex, Failure, FailureKind};
use tokio::sync::mpsc;

use super::Unit;
use crate::driver::News;
use crate::runner::Completion;

/// How long a kernel may go on after its attempt's timeout. Kernels cannot be ended one by one, so
/// all that is on the device ends with it then.
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
    Hangs,
}

/// A device's place among those that are offered, whether it works or not.
pub(super) struct Place {
    pub(super) index: DeviceIndex,
    uuid: String,
    /// The driver's number.
    ordinal: usize,
    /// `None` while it is out of service.
    unit: Mutex<Option<Arc<Unit>>>,
    /// Attempts on it, each with the moment when its time was up.
    attempts: Mutex<BTreeMap<AttemptId, Option<Instant>>>,
    failures: AtomicU32,
    /// Whether it is known that the device itself is broken.
    is_broken: AtomicBool,
    news: mpsc::UnboundedSender<News>,
}

/// An attempt on a device, for as long as it is there.
pub(super) struct Stay<'p> {
    place: &'p Place,
    attempt: AttemptId,
}

impl Place {
    pub(super) fn new(
        index: DeviceIndex,
        uuid: String,
        unit: Unit,
        news: mpsc::UnboundedSender<News>,
    ) -> Arc<Self> {
        Arc::new(Place {
            index,
            uuid,
            ordinal: unit.device.ordinal(),
            unit: Mutex::new(Some(Arc::new(unit))),
            attempts: Mutex::default(),
            failures: AtomicU32::new(0),
            is_broken: AtomicBool::new(false),
            news,
        })
    }

    /// The device, where it is in service.
    pub(super) fn unit(&self) -> Option<Arc<Unit>> {
        self.slot().clone()
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Unit>>> {
        self.unit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, BTreeMap<AttemptId, Option<Instant>>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt comes to the device.
    ///
    /// # Errors
    /// It is out of service.
    pub(super) fn enter(&self, attempt: AttemptId) -> Result<(Stay<'_>, Arc<Unit>), Failure> {
        let out = || Failure::new(FailureKind::DeviceLost, "the device is out of service");
        let unit = self.unit().ok_or_else(out)?;
        self.attempts().insert(attempt, None);
        Ok((Stay { place: self, attempt }, unit))
    }

    /// The attempt's time is up, if it is here: it is to end.
    pub(super) fn time_is_up(&self, attempt: AttemptId, now: Instant) {
        if let Some(since) = self.attempts().get_mut(&attempt) {
            since.get_or_insert(now);
        }
    }

    /// Takes the device out of service where an attempt goes on long after its time.
    pub(super) fn check(self: &Arc<Self>, now: Instant) {
        let hangs = |since: &Option<Instant>| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= GRACE)
        };
        if self.attempts().values().any(hangs) {
            self.fail(Cause::Hangs);
        }
    }

    /// Something worked there.
    pub(super) fn works(&self) {
        self.failures.store(0, Ordering::Relaxed);
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
        let Some(unit) = self.slot().take() else { return };
        let why = match &cause {
            Cause::Failed(_, why) => why,
            Cause::Hangs => "a kernel on it does not end",
        };
        tracing::error!(gpu = %self.uuid, why, "a GPU is out of service");
        metrics::counter!("executor_gpu_failures_total", "gpu" => self.uuid.clone()).increment(1);
        self.announce(DeviceCapacity::NONE);
        let place = Arc::clone(self);
        let thread = std::thread::Builder::new().name("drawloom-gpu-repair".to_owned());
        if let Err(error) = thread.spawn(move || place.repair(unit, &cause)) {
            tracing::error!(gpu = %self.uuid, %error, "nobody repairs the GPU: it stays out");
        }
    }

    /// Tells the core what the device offers from now on.
    fn announce(&self, capacity: DeviceCapacity) {
        let changed = Event::DeviceChanged { device: self.index, capacity };
        // Nobody listens when the executor is ending.
        let _ = self.news.send(News::Event(changed));
    }

    fn repair(&self, unit: Arc<Unit>, cause: &Cause) {
        let old = Arc::downgrade(&unit);
        drop(unit);
        let lets_go = *cause != Cause::Hangs && is_gone(&old);
        // Also where nobody here uses it: whoever shares the process may hold on to the context.
        if let Err(why) = reset(self.ordinal) {
            tracing::warn!(gpu = %self.uuid, %why, "a GPU's context is not reset");
        }
        if !lets_go && !is_gone(&old) {
            tracing::error!(gpu = %self.uuid, "what runs on the GPU cannot be ended");
            return self.give_up();
        }
        let failures = 1 + self.failures.fetch_add(1, Ordering::Relaxed);
        if self.is_broken.load(Ordering::Relaxed) {
            tracing::error!(gpu = %self.uuid, "the GPU stays out of service");
        } else if failures > FAILURES_LIMIT {
            tracing::error!(gpu = %self.uuid, failures, "the GPU fails again and again");
        } else {
            self.reopen();
        }
    }

    fn reopen(&self) {
        match Unit::reopen(self.ordinal) {
            Ok(unit) => {
                let capacity = unit.capacity();
                tracing::info!(gpu = %self.uuid, "the GPU is in service again");
                *self.slot() = Some(Arc::new(unit));
                self.announce(capacity);
            }
            Err(why) => tracing::error!(gpu = %self.uuid, %why, "the GPU does not come back"),
        }
    }

    /// Nobody hears of those attempts from their threads any more.
    fn give_up(&self) {
        for (attempt, _) in std::mem::take(&mut *self.attempts()) {
            let message = "the device failed and does not let go of the attempt";
            let result = Err(Failure::new(FailureKind::DeviceLost, message));
            let completion = Completion { attempt, result, run_time: Duration::ZERO };
            let _ = self.news.send(News::Completed(completion));
        }
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.place.attempts().remove(&self.attempt);
    }
}

/// Waits until nobody uses a unit, for a while.
fn is_gone(unit: &Weak<Unit>) -> bool {
    let start = Instant::now();
    while unit.strong_count() > 0 {
        if start.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
