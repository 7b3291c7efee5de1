//! A device: what it is, its memory, and copies to and from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{self, CUdevice_attribute, CUuuid};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DriverError, PinnedHostSlice,
};
use cudarc::nvrtc::Ptx;
use drawloom_kernels_gpu::{Launch, Limits, Module, ModuleRef};

use crate::staging::{Downloads, Uploads};
use crate::users::Users;
use crate::{Buffer, Error};

/// What a device is.
#[derive(Clone, PartialEq, Debug)]
pub struct Properties {
    /// The model's name.
    pub name: String,
    /// Such as `GPU-01234567-89ab-cdef-0123-456789abcdef`.
    pub uuid: String,
    /// Its memory.
    pub memory_bytes: u64,
    /// Its compute capability, such as (8, 6).
    pub compute_capability: (u32, u32),
    /// How many multiprocessors it has.
    pub multiprocessors: u32,
    /// Its place on the bus, such as `0000:01:00`.
    pub pci: String,
    /// The memory node of the host that is nearest, where the driver tells.
    pub numa_node: Option<u32>,
    /// Whether it says of itself that it is none.
    pub is_simulated: bool,
}

/// A device that this process uses.
pub struct Device {
    properties: Properties,
    context: Arc<CudaContext>,
    /// Copies to the device go on beside those from it, and beside kernels.
    copy_in: Arc<CudaStream>,
    uploads: Uploads,
    downloads: Downloads,
    functions: Mutex<Functions>,
    /// Places for status words, which nobody uses now.
    words: Mutex<Vec<PinnedHostSlice<u64>>>,
    users: Users,
}

#[derive(Default)]
struct Functions {
    modules: HashMap<&'static str, Arc<CudaModule>>,
    by_name: HashMap<(&'static str, String), CudaFunction>,
}

impl Device {
    /// Opens the device that has this number with the driver.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub(crate) fn open(ordinal: usize) -> Result<Self, Error> {
        let context = CudaContext::new(ordinal).map_err(Error::driver("be opened"))?;
        let ask = Error::driver("tell what it is");
        let stream = || context.new_stream().map_err(Error::driver("make a stream"));
        let attribute = |attribute| context.attribute(attribute).map_err(&ask);
        let name = context.name().map_err(&ask)?;
        let (major, minor) = context.compute_capability().map_err(&ask)?;
        let properties = Properties {
            uuid: uuid(uuid_bytes(&context).map_err(&ask)?),
            memory_bytes: context.total_mem().map_err(&ask)? as u64,
            compute_capability: (major.unsigned_abs(), minor.unsigned_abs()),
            multiprocessors: attribute(
                CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
            )?
            .unsigned_abs(),
            pci: format!(
                "{:04x}:{:02x}:{:02x}",
                attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID)?,
                attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID)?,
                attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID)?
            ),
            // Drivers before 12.2 do not know the question.
            numa_node: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID)
                .ok()
                .and_then(|node| u32::try_from(node).ok()),
            is_simulated: name.to_ascii_lowercase().contains("simulated"),
            name,
        };
        let (copy_in, copy_out) = (stream()?, stream()?);
        let (uploads, downloads) = (Uploads::new(&copy_in), Downloads::new(&copy_out));
        let (functions, words, users) = (Mutex::default(), Mutex::default(), Users::new(&context)?);
        Ok(Device { properties, context, copy_in, uploads, downloads, functions, words, users })
    }

    /// What it is.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// Its number with the driver.
    pub fn ordinal(&self) -> usize {
        self.context.ordinal()
    }

    /// Bytes of memory that are free now, whoever uses the others.
    ///
    /// # Errors
    /// The device does not answer.
    pub fn free_bytes(&self) -> Result<u64, Error> {
        let told = self.context.mem_get_info().map_err(Error::driver("tell its free memory"))?;
        Ok(told.0 as u64)
    }

    /// A stream for kernels, which run in their order in it, and beside those of other streams.
    ///
    /// # Errors
    /// The device does not answer.
    pub(crate) fn stream(&self) -> Result<Arc<CudaStream>, Error> {
        self.context.new_stream().map_err(Error::driver("make a stream"))
    }

    /// Copies to the device. Returns when `data` is needed no longer; kernels wait for the end.
    ///
    /// # Errors
    /// There is no memory, or the device fails.
    pub fn upload(&self, data: &[u8]) -> Result<Buffer, Error> {
        let mut slice = self.allocate(&self.copy_in, data.len())?;
        let copied = self.uploads.copy(data, &mut slice);
        copied.map_err(Error::driver("copy from the host"))?;
        Ok(Buffer { slice: Arc::new(slice), len: data.len() })
    }

    /// Copies from another device, without a way over the host where the two have a link. Returns
    /// before the copy has ended; kernels wait for its end.
    ///
    /// # Errors
    /// There is no memory, or one of the devices fails.
    pub fn receive(&self, buffer: &Buffer) -> Result<Buffer, Error> {
        let mut slice = self.allocate(&self.copy_in, buffer.len)?;
        let copied = self.copy_in.memcpy_dtod(&*buffer.slice, &mut slice);
        copied.map_err(Error::driver("copy from another device"))?;
        Ok(Buffer { slice: Arc::new(slice), len: buffer.len })
    }

    /// Copies from the device, once whatever writes the buffer has ended, and waits for the copy.
    ///
    /// # Errors
    /// The device fails, or what was to write the buffer has.
    pub fn download(&self, buffer: &Buffer, into: &mut [u8]) -> Result<(), Error> {
        let len = buffer.len.min(into.len());
        self.download_part(buffer, 0, &mut into[..len])
    }

    /// The same of a part, which is within the buffer.
    pub(crate) fn download_part(
        &self,
        buffer: &Buffer,
        start: usize,
        into: &mut [u8],
    ) -> Result<(), Error> {
        let copied = self.downloads.copy(&buffer.slice, start, into);
        copied.map_err(Error::driver("copy to the host"))
    }

    /// Memory that a stream may write. An allocation of nothing is not one, so it is made longer.
    pub(crate) fn allocate(
        &self,
        stream: &Arc<CudaStream>,
        len: usize,
    ) -> Result<CudaSlice<u8>, Error> {
        // SAFETY: whoever gets it writes all of it before it is read: a copy, or a plan, whose
        // outputs hold nothing before it ran.
        unsafe { stream.alloc::<u8>(len.max(1)) }
            .map_err(Error::memory("allocate memory", len as u64))
    }

    /// A place for a status word, where kernels tell what they found.
    pub(crate) fn take_word(&self) -> Result<PinnedHostSlice<u64>, Error> {
        let idle = self.words.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(
            || {
                // SAFETY: written by a copy before anybody reads it.
                let word = unsafe { self.context.alloc_pinned::<u64>(1) };
                word.map_err(Error::driver("give pinned memory"))
            },
            Ok,
        )
    }

    /// Gives a place for a status word back that nobody uses now.
    pub(crate) fn give_back_word(&self, word: PinnedHostSlice<u64>) {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).push(word);
    }

    /// What the device can launch.
    pub(crate) fn limits(&self) -> &Limits {
        &self.users.limits
    }

    /// The kernel of a launch.
    pub(crate) fn kernel(&self, launch: &Launch) -> Result<CudaFunction, Error> {
        match &launch.module {
            ModuleRef::Catalogue(module) => self.function(module, &launch.entry),
            ModuleRef::Users(module) => self.users.function(&self.context, module, launch),
        }
    }

    /// A kernel, whose module is loaded once.
    fn function(&self, module: &'static Module, entry: &str) -> Result<CudaFunction, Error> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (module.name, entry.to_owned());
        if let Some(function) = functions.by_name.get(&key) {
            return Ok(function.clone());
        }
        let loaded = match functions.modules.get(module.name) {
            Some(loaded) => Arc::clone(loaded),
            None => {
                let loaded = self.context.load_module(Ptx::from_src(module.ptx));
                let loaded =
                    loaded.map_err(Error::memory("load a module", module.ptx.len() as u64))?;
                functions.modules.insert(module.name, Arc::clone(&loaded));
                loaded
            }
        };
        let function = loaded.load_function(entry).map_err(Error::driver("find a kernel"))?;
        functions.by_name.insert(key, function.clone());
        Ok(function)
    }
}

/// A device's uuid; a slice's own one, where it is a slice (MIG), which cudarc does not tell.
fn uuid_bytes(context: &CudaContext) -> Result<[std::ffi::c_char; 16], DriverError> {
    let mut uuid = CUuuid { bytes: [0; 16] };
    // SAFETY: the device is one that the driver gave, and there is room for the answer.
    unsafe { sys::cuDeviceGetUuid_v2(&mut uuid, context.cu_device()).result()? };
    Ok(uuid.bytes)
}

/// The form in which tools show it.
fn uuid(bytes: [std::ffi::c_char; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{:02x}", byte.cast_unsigned())).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    format!("GPU-{}", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_five_parts() {
        let bytes = std::array::from_fn(|place| (place as u8 * 17).cast_signed());
        assert_eq!(uuid(bytes), "GPU-00112233-4455-6677-8899-aabbccddeeff");
    }
}
