//! Carries plans out on a CUDA device, one launch after the other; what need not be written before is
//! filled with rubbish.

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
    device: Device,
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

/// Why a plan was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// The driver refuses something, or the device has failed.
    #[error("the driver says {0:?}")]
    Driver(DriverError),
    /// The plan makes no sense.
    #[error("the plan is wrong: {0}")]
    Plan(&'static str),
}

impl From<DriverError> for RunError {
    fn from(error: DriverError) -> Self {
        RunError::Driver(error)
    }
}

impl Runner {
    /// On the device that has this number with the driver, which is there.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn open(ordinal: usize) -> Result<Self, DriverError> {
        let context = CudaContext::new(ordinal)?;
        let stream = context.default_stream();
        let (major, minor) = context.compute_capability()?;
        let compute_capability = (major.unsigned_abs(), minor.unsigned_abs());
        let device = Device { compute_capability };
        Ok(Runner { context, stream, device, modules: Mutex::default() })
    }

    /// What plans must know of it.
    pub(super) fn device(&self) -> Device {
        self.device
    }

    /// Carries a plan out: the outputs, or what is at fault with the inputs, as the CPU twin says it.
    pub(super) fn run(
        &self,
        plan: &Plan,
        inputs: &[Value],
    ) -> Result<Result<Vec<Value>, String>, RunError> {
        let memory = self.allocate(plan, inputs)?;
        for launch in &plan.launches {
            self.launch(launch, &memory)?;
        }
        if let Some(check) = &plan.check {
            let Buffer::Scratch(status) = check.status else {
                return Err(RunError::Plan("a status that is not in scratch memory"));
            };
            let bytes = self.stream.clone_dtoh(&memory.scratch[status])?;
            let status = bytes.try_into().map_err(|_| RunError::Plan("a status of some size"))?;
            let status = u64::from_le_bytes(status);
            if let Some(place) = check.fault(status) {
                let size = check.dtype.size_bytes();
                let element = &inputs[check.input].data[place as usize * size..][..size];
                return Ok(Err(check.message(place, element)));
            }
        }
        let value = |(object_type, memory): (&ObjectType, &CudaSlice<u8>)| {
            let bytes = size_of(object_type)? as usize;
            let data = Bytes::from(self.stream.clone_dtoh(memory)?).slice(..bytes);
            Ok(Value { object_type: object_type.clone(), data })
        };
        let outputs = plan.outputs.iter().zip(&memory.outputs).map(value);
        let outputs: Result<Vec<Value>, RunError> = outputs.collect();
        self.stream.synchronize()?;
        outputs.map(Ok)
    }

    /// Memory for a plan; what need not be anything is rubbish.
    fn allocate(&self, plan: &Plan, inputs: &[Value]) -> Result<Memory, RunError> {
        let copy = |bytes: &[u8]| match bytes {
            [] => self.stream.clone_htod(&[0u8]),
            bytes => self.stream.clone_htod(bytes),
        };
        let rubbish = |bytes: u64| {
            let made = self.stream.clone_htod(&vec![0xA5u8; bytes.max(1) as usize]);
            made.map_err(RunError::from)
        };
        let scratch = plan.scratch.iter().map(|scratch| match scratch.zeroed {
            true => self.stream.alloc_zeros(scratch.bytes as usize).map_err(RunError::from),
            false => rubbish(scratch.bytes),
        });
        let outputs = plan.outputs.iter().map(|one| rubbish(size_of(one)?));
        Ok(Memory {
            inputs: inputs.iter().map(|input| copy(&input.data)).collect::<Result<_, _>>()?,
            outputs: outputs.collect::<Result<_, _>>()?,
            scratch: scratch.collect::<Result<_, _>>()?,
        })
    }

    fn launch(&self, launch: &Launch, memory: &Memory) -> Result<(), RunError> {
        let module = self.load(launch)?;
        let entry = CString::new(&*launch.entry).map_err(|_| RunError::Plan("an entry's name"))?;
        // SAFETY: the module is loaded and stays so.
        let function = unsafe { result::module::get_function(module.0, entry) }?;
        let value = |argument: &Argument| match argument {
            Argument::Address(buffer) => Ok(self.address(*buffer, memory).to_le_bytes().to_vec()),
            value => value.bytes().ok_or(RunError::Plan("an argument without bytes")),
        };
        let values = launch.arguments.iter().map(value).collect::<Result<Vec<_>, _>>()?;
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
            )?;
        }
        Ok(())
    }

    fn load(&self, launch: &Launch) -> Result<Loaded, RunError> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = modules.get(launch.module.name()) {
            return Ok(*loaded);
        }
        self.context.bind_to_thread()?;
        let text = CString::new(launch.module.ptx()).map_err(|_| RunError::Plan("PTX"))?;
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

fn size_of(object_type: &ObjectType) -> Result<u64, RunError> {
    object_type.size_bytes().ok_or(RunError::Plan("an output without a size"))
}
