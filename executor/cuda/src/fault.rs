//! Which errors mean that a device is of no more use, and what helps.

use cudarc::driver::result::device;
use cudarc::driver::sys::{self, CUresult};

use crate::Error;

/// What is wrong with a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// This process's context is broken: whatever is asked of it fails from now on. A new one may
    /// do.
    Context,
    /// The device itself is: nothing that a process can do helps.
    Device,
}

impl Error {
    /// What an error says about the device; nothing where the device goes on.
    pub fn fault(&self) -> Option<Fault> {
        use CUresult as Code;
        let Error::Device { code, .. } = self else { return None };
        match code {
            Code::CUDA_ERROR_ILLEGAL_ADDRESS
            | Code::CUDA_ERROR_LAUNCH_FAILED
            | Code::CUDA_ERROR_LAUNCH_TIMEOUT
            | Code::CUDA_ERROR_MISALIGNED_ADDRESS
            | Code::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | Code::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | Code::CUDA_ERROR_INVALID_PC
            | Code::CUDA_ERROR_HARDWARE_STACK_ERROR
            | Code::CUDA_ERROR_ASSERT
            | Code::CUDA_ERROR_CONTAINED
            | Code::CUDA_ERROR_TENSOR_MEMORY_LEAK
            | Code::CUDA_ERROR_CONTEXT_IS_DESTROYED
            | Code::CUDA_ERROR_INVALID_CONTEXT
            | Code::CUDA_ERROR_DEINITIALIZED
            // Where the device is gone, it is found so when it is opened again.
            | Code::CUDA_ERROR_UNKNOWN => Some(Fault::Context),
            Code::CUDA_ERROR_ECC_UNCORRECTABLE
            | Code::CUDA_ERROR_NVLINK_UNCORRECTABLE
            | Code::CUDA_ERROR_DEVICE_UNAVAILABLE
            | Code::CUDA_ERROR_INVALID_DEVICE
            | Code::CUDA_ERROR_NO_DEVICE => Some(Fault::Device),
            _ => None,
        }
    }
}

/// Ends this process's context on a device, whatever runs in it: kernels that never end end. Who
/// still uses the context gets errors; it is opened again once nobody does.
///
/// # Errors
/// The device does not answer.
pub fn reset(ordinal: usize) -> Result<(), Error> {
    let failed = Error::driver("be reset");
    let ordinal = i32::try_from(ordinal).unwrap_or(i32::MAX);
    let device = device::get(ordinal).map_err(&failed)?;
    // SAFETY: the device is one that the driver gave. What was made in the context is not freed by
    // the driver's functions after that: they answer that it is gone.
    unsafe { sys::cuDevicePrimaryCtxReset_v2(device).result() }.map_err(&failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_launch_is_no_fault_of_the_device() {
        let fault = |code| Error::Device { what: "run", code, message: String::new() }.fault();
        assert_eq!(fault(CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES), None);
        assert_eq!(fault(CUresult::CUDA_ERROR_ILLEGAL_ADDRESS), Some(Fault::Context));
        assert_eq!(fault(CUresult::CUDA_ERROR_ECC_UNCORRECTABLE), Some(Fault::Device));
        assert_eq!(Error::OutOfMemory { wanted_bytes: 1 }.fault(), None);
    }
}
