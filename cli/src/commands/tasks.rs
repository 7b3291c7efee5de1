//! `drawloom tasks`: a job's tasks.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use drawloom_client::{TaskState, TaskView};
use drawloom_model::JobId;
use serde_json::json;

use super::watch::failure_json;
use super::{collect, connect};
use crate::args::Global;
use crate::output::note;
use crate::{output, text};

const EXAMPLES: &str = "\
Examples:
  drawloom tasks job-00000000000000000000000000000001
  drawloom tasks job-00000000000000000000000000000001 --state failed
  drawloom tasks job-00000000000000000000000000000001 --limit 0 --json";

/// List a job's tasks, in order of submission
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Tasks {
    /// The job's id
    job: JobId,
    /// Only tasks in this state (waiting, ready, queued, running, succeeded, failed, cancelled);
    /// may be repeated
    #[arg(long = "state", value_name = "STATE", value_parser = parse_state)]
    states: Vec<TaskState>,
    /// The most tasks listed; 0 for all
    #[arg(long, default_value_t = 200)]
    limit: usize,
}

fn parse_state(text: &str) -> Result<TaskState, String> {
    TaskState::from_name(text).ok_or_else(|| {
        let names = TaskState::ALL.map(TaskState::name).join(", ");
        format!("{text:?} is no state of a task; there are: {names}")
    })
}

impl Tasks {
    /// Asks and prints.
    ///
    /// # Errors
    /// There is no such job, or no scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        let ask = |page| client.tasks(self.job, page, self.states.clone());
        let (tasks, more) = collect(self.limit, ask).await?;
        if global.json {
            for task in &tasks {
                output::json(&to_json(task))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<[String; 7]> = tasks.iter().map(row).collect();
        output::table(["TASK", "NAME", "RUN", "STATE", "WHERE", "RAN", "FAILURE"], &rows)?;
        if more {
            note!("there are more; see --limit");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(task: &TaskView) -> [String; 7] {
    let failure = task.failure.as_ref().map(ToString::to_string).unwrap_or_default();
    [
        task.task.to_string(),
        task.name.clone().unwrap_or_default(),
        task.run.clone(),
        task.state.to_string(),
        task.executor.map_or_else(|| "-".to_owned(), |executor| executor.to_string()),
        task.run_time.map_or_else(|| "-".to_owned(), text::span),
        failure.lines().next().unwrap_or_default().to_owned(),
    ]
}

fn to_json(task: &TaskView) -> serde_json::Value {
    let devices: Vec<u16> = task.devices.iter().map(|device| device.0).collect();
    json!({
        "task": task.task, "name": task.name, "run": task.run, "state": task.state.name(),
        "attempt": task.attempt, "executor": task.executor.map(|executor| executor.0),
        "devices": devices, "variant": task.variant,
        "run_s": task.run_time.map(|span| span.as_secs_f64()),
        "failure": failure_json(task.failure.as_ref()),
    })
}
