//! Finding NVRTC's library.

use std::path::Path;

use libloading::os::unix::Library;

use crate::nvidia::{find, load};

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
    find(&NAMES).ok_or_else(|| format!("there is no libnvrtc. {ADVICE}"))
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
