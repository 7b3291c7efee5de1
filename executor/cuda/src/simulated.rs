//! Standing in for the driver.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Loads a library that stands in for libcuda and has so many devices, and one that stands in for
/// its management library, if there is one. To be called before anything asks for devices, and
/// before the process has a second thread: it changes the environment.
///
/// # Errors
/// The library cannot be loaded.
pub fn simulate(library: &Path, management: Option<&Path>, devices: u32) -> Result<(), String> {
    // SAFETY: by this function's contract there is nobody who reads the environment meanwhile.
    unsafe { std::env::set_var("DRAWLOOM_SIM_DEVICES", devices.to_string()) };
    load(library)?;
    management.map_or(Ok(()), load)
}

fn load(library: &Path) -> Result<(), String> {
    let path = CString::new(library.as_os_str().as_bytes())
        .map_err(|_| "the library's path contains a null character".to_owned())?;
    // SAFETY: a path that ends with a null character. The library stays loaded; it has the name by
    // which the bindings look for the real one, so they find this one.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() {
        // SAFETY: what failed last in this thread, told as a text or not at all.
        let why = unsafe {
            let why = libc::dlerror();
            if why.is_null() { c"no reason is given" } else { CStr::from_ptr(why) }
        };
        return Err(format!("{} cannot be loaded: {}", library.display(), why.to_string_lossy()));
    }
    Ok(())
}
