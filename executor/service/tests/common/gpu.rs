//! Simulated GPUs: the real executor and the real bindings, and stand-ins for the driver and its
//! management library. One machine for each test process.

// Each test crate uses its own part of these.
#![allow(dead_code)]

use std::sync::OnceLock;

use drawloom_cuda_sim::client::Library;
use drawloom_executor::Config;
use drawloom_model::{Assignment, DeviceIndex, GpuRequest, ResourceRequest};

use crate::common::{Loom, config, request};

/// Loads the simulated driver, with two devices of 64 MiB.
pub fn simulate() -> Library {
    simulate_machine(&[("DRAWLOOM_SIM_DEVICES", "2"), ("DRAWLOOM_SIM_MEMORY", "64M")])
}

/// Loads the simulated driver, with a machine as these variables describe it. Every test of a
/// process names the same.
pub fn simulate_machine(settings: &[(&str, &str)]) -> Library {
    static LOADED: OnceLock<Library> = OnceLock::new();
    *LOADED.get_or_init(|| {
        for (name, value) in settings {
            // SAFETY: nothing of the process reads the environment before the library is loaded.
            unsafe { std::env::set_var(name, value) };
        }
        let paths = [drawloom_nvml_sim::library_path(), drawloom_cuda_sim::client::library_path()];
        let [_, driver] = paths.map(|path| {
            let path = path.expect("cargo builds the library beside the tests");
            Library::load(&path).expect("the library loads")
        });
        driver
    })
}

/// An executor that offers all devices.
pub async fn start() -> Loom {
    Loom::new(Config { offers_gpus: true, ..config() }).await
}

/// An executor with two simulated GPUs.
pub async fn start_with_gpus() -> Loom {
    simulate();
    start().await
}

/// The same attempt on a device.
pub fn on(device: u16, mut assignment: Assignment) -> Assignment {
    let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 0, min_compute_capability: 0 };
    *request(&mut assignment) = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() };
    assignment.devices.push(DeviceIndex(device));
    assignment
}
