//! Chores of the repository. Continuous integration runs the same commands as a developer:
//! `cargo xtask ci`, `cargo xtask test`, `cargo xtask lint`.

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

const TEST: &[Step] =
    &[Step { about: "tests", arguments: &["test", "--workspace", "--locked"], environment: &[] }];

fn main() -> ExitCode {
    let chore = std::env::args().nth(1);
    let steps: Vec<&Step> = match chore.as_deref() {
        Some("ci") => LINT.iter().chain(TEST).collect(),
        Some("lint") => LINT.iter().collect(),
        Some("test") => TEST.iter().collect(),
        _ => {
            eprintln!("usage: cargo xtask <ci|lint|test>");
            eprintln!("  ci    everything that continuous integration runs");
            eprintln!("  lint  format check, clippy and documentation, warnings denied");
            eprintln!("  test  every test of every crate");
            return ExitCode::from(2);
        }
    };
    for step in steps {
        if let Err(reason) = run(step) {
            eprintln!("xtask: {}: {reason}", step.about);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
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
