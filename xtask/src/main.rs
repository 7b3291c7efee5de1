//! Chores of the repository. Continuous integration runs the same commands as a developer:
//! `cargo xtask ci`, `cargo xtask test`, `cargo xtask lint`, `cargo xtask ptx --check`.
//! `cargo xtask gpu-check` is for machines with a GPU.

mod gpu_check;
mod ptx;

use std::process::{Command, ExitCode};

/// One command of a chore.
struct Step {
    about: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const LINT: &[Step] = &[
    Step { about: "format", arguments: &["fmt", "--all", "--check"], environment: &[] },
    Step {
        about: "clippy",
        arguments: &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        environment: &[],
    },
    Step {
        about: "documentation",
        arguments: &["doc", "--workspace", "--no-deps", "--locked"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
];

const TEST_ARGUMENTS: &[&str] = &["test", "--workspace", "--locked"];

const TEST: &[Step] = &[Step { about: "tests", arguments: TEST_ARGUMENTS, environment: &[] }];

/// The same cases each time, so that a change is judged by what it changes. Developers' runs, which
/// have no seed, look for new ones.
const SEEDED_TEST: &[Step] = &[Step {
    about: "tests",
    arguments: TEST_ARGUMENTS,
    environment: &[("PROPTEST_RNG_SEED", "20")],
}];

/// The whole system again, on machines with simulated GPUs.
const GPUS: &[Step] = &[
    Step {
        about: "tests of the whole system with one simulated GPU",
        arguments: &["test", "--package", "drawloom-cli", "--test", "system", "--locked"],
        environment: &[("DRAWLOOM_SIMULATED_GPUS", "1")],
    },
    Step {
        about: "tests of the whole system with four simulated GPUs",
        arguments: &["test", "--package", "drawloom-cli", "--test", "system", "--locked"],
        environment: &[("DRAWLOOM_SIMULATED_GPUS", "4")],
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["ci"] => run_all(LINT.iter().chain(SEEDED_TEST).chain(GPUS)),
        ["lint"] => run_all(LINT),
        ["test"] => run_all(TEST),
        ["ptx"] => ptx::write(),
        ["ptx", "--check"] => ptx::check(),
        ["gpu-check", rest @ ..] => return gpu_check::run(rest),
        _ => {
            eprintln!("usage: cargo xtask <ci|lint|test|ptx [--check]|gpu-check [OPTIONS]>");
            eprintln!("  ci    everything that continuous integration runs but for ptx --check");
            eprintln!("  lint  format check, clippy and documentation, warnings denied");
            eprintln!("  test  every test of every crate");
            eprintln!(
                "  ptx   compile kernels/cuda to kernels/ptx with NVRTC, from PyPI; needs no GPU"
            );
            eprintln!("  gpu-check   every kernel on a GPU against its CPU twin, and figures");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run_all<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Result<(), String> {
    steps
        .into_iter()
        .try_for_each(|step| run(step).map_err(|reason| format!("{}: {reason}", step.about)))
}

fn run(step: &Step) -> Result<(), String> {
    eprintln!("xtask: {} (cargo {})", step.about, step.arguments.join(" "));
    // The variable is set by cargo to the toolchain's own path.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(step.arguments)
        .envs(step.environment.iter().copied())
        .status()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}
