//! Runs `tests/gpu-check`, whose exit code becomes the chore's.

use std::process::{Command, ExitCode};

const PACKAGE: &str = "drawloom-gpu-check";

/// Builds the check and runs it with these options.
pub fn run(options: &[&str]) -> ExitCode {
    // What is measured on hardware includes what the host does; a simulated driver is optimised in
    // every profile, and there is nothing to be measured with it.
    let is_simulated = options.contains(&"--simulated");
    let profile: &[&str] = if is_simulated { &[] } else { &["--release"] };
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
