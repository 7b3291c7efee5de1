//! A test double of libnvidia-ml: tells of the simulated machine that `drawloom-gpu-sim` describes.
//!
//! The library has the SONAME `libnvidia-ml.so.1`; programs open it by its path ([`library_path`]), for
//! example with `Nvml::builder().lib_path(...)`. What changes (memory in use, errors, lost devices) it
//! reads from the stand-in of libcuda in the same process, or from the file that `DRAWLOOM_SIM_STATE`
//! names, which other processes' stand-ins write. Its driver version says that it is simulated.

mod api_device;
mod api_event;
mod api_link;
mod api_system;
mod code;
mod state;

use std::path::PathBuf;

/// The library's file name.
pub const FILE: &str = "libdrawloom_nvml_sim.so";

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
