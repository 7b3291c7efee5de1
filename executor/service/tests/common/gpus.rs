//! Simulated GPUs: one machine for each test process.

use std::sync::OnceLock;

use drawloom_cuda_sim::client::Library;
use drawloom_executor::Config;
use drawloom_model::{Assignment, DeviceIndex, GpuRequest, ResourceRequest};

use super::{Loom, config, request};

/// Loads the simulated driver and its management library, with a machine as these variables
/// describe it. Every test of a process names the same.
pub fn simulate(settings: &[(&str, &str)]) -> Library {
    static LOADED: OnceLock<Library> = OnceLock::new();
    *LOADED.get_or_init(|| {
        for (name, value) in settings {
            // SAFETY: nothing of the process reads the environment before the library is loaded.
            unsafe { std::env::set_var(name, value) };
        }
        let path = drawloom_nvml_sim::library_path();
        let path = path.expect("cargo builds the library beside the tests");
        Library::load(&path).expect("the management library loads");
        let path = drawloom_cuda_sim::client::library_path();
        let path = path.expect("cargo builds the library beside the tests");
        Library::load(&path).expect("the driver loads")
    })
}

/// An executor that offers all devices.
pub async fn start() -> Loom {
    Loom::new(Config { offers_gpus: true, ..config() }).await
}

/// The same attempt on a device, which it has for itself.
pub fn on(device: u16, mut assignment: Assignment) -> Assignment {
    let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 0, min_compute_capability: 0 };
    *request(&mut assignment) = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() };
    assignment.devices.push(DeviceIndex(device));
    assignment
}
