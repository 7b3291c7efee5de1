//! `cuInit`, `cuDevice*`, errors' names.

use std::ffi::{c_char, c_int, c_uint};

use super::error::{Code, give};
use super::limits;
use super::system::{initialise, system};

/// The version of CUDA that is simulated: 12.9.
const VERSION: c_int = 12_090;

api! {
    /// Initialises the driver.
    fn cuInit(_flags: c_uint) { initialise() }

    /// The version of CUDA.
    fn cuDriverGetVersion(version: *mut c_int) { give(version, VERSION) }

    /// Devices that are visible.
    fn cuDeviceGetCount(count: *mut c_int) { give(count, system()?.devices.len() as c_int) }

    /// A device's handle: its number.
    fn cuDeviceGet(device: *mut c_int, ordinal: c_int) {
        system()?.device(ordinal)?;
        give(device, ordinal)
    }

    /// A device's name.
    fn cuDeviceGetName(name: *mut c_char, len: c_int, device: c_int) {
        let device = system()?.device(device)?;
        if name.is_null() || len <= 0 {
            return Err(Code::INVALID_VALUE);
        }
        let text = device.spec.name.as_bytes();
        let kept = text.len().min(len as usize - 1);
        std::ptr::copy_nonoverlapping(text.as_ptr(), name.cast(), kept);
        *name.add(kept) = 0;
        Ok(())
    }

    /// A device's UUID.
    fn cuDeviceGetUuid(uuid: *mut [u8; 16], device: c_int) {
        give(uuid, system()?.device(device)?.spec.uuid)
    }

    /// A device's UUID.
    fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) {
        give(uuid, system()?.device(device)?.spec.uuid)
    }

    /// A device's memory.
    fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) {
        give(bytes, system()?.device(device)?.spec.memory_bytes as usize)
    }

    /// A device's attribute.
    fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) {
        let device = system()?.device(device)?;
        give(value, attribute_of(device, attribute))
    }

    /// A device's compute capability.
    fn cuDeviceComputeCapability(major: *mut c_int, minor: *mut c_int, device: c_int) {
        let (a, b) = system()?.device(device)?.spec.capability;
        give(major, a as c_int)?;
        give(minor, b as c_int)
    }

    /// A device's PCI address.
    fn cuDeviceGetPCIBusId(text: *mut c_char, len: c_int, device: c_int) {
        let address = system()?.device(device)?.spec.pci_text();
        let address = &address[4..];
        if text.is_null() || (len as usize) <= address.len() {
            return Err(Code::INVALID_VALUE);
        }
        std::ptr::copy_nonoverlapping(address.as_ptr(), text.cast(), address.len());
        *text.add(address.len()) = 0;
        Ok(())
    }

    /// The device of a PCI address.
    fn cuDeviceGetByPCIBusId(device: *mut c_int, text: *const c_char) {
        let text = std::ffi::CStr::from_ptr(text).to_string_lossy().to_uppercase();
        let at = system()?.devices.iter().position(|known| known.spec.pci_text().ends_with(text.trim_start_matches('0')));
        give(device, at.ok_or(Code::INVALID_DEVICE)? as c_int)
    }

    /// Whether a device can reach another's memory.
    fn cuDeviceCanAccessPeer(can: *mut c_int, device: c_int, peer: c_int) {
        system()?.device(device)?;
        system()?.device(peer)?;
        give(can, c_int::from(device != peer))
    }

    /// How two devices are joined.
    fn cuDeviceGetP2PAttribute(value: *mut c_int, attribute: c_int, a: c_int, b: c_int) {
        let (a, b) = (system()?.device(a)?, system()?.device(b)?);
        if a.ordinal == b.ordinal {
            return Err(Code::INVALID_DEVICE);
        }
        let linked = system()?.machine.linked(a.physical, b.physical);
        give(value, match attribute {
            1 => c_int::from(!linked),
            2 => 1,
            3 => c_int::from(linked),
            _ => 0,
        })
    }

    /// An error's text.
    fn cuGetErrorString(code: c_int, text: *mut *const c_char) {
        match Code(code).text() {
            Some(known) => give(text, known.as_ptr()),
            None => {
                give(text, std::ptr::null())?;
                Err(Code::INVALID_VALUE)
            }
        }
    }

    /// An error's name.
    fn cuGetErrorName(code: c_int, text: *mut *const c_char) {
        match Code(code).name() {
            Some(known) => give(text, known.as_ptr()),
            None => {
                give(text, std::ptr::null())?;
                Err(Code::INVALID_VALUE)
            }
        }
    }
}

fn attribute_of(device: &super::device::Device, attribute: c_int) -> c_int {
    let spec = &device.spec;
    let capability = spec.capability;
    (match attribute {
        // Threads of a block; blocks' and grids' axes.
        1..=3 => [1024, 1024, 1024][attribute as usize - 1],
        4 => 64,
        5 => i32::MAX as u32,
        6 | 7 => 65_535,
        8 => limits::DEFAULT_SHARED,
        9 => 65_536,
        10 => 32,
        11 => i32::MAX as u32,
        12 | 82 => 65_536,
        13 => 1_410_000,
        // Alignments, overlap, multiprocessors.
        14 => 512,
        15 | 31 | 35 | 41 => 1,
        16 => spec.multiprocessors,
        19 | 78 | 83 | 85 | 86 | 87 | 88 | 89 | 90 | 91 | 92 | 95 | 96 => 1,
        32 => 1,
        33 => spec.bus,
        36 => 1_593_000,
        37 => 5_120,
        38 => 40 << 20,
        39 => limits::multiprocessor_threads(capability),
        40 => 2,
        50 => 0,
        75 => capability.0,
        76 => capability.1,
        77 => 1,
        79 | 80 => 1,
        81 => limits::multiprocessor_shared(capability),
        97 => limits::opt_in_shared(capability),
        106 => limits::multiprocessor_blocks(capability),
        // Memory pools, unified functions' pointers, and so on.
        115 | 119 => 1,
        120 => u32::from(capability.0 >= 9),
        134 => spec.numa,
        _ => 0,
    }) as c_int
}
