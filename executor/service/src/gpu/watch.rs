//! A thread that looks after the devices: kernels that do not end, what the driver tells of
//! errors, and how the devices do.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use drawloom_cuda::Fault;
use drawloom_nvml::{Library, Verdict, Watch, verdict};

use super::health::{Cause, Place};
use super::{Devices, telemetry};

/// How often it looks.
const TICK: Duration = Duration::from_millis(250);
/// How often it asks how devices do, in ticks.
const TICKS_PER_SAMPLE: u32 = 12;

/// Watches devices for as long as somebody has them.
pub(crate) fn watch(devices: &Arc<Devices>, library: Option<Library>) {
    if devices.is_empty() {
        return;
    }
    let devices = Arc::downgrade(devices);
    let thread = std::thread::Builder::new().name("drawloom-gpu-watch".to_owned());
    if let Err(error) = thread.spawn(move || run(&devices, library.as_ref())) {
        tracing::warn!(%error, "GPUs are used unwatched");
    }
}

fn run(devices: &Weak<Devices>, library: Option<&Library>) {
    let Some(uuids) = devices.upgrade().map(|devices| devices.uuids()) else { return };
    let watches: Vec<Option<Watch<'_>>> = match library {
        Some(library) => uuids.iter().map(|uuid| watched(library, uuid)).collect(),
        None => Vec::new(),
    };
    for tick in 0u32.. {
        let Some(devices) = devices.upgrade() else { return };
        for place in devices.places() {
            place.check(Instant::now());
            telemetry::in_service(&uuids[usize::from(place.index.0)], place.seat().is_some());
        }
        for ((place, uuid), watch) in devices.places().iter().zip(&uuids).zip(&watches) {
            let Some(watch) = watch else { continue };
            for xid in watch.xids() {
                hear(place, uuid, xid);
            }
            if tick.is_multiple_of(TICKS_PER_SAMPLE) {
                let sample = watch.sample();
                if tick == 0 && !sample.untold().is_empty() {
                    tracing::info!(gpu = %uuid, "NVML does not tell {}", sample.untold().join(", "));
                }
                telemetry::record(uuid, &sample);
            }
        }
        drop(devices);
        std::thread::sleep(TICK);
    }
}

fn watched<'l>(library: &'l Library, uuid: &str) -> Option<Watch<'l>> {
    let watch = library.watch(uuid);
    watch.inspect_err(|why| tracing::warn!(uuid, why, "a GPU is used without telemetry")).ok()
}

/// The driver has logged an error.
fn hear(place: &Arc<Place>, uuid: &str, xid: u64) {
    tracing::warn!(gpu = uuid, xid, "the driver reports an error of a GPU");
    telemetry::xid(uuid, xid);
    let fault = match verdict(xid) {
        Verdict::GoesOn => return,
        Verdict::ContextBroken => Fault::Context,
        Verdict::DeviceBroken => Fault::Device,
    };
    place.fail(Cause::Failed(fault, format!("Xid {xid}")));
}
