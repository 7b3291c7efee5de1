//! Logs, on the standard error.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

use crate::args::Global;

/// Starts logging. `DRAWLOOM_LOG` overrules the command line.
pub fn start(global: &Global, is_server: bool) {
    let level = match (global.quiet, global.verbose, is_server) {
        (true, ..) => "error",
        (false, 0, false) => "warn",
        (false, 0, true) => "info",
        (false, 1, _) => "info,drawloom=debug",
        (false, ..) => "debug",
    };
    let filter = EnvFilter::try_from_env("DRAWLOOM_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .with_target(false)
        // Nobody may be there to read it.
        .log_internal_errors(false)
        .init();
}
