//! `drawloom scheduler`: the scheduler's process.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use drawloom_proto::Listen;
use drawloom_scheduler::{Config, DriverConfig, Service, metrics as recorded};
use serde_json::json;

use crate::args::Global;
use crate::children::follow_parent;
use crate::interrupt::Interrupts;
use crate::metrics::{self, Page};
use crate::output;
use crate::state_options::StateOptions;

const EXAMPLES: &str = "\
Examples:
  drawloom scheduler
  drawloom scheduler --listen 127.0.0.1:0 --json       any free port, told on the standard output
  drawloom scheduler --state-dir ~/.local/state/drawloom    costs outlive it
  drawloom scheduler --unix /run/user/1000/drawloom.sock --metrics 127.0.0.1:9100

Only loopback addresses and Unix sockets are listened on: connections are neither encrypted nor
authenticated.";

/// Run a scheduler until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SchedulerCommand {
    /// A loopback address; port 0 for any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: Listen,
    /// Listen at this Unix socket, too
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
    /// Serve metrics at http://ADDRESS/metrics
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<Listen>,
    #[command(flatten)]
    state: StateOptions,
    /// End when this process is gone
    #[arg(long, hide = true, value_name = "PID")]
    parent: Option<u32>,
}

impl SchedulerCommand {
    /// Serves until it is stopped.
    ///
    /// # Errors
    /// It cannot listen, or a server fails.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        if let Some(parent) = self.parent {
            follow_parent(parent)?;
        }
        let mut interrupts = Interrupts::listen()?;
        let mut listen = vec![self.listen];
        listen.extend(self.unix.map(Listen::Unix));
        let page = Page::open(self.metrics.as_ref(), recorded::describe).await?;
        let driver = DriverConfig { state: self.state.open()?, ..DriverConfig::default() };
        let service = Service::bind(Config { driver, listen, ..Config::default() }).await?;
        announce(global, &service, page.as_ref())?;
        let handle = service.handle().clone();
        let refresh = move || {
            let handle = handle.clone();
            // A scheduler that stops shows what it last knew.
            async move { recorded::refresh(&handle).await.unwrap_or_default() }
        };
        tokio::select! {
            ended = service.run(async move { interrupts.next().await }) => ended?,
            failed = metrics::show(page, refresh) => match failed? {},
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn announce(global: &Global, service: &Service, page: Option<&Page>) -> Result<()> {
    let addresses: Vec<String> = service.addresses().iter().map(ToString::to_string).collect();
    let metrics = page.map(Page::address);
    for address in addresses.iter().map(String::as_str).chain(metrics) {
        tracing::info!("listening at {address}");
    }
    if global.json {
        output::json(&json!({ "addresses": addresses, "metrics": metrics }))?;
    }
    Ok(())
}
