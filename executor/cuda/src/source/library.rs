//! Finding NVRTC's library. The bindings of cudarc end the process where it is missing and take
//! whatever the loader finds first, so it is opened here.

use std::error::Error as _;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

/// The library's names. The first is preferred: what version 13 makes is refused by older drivers.
const NAMES: [&str; 4] = ["libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so", "libnvrtc.so.11.2"];
/// What to do where there is none.
const ADVICE: &str = "CUDA C++ is compiled where it runs: install NVIDIA's nvrtc library (Debian: \
                      libnvrtc12, PyPI: nvidia-cuda-nvrtc-cu12) and set DRAWLOOM_NVRTC to the \
                      absolute path of libnvrtc.so.12 where the system's loader does not find it; \
                      or give the task PTX, or a variant for CPUs";

/// Opens the library at a path, or else the first that is found.
pub(super) fn open(path: Option<&Path>) -> Result<Library, String> {
    if let Some(path) = path {
        if !path.is_absolute() {
            let path = path.display();
            return Err(format!("DRAWLOOM_NVRTC is {path}, which is no absolute path. {ADVICE}"));
        }
        return load(path.as_os_str())
            .map_err(|why| format!("NVRTC cannot be used: {why}. {ADVICE}"));
    }
    let by_name = NAMES.iter().map(PathBuf::from);
    let in_toolkits = toolkits()
        .into_iter()
        .flat_map(|toolkit| NAMES.map(|name| toolkit.join("lib64").join(name)));
    let found = by_name.chain(in_toolkits).find_map(|path| load(path.as_os_str()).ok());
    found.ok_or_else(|| format!("there is no libnvrtc. {ADVICE}"))
}

/// Where NVIDIA's toolkit may be.
pub(super) fn toolkits() -> Vec<PathBuf> {
    let told = ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(std::env::var_os).map(PathBuf::from);
    told.filter(|path| path.is_absolute()).chain([PathBuf::from("/usr/local/cuda")]).collect()
}

fn load(path: &OsStr) -> Result<Library, String> {
    // SAFETY: NVIDIA's library runs no code at loading that has conditions to be met. What is not
    // NVIDIA's is the choice of whoever set the environment.
    let opened = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    // The loader's own words are the error's source.
    opened.map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_advice() {
        let relative = open(Some(Path::new("libnvrtc.so"))).expect_err("relative");
        assert!(relative.starts_with("DRAWLOOM_NVRTC is libnvrtc.so, which is no"), "{relative}");
        let missing = open(Some(Path::new("/nowhere/libnvrtc.so.12"))).expect_err("missing");
        assert!(missing.contains("/nowhere/libnvrtc.so.12"), "{missing}");
        for part in ["nvidia-cuda-nvrtc-cu12", "PTX", "a variant for CPUs"] {
            assert!(relative.contains(part) && missing.contains(part), "{part}");
        }
    }
}
