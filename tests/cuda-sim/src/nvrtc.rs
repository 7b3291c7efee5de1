//! For tests: NVIDIA's compiler, which needs neither a GPU nor a driver.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package on PyPI and its version, as `cargo xtask ptx` takes it.
const PACKAGE: (&str, &str) = ("nvidia-cuda-nvrtc-cu12", "12.9.86");
/// The package that has CUDA's headers, such as `cuda_fp16.h`.
const HEADERS: (&str, &str) = ("nvidia-cuda-runtime-cu12", "12.9.79");

/// The path of NVRTC's library: the one that `DRAWLOOM_NVRTC` names, or else that of the package,
/// which is fetched into `target/` where it is not there yet.
///
/// # Errors
/// It cannot be fetched. A test that needs it fails then; none is skipped.
pub fn library() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("DRAWLOOM_NVRTC").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    fetched(PACKAGE, "nvidia/cuda_nvrtc/lib/libnvrtc.so.12")
}

/// The folder of CUDA's headers, which are fetched like the library.
///
/// # Errors
/// As [`library`].
pub fn headers() -> Result<PathBuf, String> {
    let header = fetched(HEADERS, "nvidia/cuda_runtime/include/cuda_fp16.h")?;
    Ok(header.parent().map_or_else(PathBuf::new, Path::to_owned))
}

/// The path of a package's file, in a folder of the package's own.
fn fetched((package, version): (&str, &str), file: &str) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let folder = target.join(package);
    let file = folder.join(file);
    let about = folder.join(format!("{}-{version}.dist-info", package.replace('-', "_")));
    let told = |error: std::io::Error| format!("{}: {error}", target.display());
    fs::create_dir_all(&target).map_err(told)?;
    // One process fetches while others wait.
    let lock = File::create(target.join(format!("{package}.lock"))).map_err(told)?;
    lock.lock().map_err(told)?;
    if !file.is_file() || !about.is_dir() {
        install(&folder, package, version)?;
    }
    file.canonicalize().map_err(told)
}

fn install(folder: &Path, package: &str, version: &str) -> Result<(), String> {
    let status = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"])
        .arg(folder)
        .arg(format!("{package}=={version}"))
        .status()
        .map_err(|error| format!("python3, which fetches {package}, cannot be started: {error}"))?;
    let failed =
        || format!("pip cannot fetch {package}: {status}; DRAWLOOM_NVRTC may name another NVRTC");
    if status.success() { Ok(()) } else { Err(failed()) }
}
