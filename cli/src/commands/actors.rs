//! `drawloom actors`: a list.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use drawloom_client::ActorView;
use drawloom_model::JobId;
use serde_json::json;

use super::connect;
use crate::args::Global;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  drawloom actors                                        every actor that has not ended
  drawloom actors job-00000000000000000000000000000001   those of a job, ended ones too
  drawloom actors --json | jq 'select(.calls_waiting > 0)'

CALLS are those that are tasks: `waiting` for the actor, and `sent` to it but not ended. Calls that come
straight from clients, such as `drawloom call`, do not pass the scheduler and are not counted.";

/// List actors: what they are, where they live, and the calls that wait for them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Actors {
    /// Only this job's
    job: Option<JobId>,
}

impl Actors {
    /// Asks and prints.
    ///
    /// # Errors
    /// There is no such job, or no scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let actors = connect(global).await?.actors(self.job).await?;
        if global.json {
            for actor in &actors {
                output::json(&to_json(actor))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<[String; 7]> = actors.iter().map(row).collect();
        output::table(
            ["ACTOR", "NAME", "KIND", "STATE", "INCARNATION", "EXECUTOR", "CALLS"],
            &rows,
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(actor: &ActorView) -> [String; 7] {
    let task = actor.task_name.clone().unwrap_or_else(|| actor.task.to_string());
    let stopping = if actor.stopping && !actor.state.is_final() { " (stopping)" } else { "" };
    let detached = if actor.detached { " (detached)" } else { "" };
    [
        format!("{}/{task}", actor.job),
        actor.name.clone().unwrap_or_else(|| "-".to_owned()),
        format!("{}{detached}", actor.kind),
        format!("{}{stopping}", actor.state),
        actor.incarnation.to_string(),
        actor.executor.map_or_else(|| "-".to_owned(), |executor| executor.to_string()),
        format!("{} waiting, {} sent", actor.calls_waiting, actor.calls_sent),
    ]
}

fn to_json(actor: &ActorView) -> serde_json::Value {
    json!({
        "job": actor.job.to_string(), "task": actor.task, "task_name": actor.task_name,
        "name": actor.name, "kind": actor.kind, "state": actor.state.name(),
        "incarnation": actor.incarnation, "executor": actor.executor.map(|executor| executor.0),
        "detached": actor.detached, "stopping": actor.stopping,
        "calls_waiting": actor.calls_waiting, "calls_sent": actor.calls_sent,
        "restarts": actor.restarts, "checkpoint_bytes": actor.checkpoint_bytes,
        "failure": actor.failure.as_ref().map(ToString::to_string),
    })
}
