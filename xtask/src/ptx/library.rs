//! NVIDIA's compiler libraries from PyPI. They need no GPU and no driver.

use std::ffi::{CString, c_char, c_int};
use std::path::Path;
use std::process::Command;

use libloading::{Library, Symbol};

/// The version of the compiler and of the assembler.
pub(crate) const VERSION: &str = "12.9.86";

/// A status that NVIDIA's functions return: 0 is success.
pub(crate) type Status = c_int;

/// Opens a library of a PyPI package, which is fetched into `target/` where it is not there yet.
pub(crate) fn fetch(package: &str, path: &str) -> Result<Library, String> {
    // A folder for each: pip replaces what others have put beside it.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(package);
    let about = format!("{}-{VERSION}.dist-info", package.replace('-', "_"));
    let path = folder.join("nvidia").join(path);
    if !path.exists() || !folder.join(about).exists() {
        install(package, &folder)?;
    }
    // SAFETY: NVIDIA's libraries run no code at loading that has conditions to be met.
    let library = unsafe { Library::new(&path) };
    library.map_err(|error| format!("{}: {error}", path.display()))
}

fn install(package: &str, folder: &Path) -> Result<(), String> {
    eprintln!("xtask: fetching {package} {VERSION} into {}", folder.display());
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"])
        .arg(folder)
        .arg(format!("{package}=={VERSION}"))
        .status()
        .map_err(|error| format!("python3 cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("pip: {status}")) }
}

/// A function of a library; the caller names the type that NVIDIA's header gives it.
pub(crate) fn symbol<'l, T>(library: &'l Library, name: &str) -> Result<Symbol<'l, T>, String> {
    // SAFETY: only names and types of `nvrtc.h` and `nvJitLink.h` are asked for.
    unsafe { library.get(name) }.map_err(|error| format!("{name}: {error}"))
}

/// The text of a handle that one function tells the size of and another copies.
pub(crate) fn text<H: Copy>(
    library: &Library,
    handle: H,
    size: &str,
    get: &str,
) -> Result<String, String> {
    type Size<H> = unsafe extern "C" fn(H, *mut usize) -> Status;
    type Get<H> = unsafe extern "C" fn(H, *mut c_char) -> Status;
    let (measure, copy): (Symbol<'_, Size<H>>, Symbol<'_, Get<H>>) =
        (symbol(library, size)?, symbol(library, get)?);
    let mut bytes = 0;
    // SAFETY: the functions of both headers that copy texts have these types; the handle is alive, and
    // one number is written.
    succeeded(unsafe { measure(handle, &mut bytes) }, size)?;
    // Not all of them count the zero byte at the end.
    let mut buffer = vec![0u8; bytes + 1];
    // SAFETY: as above; as many bytes are written as were told.
    succeeded(unsafe { copy(handle, buffer.as_mut_ptr().cast()) }, get)?;
    let text: Vec<u8> = buffer.into_iter().take_while(|byte| *byte != 0).collect();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A text that C reads.
pub(crate) fn c_text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|error| error.to_string())
}

pub(crate) fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).collect()
}

pub(crate) fn succeeded(status: Status, function: &str) -> Result<(), String> {
    if status == 0 { Ok(()) } else { Err(format!("{function} failed ({status})")) }
}
