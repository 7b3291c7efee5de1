//! Carries plans out on the first CUDA device there is, one launch after the other.

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DevicePtr, DriverError, result, sys};
use drawloom_kernels_gpu::{Argument, Buffer, Device, Launch, Plan};
use drawloom_model::{ObjectType, Value};

/// A device and the modules that are loaded on it.
pub struct Runner {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    modules: Mutex<HashMap<String, Loaded>>,
}

/// A module on the device; it stays there as long as the process.
#[derive(Clone, Copy)]
struct Loaded(sys::CUmodule);

// SAFETY: the driver's handles may be used by any thread.
unsafe impl Send for Loaded {}

/// Memory of a plan while it runs.
struct Memory {
    inputs: Vec<CudaSlice<u8>>,
    outputs: Vec<CudaSlice<u8>>,
    scratch: Vec<CudaSlice<u8>>,
}

impl Runner {
    /// The first device. `DRAWLOOM_LIBCUDA` names a driver's library to use; where none is named and
    /// the system has none, it is the simulated one.
    pub fn open() -> Option<Self> {
        if let Some(path) = std::env::var_os("DRAWLOOM_LIBCUDA") {
            preload(&path);
        // SAFETY: this only looks for the library.
        } else if !unsafe { sys::is_culib_present() }
            && let Some(path) = drawloom_cuda_sim::client::library_path()
        {
            preload(path.as_os_str());
        }
        // SAFETY: this only looks for the library.
        if !unsafe { sys::is_culib_present() } {
            return None;
        }
        let context = CudaContext::new(0).ok()?;
        let stream = context.default_stream();
        Some(Runner { context, stream, modules: Mutex::default() })
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.context.name().expect("a name")
    }

    /// What plans must know of it.
    pub fn device(&self) -> Device {
        let (major, minor) = self.context.compute_capability().expect("a capability");
        Device { compute_capability: (major as u32, minor as u32) }
    }

    /// Carries a plan out: the outputs, or what is at fault with the inputs, as the CPU twin says it.
    pub fn run(
        &self,
        plan: &Plan,
        inputs: &[Value],
    ) -> Result<Result<Vec<Value>, String>, DriverError> {
        let memory = self.allocate(plan, inputs)?;
        for launch in &plan.launches {
            self.launch(launch, &memory)?;
        }
        if let Some(check) = &plan.check {
            let Buffer::Scratch(status) = check.status else { unreachable!("a status in scratch") };
            let bytes = self.stream.clone_dtoh(&memory.scratch[status])?;
            let status = u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
            if let Some(place) = check.fault(status) {
                let size = check.dtype.size_bytes();
                let element = &inputs[check.input].data[place as usize * size..][..size];
                return Ok(Err(check.message(place, element)));
            }
        }
        let value = |(object_type, memory): (&ObjectType, &CudaSlice<u8>)| {
            let bytes = object_type.size_bytes().expect("a size") as usize;
            let data = Bytes::from(self.stream.clone_dtoh(memory)?).slice(..bytes);
            Ok(Value { object_type: object_type.clone(), data })
        };
        let outputs = plan.outputs.iter().zip(&memory.outputs).map(value);
        let outputs: Result<Vec<Value>, DriverError> = outputs.collect();
        self.stream.synchronize()?;
        outputs.map(Ok)
    }

    /// Memory for a plan; what need not be anything is rubbish.
    fn allocate(&self, plan: &Plan, inputs: &[Value]) -> Result<Memory, DriverError> {
        let copy = |bytes: &[u8]| match bytes {
            [] => self.stream.clone_htod(&[0u8]),
            bytes => self.stream.clone_htod(bytes),
        };
        let rubbish = |bytes: u64| self.stream.clone_htod(&vec![0xA5u8; bytes.max(1) as usize]);
        let scratch = plan.scratch.iter().map(|scratch| match scratch.zeroed {
            true => self.stream.alloc_zeros(scratch.bytes as usize),
            false => rubbish(scratch.bytes),
        });
        let outputs = plan.outputs.iter().map(|one| rubbish(one.size_bytes().expect("a size")));
        Ok(Memory {
            inputs: inputs.iter().map(|input| copy(&input.data)).collect::<Result<_, _>>()?,
            outputs: outputs.collect::<Result<_, _>>()?,
            scratch: scratch.collect::<Result<_, _>>()?,
        })
    }

    fn launch(&self, launch: &Launch, memory: &Memory) -> Result<(), DriverError> {
        let module = self.load(launch)?;
        let entry = CString::new(&*launch.entry).expect("a name");
        // SAFETY: the module is loaded and stays so.
        let function = unsafe { result::module::get_function(module.0, entry) }?;
        let values: Vec<Vec<u8>> = launch
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Address(buffer) => self.address(*buffer, memory).to_le_bytes().to_vec(),
                value => value.bytes().expect("bytes"),
            })
            .collect();
        // Numbers of 64 bits, so that structures are aligned.
        let mut words: Vec<Vec<u64>> =
            values.iter().map(|bytes| bytes.chunks(8).map(padded).collect()).collect();
        let mut parameters: Vec<*mut c_void> =
            words.iter_mut().map(|words| words.as_mut_ptr().cast()).collect();
        // SAFETY: there is a value of the right size for each parameter (a test checks plans), addresses
        // are those of memory that outlives the launch, and kernels stay within it.
        unsafe {
            result::launch_kernel(
                function,
                (launch.grid[0], 1, 1),
                (launch.block[0], 1, 1),
                launch.shared_bytes,
                self.stream.cu_stream(),
                &mut parameters,
            )
        }
    }

    fn load(&self, launch: &Launch) -> Result<Loaded, DriverError> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = modules.get(launch.module.name()) {
            return Ok(*loaded);
        }
        self.context.bind_to_thread()?;
        let text = CString::new(launch.module.ptx()).expect("text");
        // SAFETY: the text is PTX and ends with a zero byte.
        let loaded = Loaded(unsafe { result::module::load_data(text.as_ptr().cast()) }?);
        modules.insert(launch.module.name().to_owned(), loaded);
        Ok(loaded)
    }

    fn address(&self, buffer: Buffer, memory: &Memory) -> u64 {
        let of = |slices: &[CudaSlice<u8>], place: usize| slices[place].device_ptr(&self.stream).0;
        match buffer {
            Buffer::Input(place) => of(&memory.inputs, place),
            Buffer::Output(place) => of(&memory.outputs, place),
            Buffer::Scratch(place) => of(&memory.scratch, place),
            Buffer::Nothing => 0,
        }
    }
}

fn padded(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// Opens a library for cudarc to find, which looks for it by its name alone.
fn preload(path: &std::ffi::OsStr) {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: a driver's library has no conditions to be met at loading.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    std::mem::forget(library.expect("the library that DRAWLOOM_LIBCUDA names"));
}
