//! Starting, ending, versions, looking for devices.

use std::ffi::{CStr, c_char, c_int, c_uint};

use crate::code::{Code, api, give, give_text};
use crate::state::{self, handle_of, machine};

/// What the driver calls itself.
const DRIVER: &str = "575.00-simulated";

/// An error's text.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlErrorString(code: c_uint) -> *const c_char {
    Code(code).text().as_ptr()
}

fn find(accept: impl Fn(&drawloom_gpu_sim::Device) -> bool) -> Result<usize, Code> {
    machine()?.devices.iter().position(accept).map(handle_of).ok_or(Code::NOT_FOUND)
}

api! {
    /// Starts.
    fn nvmlInit_v2() {
        state::start();
        Ok(())
    }

    /// Starts.
    fn nvmlInitWithFlags(_flags: c_uint) {
        state::start();
        Ok(())
    }

    /// Ends.
    fn nvmlShutdown() { state::end() }

    /// The driver's version.
    fn nvmlSystemGetDriverVersion(text: *mut c_char, len: c_uint) {
        machine()?;
        give_text(text, len, DRIVER)
    }

    /// This library's version.
    fn nvmlSystemGetNVMLVersion(text: *mut c_char, len: c_uint) {
        machine()?;
        give_text(text, len, "12.575.00-simulated")
    }

    /// CUDA's version.
    fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) { give(version, 12_090) }

    /// CUDA's version.
    fn nvmlSystemGetCudaDriverVersion(version: *mut c_int) { give(version, 12_090) }

    /// How many devices there are.
    fn nvmlDeviceGetCount_v2(count: *mut c_uint) { give(count, machine()?.devices.len() as c_uint) }

    /// A device by number.
    fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut usize) {
        if index as usize >= machine()?.devices.len() {
            return Err(Code::INVALID_ARGUMENT);
        }
        give(device, handle_of(index as usize))
    }

    /// A device by UUID.
    fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut usize) {
        if uuid.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        let text = CStr::from_ptr(uuid).to_string_lossy();
        give(device, find(|known| known.uuid_text() == text)?)
    }

    /// A device by PCI address.
    fn nvmlDeviceGetHandleByPciBusId_v2(address: *const c_char, device: *mut usize) {
        if address.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        let text = CStr::from_ptr(address).to_string_lossy().to_uppercase();
        let text = text.trim_start_matches('0').to_owned();
        give(device, find(|known| known.pci_text().trim_start_matches('0') == text)?)
    }
}
