//! `drawloom bench`: what the system itself takes.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use drawloom_bench::{Bench as Name, KernelOptions, Mode, Options, Record, UNMEASURED, run};

use crate::args::Global;
use crate::error::BadInput;
use crate::output::note;
use crate::{output, text};

const EXAMPLES: &str = "\
Examples:
  drawloom bench
  drawloom bench sync_latency chain --mode embedded
  drawloom bench --runs 9 --json
  drawloom bench kernels --kernel softmax --kernel add

Benches: noop_throughput, sync_latency, chain, tree, forkjoin, cold_start, idle_memory;
million_waiting: a million tasks that wait, how long to submit and how much memory each;
actor_calls: calls straight to an actor, one at a time and many in flight;
put_100mb, get_100mb, pass_100mb, put_1k, get_1k, transfer_100mb, process_spawn: the data plane,
large objects against what the machine does without the system;
matmul_1024, softmax, reduce, conv2d: a kernel against NumPy where that has it and is there, else
against its share; kernels: every kernel's share of what the memory or the cores allow, by its cost
hint, measured in the same run.
Remote means client, scheduler and executor as three processes over gRPC, embedded all in one.
Every figure is the median of the runs; those in % compare with a floor that is measured in the
same run: a copy into mapped pages, one TCP connection, a bare loop of spawned processes. Targets are those of the project for two cores.";

/// Measure throughput, latency, start-up, memory and the data plane with tasks that do nothing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    /// Only these benches
    #[arg(value_parser = parse_bench)]
    names: Vec<Name>,
    /// Only in this mode: remote or embedded
    #[arg(long = "mode", value_parser = parse_mode)]
    modes: Vec<Mode>,
    /// How often each is run
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Of `kernels`, only this one; may be repeated
    #[arg(long = "kernel", value_name = "NAME", value_parser = parse_kernel)]
    kernels: Vec<String>,
    /// A Python with NumPy to compare kernels with; python3 in the path unless given
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
}

fn parse_bench(text: &str) -> Result<Name, String> {
    Name::from_name(text).ok_or_else(|| {
        let names = Name::ALL.map(Name::name).join(", ");
        format!("there is no bench {text:?}; there are: {names}")
    })
}

fn parse_kernel(text: &str) -> Result<String, String> {
    if UNMEASURED.contains(&text) {
        return Err(format!("kernel {text} does nothing that could be measured"));
    }
    match (drawloom_signature::find(text), drawloom_signature::suggest(text)) {
        (Some(_), _) => Ok(text.to_owned()),
        (None, Some(other)) => Err(format!("there is no kernel {text:?}; did you mean {other:?}?")),
        (None, None) => Err(format!("there is no kernel {text:?}")),
    }
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    Mode::from_name(text).ok_or_else(|| format!("{text:?} is neither remote nor embedded"))
}

impl Bench {
    /// Runs the benches and prints each as it ends.
    ///
    /// # Errors
    /// A cluster cannot be started, or a job fails.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        ensure!(
            global.given_endpoint().is_none(),
            BadInput("bench starts its own processes; it takes no --endpoint".to_owned())
        );
        if cfg!(debug_assertions) {
            note!("this is a debug build; figures mean nothing without --release");
        }
        let options = Options {
            benches: self.names,
            modes: self.modes,
            runs: self.runs as usize,
            executable: env::current_exe()?,
            kernels: KernelOptions { kernels: self.kernels, python: self.python },
        };
        if !global.json {
            output::line(&row(["BENCH", "MODE", "MEDIAN", "MIN", "MAX", "P99", "TARGET", ""]))?;
        }
        run(&options, |record| {
            if global.json {
                output::json(&record)?;
            } else {
                output::line(&describe(&record))?;
            }
            Ok(())
        })
        .await?;
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(record: &Record) -> String {
    let figure = |value: f64| match record.unit {
        "s" => text::span(Duration::from_secs_f64(value.max(0.0))),
        "MiB" => format!("{value:.1} MiB"),
        "B/task" => format!("{value:.0} B/task"),
        _ if record.is_ratio() => format!("{:.1} %", value * 100.0),
        _ => text::rate(value),
    };
    let mode = match record.transport {
        Some(transport) => format!("{} {}", record.mode.name(), transport.name()),
        None => record.mode.name().to_owned(),
    };
    let bound = if record.is_rate() { ">=" } else { "<=" };
    let target = record.target.map(|target| format!("{bound} {}", figure(target)));
    let p99 = record.p99_target.map(|target| format!("p99 {}", figure(target)));
    let targets: Vec<String> = target.into_iter().chain(p99).collect();
    let targets = targets.join(", ");
    let remark = match &record.kernel {
        Some(figures) => format!(
            "of {}; {}, {:.2} GB/s, {:.2} Gflop/s",
            figures.against,
            text::span(Duration::from_secs_f64(figures.seconds)),
            figures.bytes_per_second / 1e9,
            figures.flops_per_second / 1e9
        ),
        None => String::new(),
    };
    let missed = if record.met == Some(false) { "missed" } else { "" };
    row([
        record.kernel.as_ref().and_then(|figures| figures.kernel).unwrap_or(record.bench),
        &mode,
        &figure(record.value),
        &figure(record.min),
        &figure(record.max),
        &record.p99.map(figure).unwrap_or_default(),
        &targets,
        [missed, &remark].join(" ").trim_start(),
    ])
}

fn row(cells: [&str; 8]) -> String {
    let [bench, mode, value, min, max, p99, target, remark] = cells;
    let row = format!(
        "{bench:<16} {mode:<12} {value:>10} {min:>10} {max:>10} {p99:>10}  {target:<24} {remark}"
    );
    row.trim_end().to_owned()
}
