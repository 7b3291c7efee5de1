//! `cuModule*`, `cuLibrary*` and functions' attributes.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::context::healthy;
use super::error::{Code, give};
use super::kernel::{Kernel, Module};
use super::limits;
use super::system::{KERNELS, MODULES};

/// # Safety
/// `image` is null or points to an image as the driver wants it.
unsafe fn load(image: *const c_void) -> Result<usize, Code> {
    if image.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    let context = healthy()?;
    // SAFETY: an image has at least four bytes.
    let head = unsafe { std::slice::from_raw_parts(image.cast::<u8>(), 4) };
    // Compiled code (ELF, fat binaries) cannot run here: only PTX can.
    if head == b"\x7fELF"
        || head == 0xba55_ed50u32.to_le_bytes()
        || head == 0x4662_43b1u32.to_le_bytes()
    {
        crate::report::tell("module", "only PTX can be loaded, not compiled code");
        return Err(Code::NO_BINARY);
    }
    // SAFETY: PTX ends with a zero byte.
    let text = unsafe { CStr::from_ptr(image.cast()) };
    let text = text.to_str().map_err(|_| Code::INVALID_IMAGE)?;
    let module = Module::load(&context, text)?;
    MODULES.insert(module.handle, Arc::clone(&module));
    Ok(module.handle)
}

/// # Safety
/// `name` is null or a C string.
unsafe fn text<'a>(name: *const c_char) -> Result<&'a str, Code> {
    if name.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    // SAFETY: as for the caller.
    unsafe { CStr::from_ptr(name) }.to_str().map_err(|_| Code::INVALID_VALUE)
}

fn attribute_of(kernel: &Kernel, attribute: c_int) -> Option<u32> {
    let function = kernel.function();
    let (major, minor) = kernel.context.device.spec.capability;
    Some(match attribute {
        0 => kernel.max_threads(),
        1 => function.shared_bytes,
        2 | 7 => 0,
        3 => function.local_bytes,
        4 => function.registers.min(64),
        5 | 6 => major * 10 + minor,
        8 => kernel.dynamic_limit(),
        9 => u32::MAX,
        10..=15 => 0,
        _ => return None,
    })
}

api! {
    /// Loads PTX.
    fn cuModuleLoadData(module: *mut usize, image: *const c_void) { give(module, load(image)?) }

    /// Loads PTX.
    fn cuModuleLoadDataEx(
        module: *mut usize,
        image: *const c_void,
        _count: c_uint,
        _options: *mut c_void,
        _values: *mut c_void,
    ) {
        give(module, load(image)?)
    }

    /// Loads a file of PTX.
    fn cuModuleLoad(module: *mut usize, path: *const c_char) {
        let mut image = std::fs::read(text(path)?).map_err(|_| Code::FILE_NOT_FOUND)?;
        image.extend_from_slice(&[0; 4]);
        give(module, load(image.as_ptr().cast())?)
    }

    /// Unloads a module.
    fn cuModuleUnload(module: usize) {
        MODULES.remove(module)?.unload();
        Ok(())
    }

    /// A kernel.
    fn cuModuleGetFunction(function: *mut usize, module: usize, name: *const c_char) {
        give(function, MODULES.get(module)?.kernel(text(name)?)?.handle)
    }

    /// How many kernels a module has.
    fn cuModuleGetFunctionCount(count: *mut c_uint, module: usize) {
        give(count, MODULES.get(module)?.program.kernels.len() as c_uint)
    }

    /// A variable's address and size.
    fn cuModuleGetGlobal_v2(address: *mut u64, bytes: *mut usize, module: usize, name: *const c_char) {
        let module = MODULES.get(module)?;
        let (at, size) = *module.program.globals.get(text(name)?).ok_or(Code::NOT_FOUND)?;
        if !address.is_null() {
            give(address, at)?;
        }
        if bytes.is_null() { Ok(()) } else { give(bytes, size) }
    }

    /// How modules are loaded: at once.
    fn cuModuleGetLoadingMode(mode: *mut c_int) { give(mode, 1) }

    /// Loads a library: here a module.
    fn cuLibraryLoadData(
        library: *mut usize,
        image: *const c_void,
        _jit: *mut c_void,
        _jit_values: *mut c_void,
        _jit_count: c_uint,
        _options: *mut c_void,
        _values: *mut c_void,
        _count: c_uint,
    ) {
        give(library, load(image)?)
    }

    /// Unloads a library.
    fn cuLibraryUnload(library: usize) {
        MODULES.remove(library)?.unload();
        Ok(())
    }

    /// A library's kernel.
    fn cuLibraryGetKernel(kernel: *mut usize, library: usize, name: *const c_char) {
        give(kernel, MODULES.get(library)?.kernel(text(name)?)?.handle)
    }

    /// A library's module.
    fn cuLibraryGetModule(module: *mut usize, library: usize) {
        MODULES.get(library)?;
        give(module, library)
    }

    /// A kernel as a function.
    fn cuKernelGetFunction(function: *mut usize, kernel: usize) {
        KERNELS.get(kernel)?;
        give(function, kernel)
    }

    /// A function's attribute.
    fn cuFuncGetAttribute(value: *mut c_int, attribute: c_int, function: usize) {
        let kernel = KERNELS.get(function)?;
        give(value, attribute_of(&kernel, attribute).ok_or(Code::INVALID_VALUE)? as c_int)
    }

    /// Sets a function's attribute.
    fn cuFuncSetAttribute(function: usize, attribute: c_int, value: c_int) {
        let kernel = KERNELS.get(function)?;
        match attribute {
            8 => {
                let most = limits::opt_in_shared(kernel.context.device.spec.capability);
                let fixed = kernel.function().shared_bytes;
                let value = u32::try_from(value).map_err(|_| Code::INVALID_VALUE)?;
                if value + fixed > most {
                    return Err(Code::INVALID_VALUE);
                }
                kernel.max_dynamic.store(value, Ordering::Release);
                Ok(())
            }
            9..=15 => Ok(()),
            _ => Err(Code::INVALID_VALUE),
        }
    }

    /// Splits the first-level cache for a function.
    fn cuFuncSetCacheConfig(function: usize, _config: c_int) { KERNELS.get(function).map(drop) }

    /// A function's name.
    fn cuFuncGetName(name: *mut *const c_char, function: usize) {
        let kernel = KERNELS.get(function)?;
        let text = std::ffi::CString::new(kernel.function().name.clone()).map_err(|_| Code::UNKNOWN)?;
        // Names are few and short; they stay until the process ends.
        give(name, text.into_raw().cast_const())
    }

    /// Where a parameter lies.
    fn cuFuncGetParamInfo(function: usize, index: usize, offset: *mut usize, bytes: *mut usize) {
        let kernel = KERNELS.get(function)?;
        let param = kernel.function().params.get(index).ok_or(Code::INVALID_VALUE)?;
        give(offset, param.offset as usize)?;
        if bytes.is_null() { Ok(()) } else { give(bytes, param.bytes as usize) }
    }
}
