//! For tests: NVIDIA's compiler, which needs neither a GPU nor a driver.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package on PyPI and its version, as `cargo xtask ptx` takes it.
const PACKAGE: &str = "nvidia-cuda-nvrtc-cu12";
const VERSION: &str = "12.9.86";

/// The path of NVRTC's library: the one that `DRAWLOOM_NVRTC` names, or else that of the package,
/// which is fetched into `target/` where it is not there yet.
///
/// # Errors
/// It cannot be fetched. A test that needs it fails then; none is skipped.
pub fn library() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("DRAWLOOM_NVRTC").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let folder = target.join(PACKAGE);
    let library = folder.join("nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
    let about = folder.join(format!("{}-{VERSION}.dist-info", PACKAGE.replace('-', "_")));
    let told = |error: std::io::Error| format!("{}: {error}", target.display());
    fs::create_dir_all(&target).map_err(told)?;
    // One process fetches while others wait.
    let lock = File::create(target.join(format!("{PACKAGE}.lock"))).map_err(told)?;
    lock.lock().map_err(told)?;
    if !library.is_file() || !about.is_dir() {
        install(&folder)?;
    }
    library.canonicalize().map_err(told)
}

fn install(folder: &Path) -> Result<(), String> {
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"])
        .arg(folder)
        .arg(format!("{PACKAGE}=={VERSION}"))
        .status()
        .map_err(|error| format!("python3, which fetches NVRTC, cannot be started: {error}"))?;
    let failed =
        || format!("pip cannot fetch {PACKAGE}: {status}; DRAWLOOM_NVRTC may name another");
    if status.success() { Ok(()) } else { Err(failed()) }
}
