//! `drawloom why`: what a task waits for, or why it is where it is.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use drawloom_client::TaskRef;
use drawloom_model::JobId;
use serde_json::json;

use super::connect;
use crate::args::Global;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  drawloom why job-00000000000000000000000000000001 17
  drawloom why job-00000000000000000000000000000001 train-3";

/// Explain why a task waits, or why it was placed where it was
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Why {
    /// The job's id
    job: JobId,
    /// The task's index or name
    task: String,
}

impl Why {
    /// Asks and prints.
    ///
    /// # Errors
    /// There is no such job or task, or no scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        let explanation = client.explain(self.job, TaskRef::parse(&self.task)).await?;
        if global.json {
            output::json(&json!({
                "job": self.job.to_string(), "task": explanation.task,
                "state": explanation.state.name(), "reasons": explanation.reasons,
            }))?;
            return Ok(ExitCode::SUCCESS);
        }
        output::line(&format!("task {} is {}", explanation.task, explanation.state))?;
        for reason in &explanation.reasons {
            output::line(&format!("  {reason}"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
