//! For tests: finds and loads the library, and talks to it.
//!
//! The functions here do not use this crate's own state: a program that links the crate has a second
//! copy of it, while cudarc talks to the library.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};

/// The library's file name.
pub const FILE: &str = "libdrawloom_cuda_sim.so";

/// The library, looked for beside the running program and in the folder above. Where Cargo builds what
/// programs depend on comes first: what lies beside a program may be of an earlier build.
pub fn library_path() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let above = folder.parent()?;
    [&folder.join("deps"), folder, &above.join("deps"), above]
        .into_iter()
        .map(|folder| folder.join(FILE))
        .find(|path| path.is_file())
}

/// A loaded library. It stays loaded until the process ends.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    handle: *mut c_void,
}

// SAFETY: a handle of the loader may be used from any thread.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Loads the library so that cudarc finds it as `libcuda.so`. Before the first call of cudarc.
    pub fn load(path: &Path) -> Option<Self> {
        let path = CString::new(path.as_os_str().as_encoded_bytes()).ok()?;
        // SAFETY: the library's constructors do nothing.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        (!handle.is_null()).then_some(Self { handle })
    }

    fn symbol(self, name: &str) -> *mut c_void {
        let Ok(name) = CString::new(name) else { return std::ptr::null_mut() };
        // SAFETY: the handle is of a loaded library.
        unsafe { libc::dlsym(self.handle, name.as_ptr()) }
    }

    fn text(self, name: &str) -> String {
        type Get = unsafe extern "C" fn(*mut c_char, usize) -> usize;
        let symbol = self.symbol(name);
        if symbol.is_null() {
            return String::new();
        }
        // SAFETY: the library exports the function with this type.
        let get: Get = unsafe { std::mem::transmute(symbol) };
        // SAFETY: null asks for the size alone.
        let mut bytes = vec![0u8; unsafe { get(std::ptr::null_mut(), 0) } + 4096];
        // SAFETY: the buffer has that many bytes.
        unsafe { get(bytes.as_mut_ptr().cast(), bytes.len()) };
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }

    /// Reports so far, a line each: `kind: text`.
    pub fn reports(self) -> String {
        self.text("simGetReports")
    }

    /// What kernels printed.
    pub fn printed(self) -> String {
        self.text("simGetPrinted")
    }

    /// Adds faults, as `DRAWLOOM_SIM_FAULTS` lists them; counts start now.
    pub fn inject(self, faults: &str) -> bool {
        let symbol = self.symbol("simInject");
        let Ok(text) = CString::new(faults) else { return false };
        if symbol.is_null() {
            return false;
        }
        // SAFETY: the library exports the function with this type.
        let inject: unsafe extern "C" fn(*const c_char) -> c_int =
            unsafe { std::mem::transmute(symbol) };
        // SAFETY: the text is a C string.
        unsafe { inject(text.as_ptr()) == 0 }
    }

    fn with_device(self, name: &str, device: i32) -> bool {
        let symbol = self.symbol(name);
        if symbol.is_null() {
            return false;
        }
        // SAFETY: the library exports these functions with this type.
        let call: unsafe extern "C" fn(c_int) -> c_int = unsafe { std::mem::transmute(symbol) };
        // SAFETY: it takes a number.
        unsafe { call(device) == 0 }
    }

    /// Lets kernels of a device go on that hang.
    pub fn release(self, device: i32) -> bool {
        self.with_device("simRelease", device)
    }

    /// A device falls off the bus.
    pub fn lose(self, device: i32) -> bool {
        self.with_device("simLoseDevice", device)
    }

    /// A lost device comes back.
    pub fn revive(self, device: i32) -> bool {
        self.with_device("simReviveDevice", device)
    }

    /// Forgets faults to come.
    pub fn clear_faults(self) -> bool {
        self.with_device("simClearFaults", 0)
    }

    /// Forgets reports.
    pub fn clear_reports(self) -> bool {
        self.with_device("simClearReports", 0)
    }

    /// Launches, instructions of warps and bytes of global memory so far.
    pub fn counters(self) -> [u64; 3] {
        self.numbers("simGetCounters")
    }

    /// Bytes copied between devices and the host's pageable memory, and its pinned memory, so far.
    pub fn copied_bytes(self) -> [u64; 2] {
        self.numbers("simGetCopies")
    }

    fn numbers<const N: usize>(self, name: &str) -> [u64; N] {
        let symbol = self.symbol(name);
        let mut numbers = [0; N];
        if !symbol.is_null() {
            // SAFETY: the library exports these functions with this type.
            let get: unsafe extern "C" fn(*mut [u64; N]) -> c_int =
                unsafe { std::mem::transmute(symbol) };
            // SAFETY: the array is there.
            unsafe { get(&mut numbers) };
        }
        numbers
    }

    /// Bytes that a device has in use.
    pub fn used_bytes(self, device: i32) -> u64 {
        let symbol = self.symbol("simGetUsedBytes");
        let mut bytes = 0;
        if !symbol.is_null() {
            // SAFETY: the library exports the function with this type.
            let get: unsafe extern "C" fn(c_int, *mut u64) -> c_int =
                unsafe { std::mem::transmute(symbol) };
            // SAFETY: the number is there.
            unsafe { get(device, &mut bytes) };
        }
        bytes
    }

    /// Other users of a device hold that many bytes.
    pub fn set_foreign_bytes(self, device: i32, bytes: u64) -> bool {
        let symbol = self.symbol("simSetForeignBytes");
        if symbol.is_null() {
            return false;
        }
        // SAFETY: the library exports the function with this type.
        let set: unsafe extern "C" fn(c_int, u64) -> c_int = unsafe { std::mem::transmute(symbol) };
        // SAFETY: it takes numbers.
        unsafe { set(device, bytes) == 0 }
    }
}
