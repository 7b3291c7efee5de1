//! Users' modules on a device.

use std::ffi::{CString, c_uint, c_void};
use std::ptr;
use std::sync::{Arc, Mutex};

use cudarc::driver::sys::{
    self, CUdevice_attribute, CUfunction_attribute_enum as Attribute, CUjit_option, CUmodule,
    CUresult,
};
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, DriverError};
use cudarc::nvrtc::Ptx;
use drawloom_kernels_gpu::{CudaError, Launch, Limits, UserModule};

use crate::Error;
use crate::recent::Recent;
use crate::source::lock;

/// How many modules stay loaded.
const LOADED: usize = 64;

/// A device's limits, and the modules of users' that are loaded there.
pub(crate) struct Users {
    pub(crate) limits: Limits,
    modules: Mutex<Recent<Arc<CudaModule>>>,
}

impl Users {
    /// No modules; what the device can launch.
    ///
    /// # Errors
    /// The device does not answer.
    pub(crate) fn new(context: &CudaContext) -> Result<Self, Error> {
        use CUdevice_attribute as A;
        let ask = |attribute| {
            let told = context.attribute(attribute).map_err(Error::driver("tell its limits"))?;
            Ok::<u32, Error>(told.unsigned_abs())
        };
        let limits = Limits {
            grid: [
                ask(A::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X)?,
                ask(A::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y)?,
                ask(A::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z)?,
            ],
            block: [
                ask(A::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X)?,
                ask(A::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y)?,
                ask(A::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z)?,
            ],
            threads: ask(A::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
            shared_bytes: ask(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
        };
        Ok(Users { limits, modules: Mutex::new(Recent::new(LOADED)) })
    }

    /// The kernel of a launch, ready for its block and shared memory.
    ///
    /// # Errors
    /// The driver does not take the module, or the kernel not such a launch.
    pub(crate) fn function(
        &self,
        context: &Arc<CudaContext>,
        module: &UserModule,
        launch: &Launch,
    ) -> Result<CudaFunction, Error> {
        let loaded = self.load(context, module)?;
        let find = Error::driver("find a kernel");
        let function = loaded.load_function(&launch.entry).map_err(&find)?;
        let ask = |attribute| {
            let told = function.get_attribute(attribute).map_err(&find)?;
            Ok::<u32, Error>(told.unsigned_abs())
        };
        let (threads, most) = (
            launch.block.iter().product::<u32>(),
            ask(Attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
        );
        if threads > most {
            let message =
                format!("{threads} threads are more than the {most} that the kernel takes");
            return Err(CudaError::new("block", message).into());
        }
        let declared = ask(Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?;
        let (wanted, most) =
            (launch.shared_bytes, self.limits.shared_bytes.saturating_sub(declared));
        if wanted > most {
            let message = format!(
                "{wanted} bytes are more than the {most} that the kernel's own {declared} leave"
            );
            return Err(CudaError::new("shared_bytes", message).into());
        }
        if wanted > 0 {
            // The same for every launch, since lanes share the function.
            let attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let most = i32::try_from(most).unwrap_or(i32::MAX);
            function.set_attribute(attribute, most).map_err(find)?;
        }
        Ok(function)
    }

    fn load(
        &self,
        context: &Arc<CudaContext>,
        module: &UserModule,
    ) -> Result<Arc<CudaModule>, Error> {
        if let Some(loaded) = lock(&self.modules).get(&module.key) {
            return Ok(loaded);
        }
        // Drivers assemble for seconds where texts are long: others go on meanwhile. Two that load the
        // same do it twice.
        let loaded = context.load_module(Ptx::from_src(module.ptx.clone()));
        let loaded = loaded.map_err(|error| refused(error, module))?;
        lock(&self.modules).insert(&module.key, Arc::clone(&loaded));
        Ok(loaded)
    }
}

/// What the driver's assembler says of a text that it has just refused in this thread's context;
/// nothing where it has no words.
fn assembler_log(ptx: &str) -> String {
    const BYTES: usize = 8192;
    let Ok(text) = CString::new(ptx) else { return String::new() };
    let mut log = vec![0u8; BYTES];
    let mut options =
        [CUjit_option::CU_JIT_ERROR_LOG_BUFFER, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
    // The size stands where a pointer would.
    let mut values = [log.as_mut_ptr().cast(), ptr::without_provenance_mut::<c_void>(BYTES)];
    let mut module: CUmodule = ptr::null_mut();
    // SAFETY: the text ends with a zero byte, there are as many values as options, and the buffer has
    // as many bytes as is told.
    let status = unsafe {
        let count = options.len() as c_uint;
        let (options, values) = (options.as_mut_ptr(), values.as_mut_ptr());
        sys::cuModuleLoadDataEx(&mut module, text.as_ptr().cast(), count, options, values)
    };
    if status == CUresult::CUDA_SUCCESS {
        // SAFETY: it has just been loaded, and nothing of it is used.
        let _ = unsafe { sys::cuModuleUnload(module) };
        return String::new();
    }
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).trim().to_owned()
}

/// Why the driver does not load a module.
fn refused(error: DriverError, module: &UserModule) -> Error {
    let message = match error.0 {
        CUresult::CUDA_ERROR_INVALID_PTX
        | CUresult::CUDA_ERROR_INVALID_IMAGE
        | CUresult::CUDA_ERROR_INVALID_SOURCE => {
            let log = assembler_log(&module.ptx);
            let words = "the driver cannot read the PTX";
            let message = if log.is_empty() { words.to_owned() } else { format!("{words}: {log}") };
            return CudaError::new("source", message).into();
        }
        CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
            "the PTX is of a later version than the driver takes: update the driver, or use an \
             older NVRTC"
        }
        CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU => "the PTX is for later devices than this one",
        _ => return Error::memory("load a module", module.ptx.len() as u64)(error),
    };
    CudaError::new("source", message).into()
}
