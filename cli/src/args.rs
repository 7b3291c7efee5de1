//! What can be typed.

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands::{
    actors, add, bench, call, cancel, completions, executor, get, jobs, kernels, nodes, objects,
    put, release, run, scheduler, schema, sim, status, submit, tasks, timeline, top, up, watch,
    why,
};
use crate::gpu_options::GpuOptions;

/// Where commands look for a scheduler unless told otherwise.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:7070";

const EXAMPLES: &str = "\
Examples:
  drawloom run examples/hello.toml             run a graph here and now
  drawloom up --executors 3                    a local cluster, until Ctrl-C
  drawloom --endpoint http://127.0.0.1:7070 run examples/hello.toml
  drawloom jobs --json                         one JSON value a line

Exit codes: 0 done (of a job: it succeeded), 1 the job did not succeed, 2 bad input,
3 anything else that went wrong, 130 interrupted.";

/// Runs graphs of tasks on the CPUs and GPUs of your machines.
#[derive(Debug, Parser)]
#[command(name = "drawloom", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The scheduler: http://HOST:PORT or unix:/PATH [default: http://127.0.0.1:7070; `run`
    /// starts a cluster of its own unless this is given]
    #[arg(long, global = true, env = "DRAWLOOM_ENDPOINT", value_name = "URL")]
    endpoint: Option<String>,
    /// Write results as JSON, one value a line
    #[arg(long, global = true)]
    pub json: bool,
    /// Say less
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

impl Global {
    /// The scheduler's address.
    pub fn endpoint(&self) -> &str {
        self.given_endpoint().unwrap_or(DEFAULT_ENDPOINT)
    }

    /// The address that was given; an empty one, as from an unset variable, is none.
    pub fn given_endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref().filter(|endpoint| !endpoint.is_empty())
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Up(up::Up),
    Scheduler(scheduler::SchedulerCommand),
    Executor(executor::ExecutorCommand),
    Run(run::Run),
    Submit(submit::Submit),
    Add(add::Add),
    Watch(watch::Watch),
    Status(status::Status),
    Jobs(jobs::Jobs),
    Tasks(tasks::Tasks),
    Timeline(timeline::TimelineCommand),
    Top(top::Top),
    Nodes(nodes::Nodes),
    Cancel(cancel::Cancel),
    Why(why::Why),
    Put(put::Put),
    Get(get::Get),
    Objects(objects::Objects),
    Release(release::Release),
    Actors(actors::Actors),
    Call(call::Call),
    Kernels(kernels::Kernels),
    Schema(schema::SchemaCommand),
    Sim(sim::Sim),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

impl Command {
    /// Whether it runs until it is stopped, so that its log is what people watch.
    pub fn is_server(&self) -> bool {
        matches!(self, Command::Up(_) | Command::Scheduler(_) | Command::Executor(_))
    }

    /// Which GPUs an executor in this process is to offer, where there will be one.
    pub fn gpus(&self) -> Option<&GpuOptions> {
        match self {
            Command::Executor(executor) => Some(&executor.gpus),
            Command::Run(run) => Some(&run.gpus),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} has no examples", command.get_name());
        }
    }
}
