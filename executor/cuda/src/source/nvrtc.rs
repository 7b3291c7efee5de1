//! NVRTC, which compiles CUDA C++ to PTX.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr;

use libloading::os::unix::{Library, Symbol};

use crate::Error;
use crate::nvidia::toolkits;

/// What the compiler calls the source in its messages.
const NAME: &CStr = c"source.cu";

/// A `nvrtcProgram`.
type Handle = *mut c_void;
/// A `nvrtcResult`: 0 is success.
type Status = c_int;
type Texts = *const *const c_char;

/// The compiler. Its functions may be called from any thread.
pub(super) struct Nvrtc {
    create: unsafe extern "C" fn(
        *mut Handle,
        *const c_char,
        *const c_char,
        c_int,
        Texts,
        Texts,
    ) -> Status,
    compile: unsafe extern "C" fn(Handle, c_int, Texts) -> Status,
    destroy: unsafe extern "C" fn(*mut Handle) -> Status,
    ptx_size: unsafe extern "C" fn(Handle, *mut usize) -> Status,
    ptx: unsafe extern "C" fn(Handle, *mut c_char) -> Status,
    log_size: unsafe extern "C" fn(Handle, *mut usize) -> Status,
    log: unsafe extern "C" fn(Handle, *mut c_char) -> Status,
    words: unsafe extern "C" fn(Status) -> *const c_char,
    version: String,
    /// The architectures that it compiles for, such as 80, in rising order.
    architectures: Vec<u32>,
    /// The folder of CUDA's headers, where there is one.
    headers: Option<PathBuf>,
    /// The functions above are of this library. It is never unloaded: threads that it has run on still
    /// call it when they end.
    _library: ManuallyDrop<Library>,
}

/// A function of the library.
fn function<T: Copy>(library: &Library, name: &str) -> Result<T, String> {
    // SAFETY: the caller's type is the one that nvrtc.h gives the function of that name.
    let found: Result<Symbol<T>, _> = unsafe { library.get(name.as_bytes()) };
    found.map(|symbol| *symbol).map_err(|error| format!("NVRTC cannot be used: {error}"))
}

impl Nvrtc {
    /// The compiler of a library.
    ///
    /// # Errors
    /// The library lacks a function, or does not answer.
    pub(super) fn new(library: Library) -> Result<Self, String> {
        let (major, minor) = version(&library)?;
        Ok(Nvrtc {
            create: function(&library, "nvrtcCreateProgram")?,
            compile: function(&library, "nvrtcCompileProgram")?,
            destroy: function(&library, "nvrtcDestroyProgram")?,
            ptx_size: function(&library, "nvrtcGetPTXSize")?,
            ptx: function(&library, "nvrtcGetPTX")?,
            log_size: function(&library, "nvrtcGetProgramLogSize")?,
            log: function(&library, "nvrtcGetProgramLog")?,
            words: function(&library, "nvrtcGetErrorString")?,
            version: format!("{major}.{minor}"),
            architectures: architectures(&library)?,
            headers: headers(&library),
            _library: ManuallyDrop::new(library),
        })
    }

    /// Its version, such as `12.9`.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// All options for a device: the user's, the architecture and the headers' folder. For a device
    /// newer than the compiler the newest architecture that it knows is taken: drivers take PTX of
    /// older ones.
    pub(super) fn options(&self, users: &[String], (major, minor): (u32, u32)) -> Vec<String> {
        let device = major * 10 + minor;
        let known = self.architectures.iter().rev().find(|known| **known <= device);
        let architecture = known.copied().unwrap_or(device);
        let mut options = vec![format!("--gpu-architecture=compute_{architecture}")];
        if let Some(headers) = &self.headers {
            options.push(format!("--include-path={}", headers.display()));
        }
        options.extend_from_slice(users);
        options
    }

    /// The PTX of a source.
    ///
    /// # Errors
    /// It does not compile: the compiler's log, with the lines of the source.
    pub(super) fn compile(&self, source: &str, options: &[String]) -> Result<String, Error> {
        let text = |text: &str| {
            CString::new(text).map_err(|_| Error::Compile("a null character".to_owned()))
        };
        let (source, options) = (text(source)?, options.iter().map(|option| text(option)));
        let options = options.collect::<Result<Vec<CString>, Error>>()?;
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let program = self.program(&source)?;
        // SAFETY: the program is alive, and so are the options, which are as many as is told.
        let status =
            unsafe { (self.compile)(program.handle, options.len() as c_int, options.as_ptr()) };
        if status != 0 {
            let log = program.text(self.log_size, self.log).unwrap_or_default();
            let log = log.trim();
            let log = if log.is_empty() { self.explain(status) } else { log.to_owned() };
            return Err(Error::Compile(with_advice(log, self.headers.as_deref())));
        }
        program.text(self.ptx_size, self.ptx).map_err(|status| Error::Compile(self.explain(status)))
    }

    fn program(&self, source: &CStr) -> Result<Program<'_>, Error> {
        let mut handle = ptr::null_mut();
        // SAFETY: both texts end with a zero byte and outlive the call; there are no headers.
        let status = unsafe {
            (self.create)(&mut handle, source.as_ptr(), NAME.as_ptr(), 0, ptr::null(), ptr::null())
        };
        if status != 0 {
            return Err(Error::Compile(self.explain(status)));
        }
        Ok(Program { nvrtc: self, handle })
    }

    fn explain(&self, status: Status) -> String {
        // SAFETY: any number may be asked for; the answer is null or a text of the library's own.
        let words = unsafe {
            let words = (self.words)(status);
            if words.is_null() { c"no words for it" } else { CStr::from_ptr(words) }
        };
        format!("{} ({status})", words.to_string_lossy())
    }
}

/// A program of the compiler's, which goes when it is dropped.
struct Program<'n> {
    nvrtc: &'n Nvrtc,
    handle: Handle,
}

impl Program<'_> {
    /// A text that one function tells the size of and another copies.
    fn text(
        &self,
        size: unsafe extern "C" fn(Handle, *mut usize) -> Status,
        get: unsafe extern "C" fn(Handle, *mut c_char) -> Status,
    ) -> Result<String, Status> {
        let mut bytes = 0;
        // SAFETY: the program is alive, and one number is written.
        let status = unsafe { size(self.handle, &mut bytes) };
        if status != 0 {
            return Err(status);
        }
        let mut text = vec![0u8; bytes];
        // SAFETY: as many bytes are written as were told.
        let status = unsafe { get(self.handle, text.as_mut_ptr().cast()) };
        if status != 0 {
            return Err(status);
        }
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        text.truncate(end);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // SAFETY: the program is alive and not used afterwards.
        unsafe { (self.nvrtc.destroy)(&mut self.handle) };
    }
}

fn version(library: &Library) -> Result<(c_int, c_int), String> {
    type Version = unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status;
    let version: Version = function(library, "nvrtcVersion")?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: two numbers are written.
    let status = unsafe { version(&mut major, &mut minor) };
    if status == 0 { Ok((major, minor)) } else { Err("NVRTC does not tell its version".to_owned()) }
}

fn architectures(library: &Library) -> Result<Vec<u32>, String> {
    type Count = unsafe extern "C" fn(*mut c_int) -> Status;
    type List = unsafe extern "C" fn(*mut c_int) -> Status;
    let count: Count = function(library, "nvrtcGetNumSupportedArchs")?;
    let list: List = function(library, "nvrtcGetSupportedArchs")?;
    let mut number = 0;
    // SAFETY: one number is written.
    let told = unsafe { count(&mut number) } == 0;
    let mut known = vec![0; usize::try_from(number).unwrap_or_default()];
    // SAFETY: as many numbers are written as were told.
    if !told || unsafe { list(known.as_mut_ptr()) } != 0 {
        return Err("NVRTC does not tell what it compiles for".to_owned());
    }
    let mut known: Vec<u32> = known.into_iter().map(c_int::unsigned_abs).collect();
    known.sort_unstable();
    Ok(known)
}

/// What a compiler tells, and what to do where it lacks CUDA's headers.
fn with_advice(log: String, headers: Option<&Path>) -> String {
    if headers.is_some() || !log.contains("open source file") {
        return log;
    }
    format!(
        "{log}\nCUDA's headers, such as cuda_fp16.h, were not found on this executor: install CUDA's toolkit, \
         or PyPI's nvidia-cuda-runtime-cu12 into the folder of nvidia-cuda-nvrtc-cu12 (for others of your \
         own, give --include-path as an option)"
    )
}

/// The folder of CUDA's headers: beside the library in a toolkit or among packages of PyPI.
fn headers(library: &Library) -> Option<PathBuf> {
    let beside = path_of(library).and_then(|path| {
        let folder = path.parent()?;
        Some([folder.join("../include"), folder.join("../../cuda_runtime/include")])
    });
    let beside = beside.into_iter().flatten();
    let in_toolkits = toolkits().into_iter().map(|toolkit| toolkit.join("include"));
    beside.chain(in_toolkits).find(|folder| folder.join("cuda_fp16.h").is_file())
}

/// Where a library was loaded from.
fn path_of(library: &Library) -> Option<PathBuf> {
    let address: *const c_void = function(library, "nvrtcVersion").ok()?;
    let mut told = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: any address may be asked for, and one structure is written, for which zeros are values.
    let told = unsafe {
        if libc::dladdr(address, told.as_mut_ptr()) == 0 {
            return None;
        }
        told.assume_init()
    };
    if told.dli_fname.is_null() {
        return None;
    }
    // SAFETY: a text of the loader's, which stays as long as the library.
    let path = unsafe { CStr::from_ptr(told.dli_fname) };
    Path::new(OsStr::from_bytes(path.to_bytes())).canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_headers_are_told_with_advice() {
        let log = || {
            "kernel.cu(1): catastrophic error: could not open source file \"cuda_fp16.h\""
                .to_owned()
        };
        let told = with_advice(log(), None);
        assert!(told.starts_with(&log()) && told.contains("nvidia-cuda-runtime-cu12"), "{told}");
        assert_eq!(
            with_advice(log(), Some(Path::new("/include"))),
            log(),
            "it is another's header"
        );
        let other = "kernel.cu(1): error: expected a \";\"";
        assert_eq!(with_advice(other.to_owned(), None), other);
    }
}
