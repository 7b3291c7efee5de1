//! Events: errors that the driver logs (Xid).

use std::collections::BTreeMap;
use std::ffi::{c_uint, c_ulonglong};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use drawloom_gpu_sim::MAX_XIDS;

use crate::code::{Code, api, give};
use crate::state::{device, handle_of, index_of, live_of};

/// The kind of event for critical errors.
const XID: c_ulonglong = 8;

/// `nvmlEventData_t`.
#[repr(C)]
pub struct EventData {
    device: usize,
    kind: c_ulonglong,
    data: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

/// Devices of a set, each with the number of events told already.
type Set = BTreeMap<usize, u64>;

static NEXT: AtomicUsize = AtomicUsize::new(1);
static SETS: Mutex<BTreeMap<usize, Set>> = Mutex::new(BTreeMap::new());

fn with<T>(set: usize, f: impl FnOnce(&mut Set) -> T) -> Result<T, Code> {
    let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
    sets.get_mut(&set).map(f).ok_or(Code::INVALID_ARGUMENT)
}

/// The next event of a set.
fn next(set: &mut Set) -> Option<(usize, u64)> {
    for (index, told) in set {
        let live = live_of(*index);
        let count = live.xid_count.load(Ordering::Acquire);
        // Events that were overwritten are gone.
        *told = (*told).max(count.saturating_sub(MAX_XIDS as u64));
        if *told < count {
            let xid = live.xids[*told as usize % MAX_XIDS].xid.load(Ordering::Acquire);
            *told += 1;
            return Some((*index, xid));
        }
    }
    None
}

api! {
    /// Kinds of events that a device tells: critical errors.
    fn nvmlDeviceGetSupportedEventTypes(handle: usize, kinds: *mut c_ulonglong) {
        device(handle)?;
        give(kinds, XID)
    }

    /// Makes a set.
    fn nvmlEventSetCreate(set: *mut usize) {
        let handle = NEXT.fetch_add(1, Ordering::Relaxed);
        SETS.lock().unwrap_or_else(PoisonError::into_inner).insert(handle, Set::new());
        give(set, handle)
    }

    /// Adds a device's events to a set, from now on.
    fn nvmlDeviceRegisterEvents(handle: usize, kinds: c_ulonglong, set: usize) {
        let index = index_of(handle)?;
        if kinds & !XID != 0 {
            return Err(Code::NOT_SUPPORTED);
        }
        let now = live_of(index).xid_count.load(Ordering::Acquire);
        with(set, |set| { set.insert(index, now); })
    }

    /// Waits for an event.
    fn nvmlEventSetWait_v2(set: usize, data: *mut EventData, timeout_ms: c_uint) {
        let until = Instant::now() + Duration::from_millis(timeout_ms.into());
        loop {
            if let Some((index, xid)) = with(set, next)? {
                return give(data, EventData {
                    device: handle_of(index),
                    kind: XID,
                    data: xid,
                    gpu_instance: u32::MAX,
                    compute_instance: u32::MAX,
                });
            }
            if Instant::now() >= until {
                return Err(Code::TIMEOUT);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends a set.
    fn nvmlEventSetFree(set: usize) {
        let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
        sets.remove(&set).map(drop).ok_or(Code::INVALID_ARGUMENT)
    }
}
