//! nvJitLink, which assembles PTX as a driver does: with ptxas inside.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

use libloading::{Library, Symbol};

use super::library::{Status, c_text, fetch, pointers, succeeded, symbol, text};

/// The assembler's library.
pub(crate) struct NvJitLink {
    library: Library,
}

/// A `nvJitLinkHandle`.
type Handle = *mut c_void;

/// `NVJITLINK_INPUT_PTX`.
const INPUT_PTX: c_int = 2;

/// The names of functions in the library, which have its version; `nvJitLink.h` hides that.
macro_rules! versioned {
    ($name:literal) => {
        concat!("__nvJitLink", $name, "_12_9")
    };
}

impl NvJitLink {
    /// Fetches the library where it is not there yet, and opens it.
    pub(crate) fn fetch() -> Result<Self, String> {
        let library = fetch("nvidia-nvjitlink-cu12", "nvjitlink/lib/libnvJitLink.so.12")?;
        Ok(NvJitLink { library })
    }

    /// Assembles PTX for an architecture; returns what ptxas says of each kernel.
    pub(crate) fn assemble(&self, ptx: &str, architecture: u32) -> Result<String, String> {
        let handle = self.create(&[format!("-arch=sm_{architecture}"), "-Xptxas=-v".to_owned()])?;
        let done = self.complete(handle, ptx);
        let log = |size, get| text(&self.library, handle, size, get);
        let (errors, log) = (
            log(versioned!("GetErrorLogSize"), versioned!("GetErrorLog")),
            log(versioned!("GetInfoLogSize"), versioned!("GetInfoLog")),
        );
        self.destroy(handle)?;
        done.map_err(|reason| format!("{reason}\n{}", errors.unwrap_or_default()))?;
        log
    }

    fn create(&self, options: &[String]) -> Result<Handle, String> {
        type Create = unsafe extern "C" fn(*mut Handle, u32, *const *const c_char) -> Status;
        let options: Vec<CString> = options.iter().map(|o| c_text(o)).collect::<Result<_, _>>()?;
        let options = pointers(&options);
        let create: Symbol<'_, Create> = symbol(&self.library, versioned!("Create"))?;
        let mut handle = ptr::null_mut();
        // SAFETY: the function has this type (nvJitLink.h), and the options outlive the call.
        let status = unsafe { create(&mut handle, options.len() as u32, options.as_ptr()) };
        succeeded(status, "nvJitLinkCreate").map(|()| handle)
    }

    fn complete(&self, handle: Handle, ptx: &str) -> Result<(), String> {
        type Add =
            unsafe extern "C" fn(Handle, c_int, *const c_void, usize, *const c_char) -> Status;
        type Complete = unsafe extern "C" fn(Handle) -> Status;
        let (ptx, name) = (c_text(ptx)?, c_text("ptx")?);
        let bytes = ptx.as_bytes_with_nul();
        let add: Symbol<'_, Add> = symbol(&self.library, versioned!("AddData"))?;
        // SAFETY: the function has this type; the handle is alive, and text and name outlive the call.
        let status =
            unsafe { add(handle, INPUT_PTX, bytes.as_ptr().cast(), bytes.len(), name.as_ptr()) };
        succeeded(status, "nvJitLinkAddData")?;
        let complete: Symbol<'_, Complete> = symbol(&self.library, versioned!("Complete"))?;
        // SAFETY: the function has this type, and the handle is alive.
        succeeded(unsafe { complete(handle) }, "nvJitLinkComplete")
    }

    fn destroy(&self, mut handle: Handle) -> Result<(), String> {
        type Destroy = unsafe extern "C" fn(*mut Handle) -> Status;
        let destroy: Symbol<'_, Destroy> = symbol(&self.library, versioned!("Destroy"))?;
        // SAFETY: the function has this type; the handle is alive and not used afterwards.
        succeeded(unsafe { destroy(&mut handle) }, "nvJitLinkDestroy")
    }
}
