//! Looking up functions, profiling, and what is not there.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use super::error::{Code, give};

/// The address of an exported function of this library.
///
/// # Safety
/// `name` is a C string.
unsafe fn look_up(name: &CStr) -> *mut c_void {
    // SAFETY: plain calls of the loader; the handle of a loaded library is only read.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let own = cuProfilerStart as *const c_void;
        if libc::dladdr(own, &mut info) == 0 || info.dli_fname.is_null() {
            return std::ptr::null_mut();
        }
        let library = libc::dlopen(info.dli_fname, libc::RTLD_NOLOAD | libc::RTLD_LAZY);
        if library.is_null() {
            return std::ptr::null_mut();
        }
        let found = libc::dlsym(library, name.as_ptr());
        libc::dlclose(library);
        found
    }
}

/// # Safety
/// `symbol` is a C string and `function` valid for a write.
unsafe fn proc_address(symbol: *const c_char, function: *mut *mut c_void) -> Result<bool, Code> {
    if symbol.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    // SAFETY: as for the caller.
    unsafe {
        let base = CStr::from_ptr(symbol).to_string_lossy().into_owned();
        for suffix in ["_v2", "", "_v3", "_v4"] {
            let Ok(name) = CString::new(format!("{base}{suffix}")) else { continue };
            let found = look_up(&name);
            if !found.is_null() {
                give(function, found)?;
                return Ok(true);
            }
        }
        give(function, std::ptr::null_mut())?;
    }
    Ok(false)
}

api! {
    /// The address of a function.
    fn cuGetProcAddress(symbol: *const c_char, function: *mut *mut c_void, _version: c_int, _flags: u64) {
        if proc_address(symbol, function)? { Ok(()) } else { Err(Code::NOT_FOUND) }
    }

    /// The address of a function.
    fn cuGetProcAddress_v2(
        symbol: *const c_char, function: *mut *mut c_void, _version: c_int, _flags: u64, status: *mut c_int,
    ) {
        let found = proc_address(symbol, function)?;
        if !status.is_null() {
            give(status, c_int::from(!found))?;
        }
        if found { Ok(()) } else { Err(Code::NOT_FOUND) }
    }

    /// Tables of private functions: there are none. NVRTC asks, and lives without.
    fn cuGetExportTable(table: *mut *const c_void, _id: *const c_void) {
        if !table.is_null() {
            give(table, std::ptr::null())?;
        }
        Err(Code::NOT_FOUND)
    }

    /// Memory of other interfaces: there is none.
    fn cuImportExternalMemory(_memory: *mut usize, _description: *const c_void) {
        Err(Code::NOT_SUPPORTED)
    }

    /// Memory of other interfaces: there is none.
    fn cuExternalMemoryGetMappedBuffer(_address: *mut u64, _memory: usize, _description: *const c_void) {
        Err(Code::NOT_SUPPORTED)
    }

    /// Memory of other interfaces: there is none.
    fn cuDestroyExternalMemory(_memory: usize) { Err(Code::NOT_SUPPORTED) }

    /// Begins profiling: nothing to do.
    fn cuProfilerStart() { Ok(()) }

    /// Ends profiling.
    fn cuProfilerStop() { Ok(()) }
}
