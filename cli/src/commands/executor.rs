//! `drawloom executor`: an executor's process.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use drawloom_executor::{Config, metrics as recorded, run_remote};
use drawloom_model::Taint;
use drawloom_proto::Listen;
use serde_json::json;

use crate::args::{DEFAULT_ENDPOINT, Global};
use crate::children::follow_parent;
use crate::gpu_options::GpuOptions;
use crate::interrupt::Interrupts;
use crate::metrics::{self, Page};
use crate::output;
use crate::quantity::{parse_bytes, parse_pair, parse_resource, parse_taint};
use crate::store_options::StoreOptions;

const EXAMPLES: &str = "\
Examples:
  drawloom executor
  drawloom executor --scheduler http://127.0.0.1:7070 --cores 4 --memory 8G
  drawloom executor --label zone=a --taint spot --resource licence=2
  drawloom executor --metrics 127.0.0.1:9101

Ctrl-C empties it: it takes nothing more, and ends when its objects have moved away. A second
Ctrl-C ends it at once.";

/// Run an executor, offering this machine's cores and memory to a scheduler
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExecutorCommand {
    /// The scheduler [default: --endpoint, or http://127.0.0.1:7070]
    #[arg(long, value_name = "URL")]
    scheduler: Option<String>,
    /// Its name [default: the host's]
    #[arg(long)]
    name: Option<String>,
    /// Cores to offer [default: all]
    #[arg(long)]
    cores: Option<u32>,
    /// Memory to offer, such as 8G [default: all]
    #[arg(long, value_parser = parse_bytes)]
    memory: Option<u64>,
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    pub(crate) gpus: GpuOptions,
    /// Show objects to nobody on this machine by shared memory
    #[arg(long)]
    no_shared_memory: bool,
    /// A label that tasks select by; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_pair)]
    labels: Vec<(String, String)>,
    /// A mark that keeps tasks away which do not tolerate it; may be repeated
    #[arg(long = "taint", value_name = "KEY[=VALUE]", value_parser = parse_taint)]
    taints: Vec<Taint>,
    /// A custom resource; may be repeated
    #[arg(long = "resource", value_name = "NAME=AMOUNT", value_parser = parse_resource)]
    resources: Vec<(String, u64)>,
    /// Where others fetch its objects: a loopback address or unix:PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: Listen,
    /// Serve metrics at http://ADDRESS/metrics
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<Listen>,
    /// Where processes get their scratch directories
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Run no processes, only kernels
    #[arg(long)]
    no_processes: bool,
    /// End when this process is gone
    #[arg(long, hide = true, value_name = "PID")]
    parent: Option<u32>,
}

/// A word that comes, or never does.
fn told() -> (tokio::sync::oneshot::Sender<()>, impl Future<Output = ()>) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let comes = async {
        // Never where the sender is gone.
        if receiver.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    (sender, comes)
}

impl ExecutorCommand {
    /// Serves until it is stopped.
    ///
    /// # Errors
    /// It cannot start, or loses its scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        if let Some(parent) = self.parent {
            follow_parent(parent)?;
        }
        let mut interrupts = Interrupts::listen()?;
        let given = || global.given_endpoint().map(str::to_owned);
        let endpoint = self.scheduler.clone().or_else(given);
        let endpoint = endpoint.unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        let page = Page::open(self.metrics.as_ref(), recorded::describe).await?;
        if let Some(page) = &page {
            tracing::info!("metrics at {}", page.address());
            if global.json {
                output::json(&json!({ "metrics": page.address() }))?;
            }
        }
        let mut metrics = std::pin::pin!(metrics::show(page, || async {}));
        let config = self.config();
        let (drain, drained) = told();
        let (abandon, abandoned) = told();
        let mut running = std::pin::pin!(run_remote(config, &endpoint, drained, abandoned));
        tokio::select! {
            ended = &mut running => {
                ended?;
                return Ok(ExitCode::SUCCESS);
            }
            failed = &mut metrics => match failed? {},
            () = interrupts.next() => tracing::info!("draining; interrupt again to end at once"),
        }
        let _ = drain.send(());
        tokio::select! {
            ended = &mut running => {
                ended?;
                return Ok(ExitCode::SUCCESS);
            }
            failed = &mut metrics => match failed? {},
            () = interrupts.next() => tracing::info!("ending what still runs"),
        }
        let _ = abandon.send(());
        tokio::select! {
            ended = running => ended?,
            () = interrupts.next() => return Err(anyhow!("ended with what it runs")),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn config(self) -> Config {
        Config {
            name: self.name,
            cores: self.cores,
            memory_bytes: self.memory,
            arena_bytes: self.store.object_memory,
            shares_memory: !self.no_shared_memory,
            spill: self.store.spill_dir,
            spill_limit_bytes: self.store.spill_limit,
            labels: self.labels.into_iter().collect(),
            taints: self.taints,
            custom: self.resources.into_iter().map(|(name, milli)| (name.into(), milli)).collect(),
            listen: Some(self.listen),
            offers_gpus: !self.gpus.no_gpus,
            runs_processes: !self.no_processes,
            scratch: self.scratch,
            ..Config::default()
        }
    }
}
