//! `drawloom jobs`: a list.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use drawloom_client::JobState;
use serde_json::json;

use super::status::{counts_json, counts_text};
use super::{collect, connect};
use crate::args::Global;
use crate::output::note;
use crate::{output, text};

const EXAMPLES: &str = "\
Examples:
  drawloom jobs
  drawloom jobs --state running --state failed
  drawloom jobs --limit 0 --json | jq -r .job";

/// List jobs, the latest first
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Jobs {
    /// Only jobs in this state (running, succeeded, failed, cancelled); may be repeated
    #[arg(long = "state", value_name = "STATE", value_parser = parse_state)]
    states: Vec<JobState>,
    /// The most jobs listed; 0 for all
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

fn parse_state(text: &str) -> Result<JobState, String> {
    JobState::from_name(text).ok_or_else(|| {
        let names = JobState::ALL.map(JobState::name).join(", ");
        format!("{text:?} is no state of a job; there are: {names}")
    })
}

impl Jobs {
    /// Asks and prints.
    ///
    /// # Errors
    /// There is no scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        let (jobs, more) =
            collect(self.limit, |page| client.jobs(page, self.states.clone())).await?;
        if global.json {
            for job in &jobs {
                output::json(&json!({
                    "job": job.job.to_string(), "name": job.name, "state": job.state.name(),
                    "tasks": counts_json(&job.tasks),
                    "makespan_s": job.makespan().map(|span| span.as_secs_f64()),
                }))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<[String; 6]> = jobs
            .iter()
            .map(|job| {
                [
                    job.job.to_string(),
                    job.name.clone(),
                    job.state.to_string(),
                    counts_text(&job.tasks),
                    text::age(job.submitted_at),
                    job.makespan().map_or_else(|| "-".to_owned(), text::span),
                ]
            })
            .collect();
        output::table(["JOB", "NAME", "STATE", "TASKS", "SUBMITTED", "TOOK"], &rows)?;
        if more {
            note!("there are more; see --limit");
        }
        Ok(ExitCode::SUCCESS)
    }
}
