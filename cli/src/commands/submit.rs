//! `drawloom submit`: a graph file, without waiting.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::connect;
use crate::args::Global;
use crate::output;
use crate::source::{Source, submit};

const EXAMPLES: &str = "\
Examples:
  drawloom submit examples/hello.toml
  drawloom watch $(drawloom submit examples/hello.toml)
  drawloom submit nightly.yaml --token nightly-2026-08-01   submit once, however often repeated";

/// Submit a graph file to a running scheduler and print the job's id
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Submit {
    #[command(flatten)]
    source: Source,
    /// Submissions with the same token make one job
    #[arg(long)]
    token: Option<String>,
}

impl Submit {
    /// Loads and submits.
    ///
    /// # Errors
    /// The graph cannot be loaded or submitted.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let loaded = self.source.load()?;
        let client = connect(global).await?;
        let job = submit(&client, loaded, self.token).await?;
        if global.json {
            let existing = job.is_existing();
            output::json(&json!({
                "job": job.id().to_string(), "tasks": job.tasks(), "existing": existing,
            }))?;
        } else {
            output::line(&job.id().to_string())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
