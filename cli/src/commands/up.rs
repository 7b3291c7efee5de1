//! `drawloom up`: a local cluster in one command.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use drawloom_client::Client;
use drawloom_executor::discover;
use serde::Deserialize;
use serde_json::json;

use crate::args::Global;
use crate::children::Process;
use crate::error::BadInput;
use crate::gpu_options::GpuOptions;
use crate::interrupt::Interrupts;
use crate::output::note;
use crate::state_options::StateOptions;
use crate::store_options::StoreOptions;
use crate::{output, text};

const EXAMPLES: &str = "\
Examples:
  drawloom up                                one executor with all cores, until Ctrl-C
  drawloom up --executors 3                  three executors that share the cores
  drawloom up --executors 2 --cores 4        four cores each, whatever the machine has
  drawloom up --state-dir ~/.local/state/drawloom    measured costs outlive it
  drawloom up --listen 127.0.0.1:0 --json    any free port, told on the standard output

In another terminal: drawloom --endpoint http://127.0.0.1:7070 run examples/hello.toml";

/// Run a scheduler and executors on this machine until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Up {
    /// How many executors
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    executors: u32,
    /// Where the scheduler listens; a loopback address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: String,
    /// A Unix socket where it listens, too
    #[arg(long, value_name = "PATH")]
    unix: Option<String>,
    /// Serve metrics at http://ADDRESS/metrics
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
    /// Cores of each executor [default: an equal share, at least one]
    #[arg(long)]
    cores: Option<u32>,
    #[command(flatten)]
    state: StateOptions,
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    gpus: GpuOptions,
}

/// What a scheduler tells of itself.
#[derive(Deserialize)]
struct Announcement {
    addresses: Vec<String>,
    metrics: Option<String>,
}

impl Up {
    /// Starts everything and waits for Ctrl-C or for the end of any process.
    ///
    /// # Errors
    /// A process cannot be started, or ends by itself.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let mut interrupts = Interrupts::listen()?;
        let mut scheduler = Process::start("scheduler", &self.scheduler_arguments(global))?;
        let started = tokio::select! {
            started = self.start(global, &mut scheduler) => started,
            () = interrupts.next() => Err(anyhow!("interrupted")),
        };
        let mut executors = match started {
            Ok(executors) => executors,
            Err(error) => {
                scheduler.stop().await;
                return Err(error);
            }
        };
        let ended = tokio::select! {
            ended = first_end(&mut scheduler, &mut executors) => ended,
            () = interrupts.next() => Ok(()),
        };
        stop(scheduler, executors, &mut interrupts).await;
        ended.map(|()| ExitCode::SUCCESS)
    }

    async fn start(&self, global: &Global, scheduler: &mut Process) -> Result<Vec<Process>> {
        let Some(line) = scheduler.first_line().await? else {
            let status = scheduler.ended().await?;
            let message = format!("the scheduler cannot start ({status}), see above");
            // It has told what is wrong with its address.
            return Err(if status.code() == Some(2) {
                BadInput(message).into()
            } else {
                anyhow!(message)
            });
        };
        let announced: Announcement =
            serde_json::from_str(&line).context("the scheduler's announcement")?;
        let endpoint = announced.addresses.first().cloned().unwrap_or_default();
        // A Unix socket, which is told last, is faster than TCP.
        let nearest = announced.addresses.last().unwrap_or(&endpoint);
        let mut executors = Vec::new();
        for arguments in self.executor_arguments(global, nearest) {
            executors.push(Process::start(&arguments.0, &arguments.1)?);
        }
        self.wait_for(&endpoint, &mut executors).await?;
        if global.json {
            let executors = self.executors;
            let Announcement { addresses, metrics } = announced;
            output::json(
                &json!({ "addresses": addresses, "metrics": metrics, "executors": executors }),
            )?;
        } else {
            note!("ready: drawloom --endpoint {endpoint} run FILE");
        }
        Ok(executors)
    }

    /// Waits until every executor has joined.
    async fn wait_for(&self, endpoint: &str, executors: &mut [Process]) -> Result<()> {
        let client = Client::connect(endpoint).await?;
        loop {
            if client.cluster().await?.executors.len() >= executors.len() {
                return Ok(());
            }
            tokio::select! {
                ended = any_end(executors) => ended?,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    }

    fn scheduler_arguments(&self, global: &Global) -> Vec<String> {
        let mut arguments = common(global, "scheduler");
        arguments.extend(["--json".into(), "--listen".into(), self.listen.clone()]);
        for (name, value) in [("--unix", &self.unix), ("--metrics", &self.metrics)] {
            if let Some(value) = value {
                arguments.extend([name.to_owned(), value.clone()]);
            }
        }
        if let Some(directory) = &self.state.state_dir {
            arguments.extend(["--state-dir".into(), directory.display().to_string()]);
        }
        arguments
    }

    /// A name and arguments for each executor: the machine is divided between them.
    fn executor_arguments(&self, global: &Global, endpoint: &str) -> Vec<(String, Vec<String>)> {
        let machine = discover(&drawloom_executor::Config::default());
        let machine_cores = (machine.info.capacity.cpu_milli / 1000) as u32;
        let memory = machine.info.capacity.memory_bytes / u64::from(self.executors);
        let object_memory = machine.arena_bytes / u64::from(self.executors);
        let shares =
            split(machine_cores, self.executors).into_iter().map(|s| self.cores.unwrap_or(s));
        shares
            .enumerate()
            .map(|(index, cores)| {
                let name = format!("up-{index}");
                let mut arguments = common(global, "executor");
                for (option, value) in [
                    ("--scheduler", endpoint.to_owned()),
                    ("--name", name.clone()),
                    ("--cores", cores.to_string()),
                    ("--memory", memory.to_string()),
                ] {
                    arguments.extend([option.to_owned(), value]);
                }
                arguments.extend(self.store.to_arguments(object_memory));
                arguments.extend(self.gpus.to_arguments());
                tracing::info!("{name}: {cores} core(s), {}", text::bytes(memory));
                (name, arguments)
            })
            .collect()
    }
}

/// A command and how much its process is to say.
fn common(global: &Global, command: &str) -> Vec<String> {
    let mut arguments = vec![command.to_owned()];
    if global.quiet {
        arguments.push("--quiet".to_owned());
    }
    arguments.extend(std::iter::repeat_n("-v".to_owned(), global.verbose.into()));
    arguments
}

/// Cores for each of `parts`, as equal as they can be; at least one each.
fn split(cores: u32, parts: u32) -> Vec<u32> {
    let (each, rest) = (cores / parts, cores % parts);
    (0..parts).map(|index| (each + u32::from(index < rest)).max(1)).collect()
}

/// The error of the first process to end.
async fn first_end(scheduler: &mut Process, executors: &mut [Process]) -> Result<()> {
    tokio::select! {
        status = scheduler.ended() => bail!("the scheduler has ended ({})", status?),
        ended = all_ended(executors) => ended,
    }
}

/// Executors may leave one by one, as when they are drained; with the last one the cluster ends.
async fn all_ended(executors: &mut [Process]) -> Result<()> {
    for executor in executors {
        let status = executor.ended().await?;
        tracing::info!("{} has ended ({status})", executor.name());
    }
    bail!("every executor has ended")
}

/// The error of the first executor to end; never comes when there is none.
async fn any_end(executors: &mut [Process]) -> Result<()> {
    let Some((first, rest)) = executors.split_first_mut() else {
        return std::future::pending().await;
    };
    tokio::select! {
        status = first.ended() => bail!("{} has ended ({}), see above", first.name(), status?),
        ended = Box::pin(any_end(rest)) => ended,
    }
}

/// Ends the executors, then the scheduler; a second Ctrl-C kills whatever is left.
async fn stop(mut scheduler: Process, executors: Vec<Process>, interrupts: &mut Interrupts) {
    let in_order = async {
        let mut stopping = tokio::task::JoinSet::new();
        for mut executor in executors {
            stopping.spawn(async move { executor.stop().await });
        }
        while stopping.join_next().await.is_some() {}
        scheduler.stop().await;
    };
    tokio::select! {
        () = in_order => {}
        () = interrupts.next() => {}
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    #[test]
    fn the_machine_is_promised_once() {
        let Cli { global, command } = Cli::parse_from(["drawloom", "up", "--executors", "3"]);
        let Command::Up(up) = command else { panic!("another command: {command:?}") };
        let executors = up.executor_arguments(&global, "http://127.0.0.1:1");
        let machine = discover(&drawloom_executor::Config::default());
        for (option, whole) in [
            ("--memory", machine.info.capacity.memory_bytes),
            ("--object-memory", machine.arena_bytes),
        ] {
            let share = |arguments: &[String]| {
                let place = arguments.iter().position(|argument| argument == option)?;
                arguments.get(place + 1)?.parse::<u64>().ok()
            };
            let shares = executors.iter().map(|(_, arguments)| share(arguments));
            assert_eq!(shares.sum::<Option<u64>>(), Some(whole / 3 * 3), "{option}");
        }
    }

    #[test]
    fn cores_are_shared_out() {
        assert_eq!(split(8, 3), [3, 3, 2]);
        assert_eq!(split(2, 3), [1, 1, 1]);
    }
}
