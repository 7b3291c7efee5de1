//! What a device is and how it does.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use drawloom_gpu_sim::Device;

use crate::code::{Code, api, give, give_text};
use crate::state::{answering, device, index_of, live_of};

/// `nvmlPciInfo_t`.
#[repr(C)]
pub struct PciInfo {
    legacy: [u8; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    device_id: c_uint,
    subsystem_id: c_uint,
    text: [u8; 32],
}

/// `nvmlMemory_t`.
#[repr(C)]
pub struct Memory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// `nvmlMemory_v2_t`.
#[repr(C)]
pub struct MemoryV2 {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// `nvmlUtilization_t`.
#[repr(C)]
pub struct Utilisation {
    gpu: c_uint,
    memory: c_uint,
}

/// `nvmlProcessInfo_t`.
#[repr(C)]
pub struct ProcessInfo {
    pid: c_uint,
    used: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

/// The PCI address of a device.
pub fn pci_info(device: &Device) -> PciInfo {
    let mut info = PciInfo {
        legacy: [0; 16],
        domain: 0,
        bus: device.bus,
        device: 0,
        device_id: 0x0000_10de,
        subsystem_id: 0,
        text: [0; 32],
    };
    let text = device.pci_text();
    info.text[..text.len()].copy_from_slice(text.as_bytes());
    info.legacy[..text.len() - 4].copy_from_slice(&text.as_bytes()[4..]);
    info
}

/// Percent of the time since the last question that kernels ran.
fn utilisation(index: usize) -> u32 {
    static LAST: Mutex<Vec<(u64, Option<Instant>, u32)>> = Mutex::new(Vec::new());
    let busy = live_of(index).busy_nanos.load(Ordering::Acquire);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    while last.len() <= index {
        last.push((0, None, 0));
    }
    let (before, asked, answer) = last[index];
    let now = Instant::now();
    let Some(asked) = asked else {
        last[index] = (busy, Some(now), 0);
        return 0;
    };
    let passed = now.duration_since(asked).as_nanos() as u64;
    // Too short a time tells nothing.
    if passed < 1_000_000 {
        return answer;
    }
    let percent = (busy.saturating_sub(before) * 100 / passed).min(100) as u32;
    last[index] = (busy, Some(now), percent);
    percent
}

fn memory(handle: usize) -> Result<Memory, Code> {
    let (device, live) = answering(handle)?;
    let used = live.used_bytes().min(device.memory_bytes);
    Ok(Memory { total: device.memory_bytes, free: device.memory_bytes - used, used })
}

/// # Safety
/// As for NVML's function.
unsafe fn processes(
    handle: usize,
    count: *mut c_uint,
    infos: *mut ProcessInfo,
) -> Result<(), Code> {
    if count.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    let users = answering(handle)?.1.users();
    // SAFETY: the caller vouches for the number and for as many places.
    unsafe {
        let room = *count as usize;
        *count = users.len() as c_uint;
        if users.len() > room || (infos.is_null() && !users.is_empty()) {
            return Err(Code::INSUFFICIENT_SIZE);
        }
        for (at, (pid, used)) in users.into_iter().enumerate() {
            let info =
                ProcessInfo { pid, used, gpu_instance: u32::MAX, compute_instance: u32::MAX };
            infos.add(at).write(info);
        }
    }
    Ok(())
}

api! {
    /// Its number.
    fn nvmlDeviceGetIndex(handle: usize, index: *mut c_uint) {
        give(index, index_of(handle)? as c_uint)
    }

    /// Its name.
    fn nvmlDeviceGetName(handle: usize, text: *mut c_char, len: c_uint) {
        give_text(text, len, &device(handle)?.name)
    }

    /// Its UUID.
    fn nvmlDeviceGetUUID(handle: usize, text: *mut c_char, len: c_uint) {
        give_text(text, len, &device(handle)?.uuid_text())
    }

    /// Its serial number.
    fn nvmlDeviceGetSerial(handle: usize, text: *mut c_char, len: c_uint) {
        give_text(text, len, &format!("SIM{:08}", index_of(handle)?))
    }

    /// Its make.
    fn nvmlDeviceGetBrand(handle: usize, brand: *mut c_uint) {
        device(handle)?;
        give(brand, 0)
    }

    /// Its minor number.
    fn nvmlDeviceGetMinorNumber(handle: usize, minor: *mut c_uint) {
        give(minor, index_of(handle)? as c_uint)
    }

    /// Its PCI address.
    fn nvmlDeviceGetPciInfo_v3(handle: usize, info: *mut PciInfo) {
        give(info, pci_info(device(handle)?))
    }

    /// Its compute capability.
    fn nvmlDeviceGetCudaComputeCapability(handle: usize, major: *mut c_int, minor: *mut c_int) {
        let capability = device(handle)?.capability;
        give(major, capability.0 as c_int)?;
        give(minor, capability.1 as c_int)
    }

    /// Its cores.
    fn nvmlDeviceGetNumGpuCores(handle: usize, cores: *mut c_uint) {
        give(cores, device(handle)?.multiprocessors * 64)
    }

    /// The NUMA node it is nearest to.
    fn nvmlDeviceGetNumaNodeId(handle: usize, node: *mut c_uint) { give(node, device(handle)?.numa) }

    /// Its memory.
    fn nvmlDeviceGetMemoryInfo(handle: usize, info: *mut Memory) { give(info, memory(handle)?) }

    /// Its memory.
    fn nvmlDeviceGetMemoryInfo_v2(handle: usize, info: *mut MemoryV2) {
        let Memory { total, free, used } = memory(handle)?;
        let version = (size_of::<MemoryV2>() | 2 << 24) as c_uint;
        give(info, MemoryV2 { version, total, reserved: 0, free, used })
    }

    /// How busy it is, percent.
    fn nvmlDeviceGetUtilizationRates(handle: usize, rates: *mut Utilisation) {
        answering(handle)?;
        let gpu = utilisation(index_of(handle)?);
        give(rates, Utilisation { gpu, memory: gpu / 2 })
    }

    /// Degrees.
    fn nvmlDeviceGetTemperature(handle: usize, _sensor: c_uint, degrees: *mut c_uint) {
        let (_, live) = answering(handle)?;
        give(degrees, 35 + live.heat.load(Ordering::Acquire) as c_uint)
    }

    /// Degrees at which it slows down, shuts down and so on.
    fn nvmlDeviceGetTemperatureThreshold(handle: usize, _which: c_uint, degrees: *mut c_uint) {
        answering(handle)?;
        give(degrees, 90)
    }

    /// Milliwatts.
    fn nvmlDeviceGetPowerUsage(handle: usize, milliwatts: *mut c_uint) {
        answering(handle)?;
        give(milliwatts, 50_000 + utilisation(index_of(handle)?) * 2_000)
    }

    /// Milliwatts it may use.
    fn nvmlDeviceGetEnforcedPowerLimit(handle: usize, milliwatts: *mut c_uint) {
        answering(handle)?;
        give(milliwatts, 250_000)
    }

    /// Milliwatts it may use.
    fn nvmlDeviceGetPowerManagementLimit(handle: usize, milliwatts: *mut c_uint) {
        answering(handle)?;
        give(milliwatts, 250_000)
    }

    /// Millijoules so far.
    fn nvmlDeviceGetTotalEnergyConsumption(handle: usize, millijoules: *mut c_ulonglong) {
        let (_, live) = answering(handle)?;
        give(millijoules, live.busy_nanos.load(Ordering::Acquire) / 1_000_000 * 200)
    }

    /// Megahertz.
    fn nvmlDeviceGetClockInfo(handle: usize, _which: c_uint, megahertz: *mut c_uint) {
        answering(handle)?;
        give(megahertz, 1_410)
    }

    /// Megahertz at most.
    fn nvmlDeviceGetMaxClockInfo(handle: usize, _which: c_uint, megahertz: *mut c_uint) {
        answering(handle)?;
        give(megahertz, 1_410)
    }

    /// Why it is slowed down, as bits.
    fn nvmlDeviceGetCurrentClocksThrottleReasons(handle: usize, reasons: *mut c_ulonglong) {
        let (_, live) = answering(handle)?;
        give(reasons, live.throttle.load(Ordering::Acquire))
    }

    /// Why it is slowed down, as bits.
    fn nvmlDeviceGetCurrentClocksEventReasons(handle: usize, reasons: *mut c_ulonglong) {
        let (_, live) = answering(handle)?;
        give(reasons, live.throttle.load(Ordering::Acquire))
    }

    /// Its performance state: the highest.
    fn nvmlDeviceGetPerformanceState(handle: usize, state: *mut c_uint) {
        answering(handle)?;
        give(state, 0)
    }

    /// Whether errors of memory are looked for: they are.
    fn nvmlDeviceGetEccMode(handle: usize, current: *mut c_uint, pending: *mut c_uint) {
        answering(handle)?;
        give(current, 1)?;
        give(pending, 1)
    }

    /// Errors of memory: 0 asks for corrected ones, 1 for the others.
    fn nvmlDeviceGetTotalEccErrors(handle: usize, kind: c_uint, _counter: c_uint, count: *mut c_ulonglong) {
        let (_, live) = answering(handle)?;
        let errors = if kind == 0 { &live.ecc_corrected } else { &live.ecc_uncorrected };
        give(count, errors.load(Ordering::Acquire))
    }

    /// Whether it is split into instances: it is not.
    fn nvmlDeviceGetMigMode(handle: usize, current: *mut c_uint, pending: *mut c_uint) {
        device(handle)?;
        give(current, 0)?;
        give(pending, 0)
    }

    /// Whether a handle is one of an instance: it is not.
    fn nvmlDeviceIsMigDeviceHandle(handle: usize, answer: *mut c_uint) {
        device(handle)?;
        give(answer, 0)
    }

    /// Instances at most.
    fn nvmlDeviceGetMaxMigDeviceCount(handle: usize, count: *mut c_uint) {
        device(handle)?;
        give(count, 0)
    }

    /// Whether others may use it: all may.
    fn nvmlDeviceGetComputeMode(handle: usize, mode: *mut c_uint) {
        device(handle)?;
        give(mode, 0)
    }

    /// Whether the driver stays loaded: it does.
    fn nvmlDeviceGetPersistenceMode(handle: usize, mode: *mut c_uint) {
        device(handle)?;
        give(mode, 1)
    }

    /// Whether a display is joined to it: none is.
    fn nvmlDeviceGetDisplayActive(handle: usize, active: *mut c_uint) {
        device(handle)?;
        give(active, 0)
    }

    /// Generation of its PCIe.
    fn nvmlDeviceGetCurrPcieLinkGeneration(handle: usize, generation: *mut c_uint) {
        answering(handle)?;
        give(generation, 4)
    }

    /// Width of its PCIe.
    fn nvmlDeviceGetCurrPcieLinkWidth(handle: usize, width: *mut c_uint) {
        answering(handle)?;
        give(width, 16)
    }

    /// The best generation that its PCIe and its place's have.
    fn nvmlDeviceGetMaxPcieLinkGeneration(handle: usize, generation: *mut c_uint) {
        answering(handle)?;
        give(generation, 4)
    }

    /// The largest width that its PCIe and its place's have.
    fn nvmlDeviceGetMaxPcieLinkWidth(handle: usize, width: *mut c_uint) {
        answering(handle)?;
        give(width, 16)
    }

    /// Processes that compute on it.
    fn nvmlDeviceGetComputeRunningProcesses_v3(handle: usize, count: *mut c_uint, infos: *mut ProcessInfo) {
        processes(handle, count, infos)
    }

    /// Processes that compute on it.
    fn nvmlDeviceGetComputeRunningProcesses_v2(handle: usize, count: *mut c_uint, infos: *mut ProcessInfo) {
        processes(handle, count, infos)
    }

    /// Processes that draw on it: none do.
    fn nvmlDeviceGetGraphicsRunningProcesses_v3(handle: usize, count: *mut c_uint, _infos: *mut ProcessInfo) {
        answering(handle)?;
        give(count, 0)
    }
}
