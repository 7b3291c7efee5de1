//! NVRTC, which compiles CUDA C++ to PTX.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;

use libloading::{Library, Symbol};

use super::library::{Status, c_text, fetch, pointers, succeeded, symbol, text};
use super::source::Module;

/// The compiler's library.
pub(crate) struct Nvrtc {
    library: Library,
}

/// A `nvrtcProgram`.
type Program = *mut c_void;

impl Nvrtc {
    /// Fetches the library where it is not there yet, and opens it.
    pub(crate) fn fetch() -> Result<Self, String> {
        let library = fetch("nvidia-cuda-nvrtc-cu12", "cuda_nvrtc/lib/libnvrtc.so.12")?;
        Ok(Nvrtc { library })
    }

    /// A module's PTX. Warnings are errors.
    pub(crate) fn compile(&self, module: &Module) -> Result<String, String> {
        let mut options = module.options();
        options.push(format!("--gpu-architecture=compute_{}", module.architecture));
        let program = self.create(module)?;
        let compiled = self.compile_program(program, &options);
        let log = text(&self.library, program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog");
        let ptx =
            compiled.and_then(|()| text(&self.library, program, "nvrtcGetPTXSize", "nvrtcGetPTX"));
        self.destroy(program)?;
        let log = log?;
        match ptx {
            Ok(ptx) if !log.contains("warning") => Ok(ptx),
            Ok(_) => Err(log),
            Err(reason) => Err(format!("{reason}\n{log}")),
        }
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
        let (source, name) = (c_text(&module.text)?, c_text(&format!("{}.cu", module.source))?);
        let owned = |choose: fn(&(String, String)) -> &String| -> Result<Vec<CString>, String> {
            module.headers.iter().map(|header| c_text(choose(header))).collect()
        };
        let (names, texts) = (owned(|(name, _)| name)?, owned(|(_, text)| text)?);
        let (names, texts) = (pointers(&names), pointers(&texts));
        let mut program = ptr::null_mut();
        let create: Symbol<'_, Create> = symbol(&self.library, "nvrtcCreateProgram")?;
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
        let options: Vec<CString> = options.iter().map(|o| c_text(o)).collect::<Result<_, _>>()?;
        let options = pointers(&options);
        let compile: Symbol<'_, Compile> = symbol(&self.library, "nvrtcCompileProgram")?;
        // SAFETY: the function has this type; the program is alive, and the options outlive the call.
        let status = unsafe { compile(program, options.len() as c_int, options.as_ptr()) };
        succeeded(status, "nvrtcCompileProgram")
    }

    fn destroy(&self, mut program: Program) -> Result<(), String> {
        type Destroy = unsafe extern "C" fn(*mut Program) -> Status;
        let destroy: Symbol<'_, Destroy> = symbol(&self.library, "nvrtcDestroyProgram")?;
        // SAFETY: the function has this type; the program is alive and not used afterwards.
        succeeded(unsafe { destroy(&mut program) }, "nvrtcDestroyProgram")
    }
}
