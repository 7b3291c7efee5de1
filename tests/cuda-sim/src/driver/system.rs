//! The one simulated system of the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use drawloom_gpu_sim::Machine;

use super::capture::{Exec, Graph};
use super::context::Context;
use super::device::{Device, Pool};
use super::error::Code;
use super::event::Event;
use super::handles::Handles;
use super::kernel::{Kernel, Module};
use super::stream::Stream;
use crate::faults::Faults;
use crate::memory::device::DeviceMemory;
use crate::memory::host::HostMemory;
use crate::report;

/// Everything there is.
pub struct System {
    /// The machine as described.
    pub machine: Machine,
    /// The devices that are visible, in the order that callers see.
    pub devices: Vec<Arc<Device>>,
    /// The same devices' memories.
    pub memories: Arc<[Arc<DeviceMemory>]>,
    /// What the host lends.
    pub host: Arc<HostMemory>,
    /// Faults to come.
    pub faults: Faults,
}

static SYSTEM: OnceLock<System> = OnceLock::new();
static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Contexts by handle.
pub static CONTEXTS: Handles<Context> = Handles::new();
/// Streams by handle.
pub static STREAMS: Handles<Stream> = Handles::new();
/// Events by handle.
pub static EVENTS: Handles<Event> = Handles::new();
/// Modules by handle.
pub static MODULES: Handles<Module> = Handles::new();
/// Kernels by handle.
pub static KERNELS: Handles<Kernel> = Handles::new();
/// Graphs by handle.
pub static GRAPHS: Handles<Graph> = Handles::new();
/// Graphs that can run, by handle.
pub static EXECS: Handles<Exec> = Handles::new();
/// Handles of the stand-in of cuBLAS.
pub static BLAS: Handles<super::blas::Blas> = Handles::new();
/// Memory pools by handle.
pub static POOLS: Handles<Pool> = Handles::new();

/// Which of a machine's devices `CUDA_VISIBLE_DEVICES` shows: numbers or UUIDs, up to the first
/// unknown one.
fn visible(machine: &Machine) -> Vec<usize> {
    let all = 0..machine.devices.len();
    let Ok(text) = std::env::var("CUDA_VISIBLE_DEVICES") else { return all.collect() };
    let mut shown = Vec::new();
    for part in text.split(',').map(str::trim) {
        let found = match part.parse::<usize>() {
            Ok(at) => (at < machine.devices.len()).then_some(at),
            Err(_) if part.starts_with("GPU-") => {
                machine.devices.iter().position(|device| device.uuid_text().starts_with(part))
            }
            Err(_) => None,
        };
        match found {
            Some(at) if !shown.contains(&at) => shown.push(at),
            _ => break,
        }
    }
    shown
}

impl System {
    fn build() -> Self {
        let machine = Machine::from_env();
        let host = Arc::new(HostMemory::default());
        let mut devices: Vec<Arc<Device>> = Vec::new();
        let mut memories = Vec::new();
        for (ordinal, physical) in visible(&machine).into_iter().enumerate() {
            let spec = machine.devices[physical].clone();
            let Some(memory) = DeviceMemory::new(ordinal, spec.memory_bytes) else {
                report::tell("setup", "the system has no addresses left for another device");
                break;
            };
            let memory = Arc::new(memory);
            memories.push(Arc::clone(&memory));
            devices.push(Arc::new(Device::new(ordinal, physical, spec, memory)));
        }
        let settings = crate::settings::get();
        let faults = Faults::parse(&settings.faults, settings.seed, |device, factor| {
            if let Some(device) = devices.get(device) {
                device.slow_down(factor);
            }
        });
        Self { machine, devices, memories: memories.into(), host, faults }
    }

    /// The system, made when it is first asked for.
    pub fn get() -> &'static Self {
        SYSTEM.get_or_init(Self::build)
    }

    /// The device of a number.
    pub fn device(&self, ordinal: i32) -> Result<&Arc<Device>, Code> {
        let at = usize::try_from(ordinal).map_err(|_| Code::INVALID_DEVICE)?;
        self.devices.get(at).ok_or(Code::INVALID_DEVICE)
    }

    /// The device that an address belongs to.
    pub fn device_of(&self, address: u64) -> Option<&Arc<Device>> {
        self.devices.get(crate::memory::device_of(address)?)
    }
}

/// Notes `cuInit`.
pub fn initialise() -> Result<(), Code> {
    let system = System::get();
    INITIALISED.store(true, Ordering::Release);
    if system.devices.is_empty() { Err(Code::NO_DEVICE) } else { Ok(()) }
}

/// The system, after `cuInit`.
pub fn system() -> Result<&'static System, Code> {
    if INITIALISED.load(Ordering::Acquire) { Ok(System::get()) } else { Err(Code::NOT_INITIALIZED) }
}
