//! Opening NVIDIA's libraries that are not the driver's. The bindings of cudarc end the process where
//! one is missing and take whatever the loader finds first, so they are opened here.

use std::error::Error as _;
use std::ffi::OsStr;
use std::path::PathBuf;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};

/// Where NVIDIA's toolkit may be.
pub(crate) fn toolkits() -> Vec<PathBuf> {
    let told = ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    told.filter(|path| path.is_absolute()).chain([PathBuf::from("/usr/local/cuda")]).collect()
}

/// The first library that there is of these names, with the loader or in a toolkit.
pub(crate) fn find(names: &[&str]) -> Option<Library> {
    let by_name = names.iter().map(PathBuf::from);
    let in_toolkits = toolkits()
        .into_iter()
        .flat_map(|toolkit| names.iter().map(move |name| toolkit.join("lib64").join(name)));
    by_name.chain(in_toolkits).find_map(|path| load(path.as_os_str()).ok())
}

/// Opens a library.
///
/// # Errors
/// There is none, in the loader's words.
pub(crate) fn load(path: &OsStr) -> Result<Library, String> {
    // SAFETY: NVIDIA's libraries run no code at loading that has conditions to be met. What is not
    // NVIDIA's is the choice of whoever set the environment.
    let opened = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    // The loader's own words are the error's source.
    opened.map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

/// A function of a library.
///
/// # Safety
/// The library's header gives the function of that name this type.
///
/// # Errors
/// There is none of that name.
pub(crate) unsafe fn function<T: Copy>(library: &Library, name: &str) -> Result<T, String> {
    // SAFETY: as the caller promises.
    let found: Result<Symbol<T>, _> = unsafe { library.get(name.as_bytes()) };
    found.map(|symbol| *symbol).map_err(|error| error.to_string())
}
