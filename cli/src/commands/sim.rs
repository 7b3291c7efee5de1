//! `drawloom sim`: policies on task graphs and platforms, without running anything.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use drawloom_sim::{
    Case, Format, Packing, PackingRecord, Platform, Record, RunOptions, SimError, Workload, load,
    packing_policies, policies,
};
use serde::Serialize;

use crate::args::Global;
use crate::error::BadInput;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  drawloom sim --workload random:200 --platform cpu:8x4
  drawloom sim --workload cholesky:20:960 --platform mirage.json --policy heft,peft,drawloom
  drawloom sim --workload graphs.json.gz --format matrix --policy drawloom --json
  drawloom sim --workload montage:50 --platform cpu:8x4 --policy heft,earliest-finish --noise 0.3
  drawloom sim --workload random:60 --policy all
  drawloom sim --workload pods.csv.gz --platform nodes.csv.gz --policy fgd,drawloom --runs 10

A workload is a file (WfFormat 1.5, or a matrix of processing times; gzip is unpacked) or a generator:
cholesky:N:B, lu:N:B, qr:N:B (N x N tiles of B x B numbers, times from a StarPU model),
montage:N (images), random:N[:SEED] (tasks).
A platform is cpu:NxC (N machines of C cores, 10 Gbit/s and 0.1 ms between them), a StarPU model as
a JSON file, or the name of one in a folder perfmodels/starpu here, above, or beside one above.
Workloads in the format matrix bring their own.
Policies that plan ahead see the whole graph, and tasks run as planned. earliest-finish is the one
of the production scheduler: it and the executors' own decisions are driven
event by event on a virtual clock, with messages 40 us under way; on platforms of cores.
Transfers share no links (the simple network), and every schedule is checked before its figures
are printed. Bounds hold for any schedule with the times that policies are told.

A list of pods (openb: the CSV files of the Alibaba trace cluster-trace-gpu-v2023) is packed onto the
GPUs of a list of nodes, its platform. Pods arrive in random order and never leave, until 130 % of
the GPUs are asked for; the figures are the GPUs allocated at 100 % and 130 %, and the share of the
free ones that a typical pod cannot use at 90 %. Policies for that: drawloom, fgd, best-fit, packing,
clustering, dot-product, random.";

/// Compare scheduling policies: on task graphs by their makespans, on pods by the GPUs they fill
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Sim {
    /// Files or generators, with commas between them
    #[arg(long, value_delimiter = ',', required = true, value_name = "FILE")]
    workload: Vec<String>,
    /// How the files are written: auto, wfformat, matrix or openb
    #[arg(long, default_value = "auto")]
    format: Format,
    /// Who runs the tasks
    #[arg(long, default_value = "cpu:8x4", value_name = "FILE|NAME")]
    platform: String,
    /// Policies, with commas between them, or `all`
    #[arg(long, value_delimiter = ',', default_value = "drawloom", value_name = "NAME")]
    policy: Vec<String>,
    /// How transfers share links
    #[arg(long, default_value = "simple", value_parser = ["simple"])]
    network: String,
    /// The seed of whatever is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tasks run longer or shorter than policies are told by up to this part of their time
    #[arg(long, default_value_t = 0.0, value_name = "X", value_parser = noise)]
    noise: f64,
    /// How often, with a seed one higher each time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
}

impl Sim {
    /// Prints one line for each run.
    ///
    /// # Errors
    /// A file, a platform or a policy is not as it must be.
    pub fn run(self, global: &Global) -> Result<ExitCode> {
        let names = self.policies(policies());
        let mut workloads: Vec<Workload> = Vec::new();
        for source in &self.workload {
            if Packing::is_meant(source, self.format) {
                self.pack(source, global)?;
                continue;
            }
            workloads.extend(bad_input(load(source, self.format))?);
        }
        let needs_platform = workloads.iter().any(|workload| workload.platform.is_none());
        let platform = if needs_platform {
            bad_input(Platform::find(&self.platform))?
        } else {
            Platform::default()
        };
        for workload in &workloads {
            let case = bad_input(Case::new(workload, &platform))?;
            let bounds = case.bounds();
            for name in &names {
                for run in 0..self.runs {
                    let seed = self.seed.wrapping_add(run);
                    let options = RunOptions { seed, noise: self.noise };
                    let record = bad_input(case.run(name, &options, &bounds))?;
                    print(global, &record, text)?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn pack(&self, source: &str, global: &Global) -> Result<()> {
        let packing = bad_input(Packing::load(source, &self.platform))?;
        for name in self.policies(packing_policies()) {
            for run in 0..self.runs {
                let record = bad_input(packing.run(&name, self.seed.wrapping_add(run)))?;
                print(global, &record, packing_text)?;
            }
        }
        Ok(())
    }

    fn policies(&self, known: impl Iterator<Item = (&'static str, &'static str)>) -> Vec<String> {
        if self.policy == ["all"] {
            return known.map(|(name, _)| name.to_owned()).collect();
        }
        self.policy.clone()
    }
}

fn print<R: Serialize>(global: &Global, record: &R, text: fn(&R) -> String) -> Result<()> {
    if global.json {
        output::json(&serde_json::to_value(record)?)?;
    } else {
        output::line(&text(record))?;
    }
    Ok(())
}

fn packing_text(record: &PackingRecord) -> String {
    format!(
        "{:<28} {:<10} {:<15} {:>7.2} % of GPUs  {:.2} % at 130 %  {:.2} % of the rest fragmented at 90 %",
        record.workload,
        record.platform,
        record.policy,
        record.alloc_pct_at_100,
        record.alloc_pct_at_130,
        record.frag_pct_at_90,
    )
}

fn text(record: &Record) -> String {
    let opt = record.opt.map(|opt| format!("  {:.3} x optimum", record.makespan_s / opt));
    let ratio = if record.bound_s > 0.0 { record.makespan_s / record.bound_s } else { 1.0 };
    format!(
        "{:<28} {:<10} {:<15} {:>14.6} s  {ratio:.3} x bound{}",
        record.workload,
        record.platform,
        record.policy,
        record.makespan_s,
        opt.unwrap_or_default(),
    )
}

/// A part of a task's time, from 0 to less than 1.
fn noise(text: &str) -> Result<f64, String> {
    let noise = text.parse().ok().filter(|noise| (0.0..1.0).contains(noise));
    noise.ok_or_else(|| "a number from 0 to less than 1, such as 0.3".to_owned())
}

/// What users gave is at fault, but for schedules that cannot be.
fn bad_input<T>(result: Result<T, SimError>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error @ SimError::Invalid { .. }) => Err(error.into()),
        Err(error) => bail!(BadInput(error.to_string())),
    }
}
