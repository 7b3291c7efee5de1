//! Runs `tests/gpu-check`, whose exit code becomes the chore's.

use std::process::{Command, ExitCode};

const PACKAGE: &str = "drawloom-gpu-check";

/// Builds the check and runs it with these options.
pub fn run(options: &[&str]) -> ExitCode {
    // What is measured on hardware includes what the host does. Where nothing is, the build that a
    // developer has already will do.
    let is_measured = !options.contains(&"--simulated") && has_driver();
    let profile: &[&str] = if is_measured { &["--release"] } else { &[] };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--locked", "--package", PACKAGE])
        .args(profile)
        .arg("--")
        .args(options)
        .status();
    match status {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("xtask: cargo cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether there is a driver's library, whatever it is worth: the check itself tells.
fn has_driver() -> bool {
    // SAFETY: the driver's library has no conditions to be met at loading.
    let found = || unsafe { libloading::Library::new("libcuda.so.1") }.is_ok();
    std::env::var_os("DRAWLOOM_LIBCUDA").is_some() || found()
}
