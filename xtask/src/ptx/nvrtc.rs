//! NVRTC, NVIDIA's run-time compiler, from PyPI. It needs no GPU and no driver, and it assembles too.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;

use libloading::{Library, Symbol};

use super::source::{Module, NVRTC_VERSION};

/// The compiler's library.
pub(crate) struct Nvrtc {
    library: Library,
}

/// A `nvrtcProgram`.
type Program = *mut c_void;
/// A `nvrtcResult`: 0 is success.
type Status = c_int;

impl Nvrtc {
    /// Fetches the library into `target/` where it is not there yet, and opens it.
    pub(crate) fn fetch() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/nvrtc");
        let path = folder.join("nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
        let version = folder.join(format!("nvidia_cuda_nvrtc_cu12-{NVRTC_VERSION}.dist-info"));
        if !path.exists() || !version.exists() {
            install(&folder)?;
        }
        // SAFETY: NVIDIA's library runs no code at loading that has conditions to be met.
        let library = unsafe { Library::new(&path) };
        Ok(Nvrtc { library: library.map_err(|error| format!("{}: {error}", path.display()))? })
    }

    /// Compiles a module for an architecture, `compute_XX` or `sm_XX`: its PTX, and what the compiler
    /// and, for `sm_XX`, the assembler say.
    pub(crate) fn compile(
        &self,
        module: &Module,
        architecture: &str,
    ) -> Result<(String, String), String> {
        let mut options = module.options();
        options.push(format!("--gpu-architecture={architecture}"));
        if architecture.starts_with("sm_") {
            options.push("--ptxas-options=-v".to_owned());
        }
        let program = self.create(module)?;
        let compiled = self.compile_program(program, &options);
        let log = self.text(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog");
        let ptx = self.text(program, "nvrtcGetPTXSize", "nvrtcGetPTX");
        self.destroy(program)?;
        let log = log?;
        compiled.map_err(|reason| format!("{reason}\n{log}"))?;
        if log.contains("warning") {
            return Err(log);
        }
        Ok((ptx?, log))
    }

    fn create(&self, module: &Module) -> Result<Program, String> {
        type Create = unsafe extern "C" fn(
            *mut Program,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> Status;
        let (source, name) = (text(&module.text)?, text(&format!("{}.cu", module.source))?);
        let owned = |choose: fn(&(String, String)) -> &String| -> Result<Vec<CString>, String> {
            module.headers.iter().map(|header| text(choose(header))).collect()
        };
        let (names, texts) = (owned(|(name, _)| name)?, owned(|(_, text)| text)?);
        let (names, texts) = (pointers(&names), pointers(&texts));
        let mut program = ptr::null_mut();
        let create: Symbol<'_, Create> = self.symbol(c"nvrtcCreateProgram")?;
        // SAFETY: the function has this type (nvrtc.h); every text ends with a zero byte and outlives
        // the call, and there are as many names as texts.
        let status = unsafe {
            create(
                &mut program,
                source.as_ptr(),
                name.as_ptr(),
                names.len() as c_int,
                texts.as_ptr(),
                names.as_ptr(),
            )
        };
        succeeded(status, "nvrtcCreateProgram").map(|()| program)
    }

    fn compile_program(&self, program: Program, options: &[String]) -> Result<(), String> {
        type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> Status;
        let options: Vec<CString> = options.iter().map(|o| text(o)).collect::<Result<_, _>>()?;
        let options = pointers(&options);
        let compile: Symbol<'_, Compile> = self.symbol(c"nvrtcCompileProgram")?;
        // SAFETY: the function has this type; the program is alive, and the options outlive the call.
        let status = unsafe { compile(program, options.len() as c_int, options.as_ptr()) };
        succeeded(status, "nvrtcCompileProgram")
    }

    /// A text of a program that one function tells the size of and another copies.
    fn text(&self, program: Program, size: &str, get: &str) -> Result<String, String> {
        type Size = unsafe extern "C" fn(Program, *mut usize) -> Status;
        type Get = unsafe extern "C" fn(Program, *mut c_char) -> Status;
        let (of_size, of_get) = (text(size)?, text(get)?);
        let (measure, copy): (Symbol<'_, Size>, Symbol<'_, Get>) =
            (self.symbol(&of_size)?, self.symbol(&of_get)?);
        let mut bytes = 0;
        // SAFETY: the function has this type, the program is alive, and it writes one number.
        succeeded(unsafe { measure(program, &mut bytes) }, size)?;
        let mut buffer = vec![0u8; bytes];
        // SAFETY: as above; it writes as many bytes as it has told.
        succeeded(unsafe { copy(program, buffer.as_mut_ptr().cast()) }, get)?;
        buffer.pop();
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    fn destroy(&self, mut program: Program) -> Result<(), String> {
        type Destroy = unsafe extern "C" fn(*mut Program) -> Status;
        let destroy: Symbol<'_, Destroy> = self.symbol(c"nvrtcDestroyProgram")?;
        // SAFETY: the function has this type; the program is alive and not used afterwards.
        succeeded(unsafe { destroy(&mut program) }, "nvrtcDestroyProgram")
    }

    /// A function of the library; the caller names the type that `nvrtc.h` gives it.
    fn symbol<T>(&self, name: &CStr) -> Result<Symbol<'_, T>, String> {
        // SAFETY: only names and types of `nvrtc.h` are asked for.
        unsafe { self.library.get(name.to_bytes_with_nul()) }.map_err(|error| error.to_string())
    }
}

fn install(folder: &PathBuf) -> Result<(), String> {
    eprintln!("xtask: fetching NVRTC {NVRTC_VERSION} into {}", folder.display());
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"])
        .arg(folder)
        .arg(format!("nvidia-cuda-nvrtc-cu12=={NVRTC_VERSION}"))
        .status()
        .map_err(|error| format!("python3 cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("pip: {status}")) }
}

fn text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|error| error.to_string())
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).collect()
}

fn succeeded(status: Status, function: &str) -> Result<(), String> {
    if status == 0 { Ok(()) } else { Err(format!("{function} failed ({status})")) }
}
