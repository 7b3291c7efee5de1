//! Simulated GPUs: the real executor and the real bindings, and a stand-in for the driver.

use std::sync::Once;

use drawloom_cuda_sim::client::{Library, library_path};
use drawloom_executor::Config;
use drawloom_model::{Assignment, DeviceIndex, GpuRequest, ResourceRequest};

use crate::common::{Loom, config, request};

/// Loads the simulated driver, with two devices of 64 MiB. One for the whole process.
pub fn simulate() -> Library {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        for (name, value) in [("DRAWLOOM_SIM_DEVICES", "2"), ("DRAWLOOM_SIM_MEMORY", "64M")] {
            // SAFETY: nothing of the process reads the environment before the library is loaded.
            unsafe { std::env::set_var(name, value) };
        }
    });
    let path = library_path().expect("cargo builds the library beside the tests");
    Library::load(&path).expect("the library loads")
}

/// An executor with two simulated GPUs.
pub async fn start_with_gpus() -> Loom {
    simulate();
    Loom::new(Config { offers_gpus: true, ..config() }).await
}

/// The same attempt on a device.
pub fn on(device: u16, mut assignment: Assignment) -> Assignment {
    let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 0, min_compute_capability: 0 };
    *request(&mut assignment) = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() };
    assignment.devices.push(DeviceIndex(device));
    assignment
}
