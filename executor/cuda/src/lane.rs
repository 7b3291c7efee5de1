//! Where plans are carried out: a lane is a stream and what is on its way in it.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::sys::CUevent_flags;
use cudarc::driver::{
    CudaEvent, CudaFunction, CudaSlice, CudaStream, DevicePtr as _, DevicePtrMut as _,
    PinnedHostSlice, SyncOnDrop, result,
};
use drawloom_kernels_gpu::{self as gpu, Argument, Check, Launch, Plan, UserModule};
use drawloom_model::{CudaSpec, KernelCall, ObjectType};

use crate::blas::Maker;
use crate::{Buffer, Device, Error};

/// A stream of a device's, for one thread: what is launched in it runs in its order, beside what
/// other lanes do.
pub struct Lane {
    device: Arc<Device>,
    stream: Arc<CudaStream>,
    maker: Maker,
}

/// A call that was launched.
pub struct Flight {
    /// What it makes, with its types.
    pub outputs: Vec<(ObjectType, Buffer)>,
    landed: CudaEvent,
    /// Hold users' modules, which may be forgotten meanwhile.
    _kernels: Vec<CudaFunction>,
    check: Option<(Check, PinnedHostSlice<u64>, Buffer)>,
}

impl Lane {
    /// A new lane.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn new(device: &Arc<Device>) -> Result<Self, Error> {
        let stream = device.stream()?;
        Ok(Lane { device: Arc::clone(device), stream, maker: Maker::Unasked })
    }

    /// A lane that makes products of matrices by plans' own launches alone, whether there is a library
    /// for them or not.
    ///
    /// # Errors
    /// As [`Lane::new`].
    pub fn without_library(device: &Arc<Device>) -> Result<Self, Error> {
        Ok(Lane { maker: Maker::Launches, ..Lane::new(device)? })
    }

    /// The version of the library that has made large products of matrices here.
    pub fn library(&self) -> Option<&'static str> {
        match &self.maker {
            Maker::Library(blas) => Some(blas.version()),
            Maker::Unasked | Maker::Launches => None,
        }
    }

    /// The compute capability of the lane's device.
    pub fn compute_capability(&self) -> (u32, u32) {
        self.device.properties().compute_capability
    }

    /// The plan for a call with inputs of these types on this device.
    ///
    /// # Errors
    /// There is none.
    pub fn plan(&self, call: &KernelCall, inputs: &[ObjectType]) -> Result<Plan, Error> {
        let compute_capability = self.device.properties().compute_capability;
        Ok(gpu::plan(call, inputs, gpu::Device { compute_capability })?)
    }

    /// The plan for a call of a user's kernel, which is in `module`, with inputs of these types on
    /// this device. Blobs are told as vectors of bytes.
    ///
    /// # Errors
    /// There is none; the field at fault is named.
    pub fn plan_for_user(
        &self,
        spec: &CudaSpec,
        module: Arc<UserModule>,
        inputs: &[ObjectType],
    ) -> Result<Plan, Error> {
        Ok(gpu::plan_for_user(spec, module, inputs, self.device.limits())?)
    }

    /// Launches a plan, and does not wait for it. The inputs are on the lane's device, of the types
    /// that it was made for.
    ///
    /// # Errors
    /// There is no memory, or the device fails. Nothing is left behind.
    pub fn launch(&mut self, plan: &Plan, inputs: &[Buffer]) -> Result<Flight, Error> {
        let mut outputs = Vec::with_capacity(plan.outputs.len());
        for bytes in &plan.output_bytes {
            outputs.push(self.scratch(*bytes, plan.zeroed)?);
        }
        let is_made = self.multiply(plan, inputs, &mut outputs);
        let (mut scratch, mut kernels) = (Vec::new(), Vec::new());
        if !is_made {
            for wanted in &plan.scratch {
                scratch.push(self.scratch(wanted.bytes, wanted.zeroed)?);
            }
            let addresses = Addresses::new(&self.stream, inputs, &mut outputs, &mut scratch);
            for launch in &plan.launches {
                kernels.push(self.start(launch, &addresses)?);
            }
        }
        let check = match &plan.check {
            Some(check) => Some(self.read_status(check, &scratch, inputs)?),
            None => None,
        };
        let flags = CUevent_flags::CU_EVENT_BLOCKING_SYNC;
        let landed = self.stream.record_event(Some(flags)).map_err(Error::driver("note an end"))?;
        let types = plan.outputs.iter().cloned().zip(&plan.output_bytes);
        let outputs = types.zip(outputs).map(|((object_type, bytes), slice)| {
            (object_type, Buffer { slice: Arc::new(slice), len: *bytes as usize })
        });
        // Scratch memory is given back in the stream's order, so after the launches.
        Ok(Flight { outputs: outputs.collect(), landed, _kernels: kernels, check })
    }

    /// Has the library make what a plan's launches would, if it does; whether it has.
    fn multiply(&mut self, plan: &Plan, inputs: &[Buffer], outputs: &mut [CudaSlice<u8>]) -> bool {
        let Some(product) = plan.product.filter(|_| plan.check.is_none()) else { return false };
        let is_simulated = self.device.properties().is_simulated;
        let chosen = self.maker.for_product(&product, &self.stream, is_simulated);
        let Some((blas, gemm)) = chosen else { return false };
        let made = {
            let addresses = Addresses::new(&self.stream, inputs, outputs, &mut []);
            let (&[a, b], &[y]) = (&addresses.inputs[..], &addresses.outputs[..]) else {
                return false;
            };
            // SAFETY: the plan tells what is at the addresses, which is given back in the stream's
            // order.
            unsafe { blas.multiply(&gemm, [a, b], y) }
        };
        made.inspect_err(|why| self.maker.give_up(why)).is_ok()
    }

    fn scratch(&self, bytes: u64, zeroed: bool) -> Result<CudaSlice<u8>, Error> {
        let full = Error::OutOfMemory { wanted_bytes: bytes };
        let len = usize::try_from(bytes).map_err(|_| full)?;
        if !zeroed {
            return self.device.allocate(&self.stream, len);
        }
        self.stream.alloc_zeros::<u8>(len.max(1)).map_err(Error::memory("allocate memory", bytes))
    }

    fn start(&self, launch: &Launch, addresses: &Addresses<'_>) -> Result<CudaFunction, Error> {
        let function = self.device.kernel(launch)?;
        let ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]) = (launch.grid, launch.block);
        let mut values: Vec<Vec<u8>> =
            launch.arguments.iter().map(|argument| addresses.value(argument)).collect();
        let mut parameters: Vec<*mut c_void> =
            values.iter_mut().map(|value| value.as_mut_ptr().cast()).collect();
        // SAFETY: the plan gives each parameter a value of its size, and the kernel touches no
        // memory but that of its addresses, which lives until the stream has come past the launch:
        // it is given back in the stream's order. A user's kernel may stray, but not into the host's
        // memory: devices have no addresses of that.
        let launched = unsafe {
            result::launch_kernel(
                function.cu_function(),
                (grid_x, grid_y, grid_z),
                (block_x, block_y, block_z),
                launch.shared_bytes,
                self.stream.cu_stream(),
                &mut parameters,
            )
        };
        launched.map(|()| function).map_err(Error::driver("launch a kernel"))
    }

    /// Has the status word copied to the host, behind the launches.
    fn read_status(
        &mut self,
        check: &Check,
        scratch: &[CudaSlice<u8>],
        inputs: &[Buffer],
    ) -> Result<(Check, PinnedHostSlice<u64>, Buffer), Error> {
        let lost = || Error::Data("the plan's check is of nothing".to_owned());
        let gpu::Buffer::Scratch(place) = check.status else { return Err(lost()) };
        let status = scratch.get(place).ok_or_else(lost)?;
        let input = inputs.get(check.input).ok_or_else(lost)?.clone();
        let mut word = self.device.take_word()?;
        // SAFETY: eight bytes, at an address that is a multiple of 16.
        let view = unsafe { status.transmute::<u64>(1) }.ok_or_else(lost)?;
        let copied = self.stream.memcpy_dtoh(&view, &mut word);
        copied.map_err(Error::driver("copy to the host"))?;
        Ok((check.clone(), word, input))
    }
}

impl Flight {
    /// Whether it has ended, well or not: [`Flight::land`] need not wait.
    pub fn has_ended(&self) -> bool {
        self.landed.is_complete()
    }

    /// Waits until the call has ended on its device; its outputs.
    ///
    /// # Errors
    /// The device has failed, or the inputs held what the kernel does not take.
    pub fn land(self, device: &Device) -> Result<Vec<(ObjectType, Buffer)>, Error> {
        self.landed.synchronize().map_err(Error::driver("run a kernel"))?;
        if let Some((check, word, input)) = self.check {
            let status = word.as_slice().map_err(Error::driver("copy to the host"))?[0];
            device.give_back_word(word);
            if let Some(place) = check.fault(status) {
                return Err(Error::Data(describe(device, &check, place, &input)?));
            }
        }
        Ok(self.outputs)
    }
}

/// What an input holds that the kernel does not take.
fn describe(device: &Device, check: &Check, place: u64, input: &Buffer) -> Result<String, Error> {
    let size = check.dtype.size_bytes();
    let start = usize::try_from(place).unwrap_or(usize::MAX).saturating_mul(size);
    let mut element = vec![0; size];
    if start.saturating_add(size) <= input.len {
        device.download_part(input, start, &mut element)?;
    }
    Ok(check.message(place, &element))
}

/// Where a plan's memory is.
#[derive(Default)]
struct Addresses<'a> {
    inputs: Vec<u64>,
    outputs: Vec<u64>,
    scratch: Vec<u64>,
    /// Note, when they are dropped, who reads and writes what.
    guards: Vec<SyncOnDrop<'a>>,
}

impl<'a> Addresses<'a> {
    /// Addresses for a stream, which waits for whoever writes what it reads.
    fn new(
        stream: &'a CudaStream,
        inputs: &'a [Buffer],
        outputs: &'a mut [CudaSlice<u8>],
        scratch: &'a mut [CudaSlice<u8>],
    ) -> Self {
        let mut addresses = Addresses::default();
        for buffer in inputs {
            let (address, guard) = buffer.slice.device_ptr(stream);
            addresses.inputs.push(address);
            addresses.guards.push(guard);
        }
        for slice in outputs {
            let (address, guard) = slice.device_ptr_mut(stream);
            addresses.outputs.push(address);
            addresses.guards.push(guard);
        }
        for slice in scratch {
            let (address, guard) = slice.device_ptr_mut(stream);
            addresses.scratch.push(address);
            addresses.guards.push(guard);
        }
        addresses
    }

    /// The bytes of a parameter.
    fn value(&self, argument: &Argument) -> Vec<u8> {
        let Argument::Address(buffer) = argument else {
            return argument.bytes().unwrap_or_default();
        };
        let address = match *buffer {
            gpu::Buffer::Input(place) => self.inputs.get(place).copied(),
            gpu::Buffer::Output(place) => self.outputs.get(place).copied(),
            gpu::Buffer::Scratch(place) => self.scratch.get(place).copied(),
            gpu::Buffer::Nothing => None,
        };
        address.unwrap_or_default().to_le_bytes().to_vec()
    }
}
