//! `drawloom`: the one command, for people and for programs.
//!
//! Results go to the standard output, with `--json` as JSON, one value a line; everything else
//! (logs, progress, what went wrong) goes to the standard error.

#![warn(clippy::print_stderr)]

mod args;
mod argument;
mod children;
mod commands;
mod costs;
mod devices;
mod error;
mod follow;
mod gpu_options;
mod interrupt;
mod logging;
mod metrics;
mod object_name;
mod output;
mod progress;
mod quantity;
mod runtime;
mod source;
mod state_options;
mod store_options;
mod text;
mod timeline;
mod top;
mod value;

use std::process::ExitCode;

use clap::Parser as _;

use args::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.global, cli.command.is_server());
    if let Some(Err(reason)) = cli.command.gpus().map(gpu_options::GpuOptions::prepare) {
        return error::report(&error::BadInput(reason).into());
    }
    // One thread: the way from socket to answer has no hand-over in it.
    let runtime = match runtime::build() {
        Ok(runtime) => runtime,
        Err(error) => return error::report(&error.into()),
    };
    // A task like every other: the runtime looks at the future it blocks on in its own time.
    let ended = runtime.block_on(runtime.spawn(commands::run(cli)));
    let ended = ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    // Whatever still runs in the background is not waited for.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| error::report(&error))
}
