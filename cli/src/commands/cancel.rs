//! `drawloom cancel`: a job, or tasks of it.

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
  drawloom cancel job-00000000000000000000000000000001
  drawloom cancel job-00000000000000000000000000000001 train-3 17   two tasks and what needs them";

/// Cancel a job, or tasks of it and every task that needs them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Cancel {
    /// The job's id
    job: JobId,
    /// Tasks, by index or name; the whole job when left out
    tasks: Vec<String>,
}

impl Cancel {
    /// Cancels and tells how many tasks that were.
    ///
    /// # Errors
    /// There is no such job or task, or no scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        let cancelled = if self.tasks.is_empty() {
            client.cancel(self.job).await?
        } else {
            let tasks = self.tasks.iter().map(|task| TaskRef::parse(task)).collect();
            client.cancel_tasks(self.job, tasks).await?
        };
        if global.json {
            output::json(&json!({ "job": self.job.to_string(), "cancelled": cancelled }))?;
        } else {
            output::line(&format!("{cancelled} task(s) cancelled"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
