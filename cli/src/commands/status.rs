//! `drawloom status`: a job, or the cluster.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use drawloom_client::{Client, TaskCounts};
use drawloom_model::JobId;
use serde_json::{Map, Value, json};

use super::connect;
use crate::args::Global;
use crate::{output, text};

const EXAMPLES: &str = "\
Examples:
  drawloom status                                        the cluster
  drawloom status job-00000000000000000000000000000001   a job and its outputs";

/// Show how a job or the whole cluster stands
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Status {
    /// The job's id; the cluster when left out
    job: Option<JobId>,
}

impl Status {
    /// Asks and prints.
    ///
    /// # Errors
    /// There is no such job, or no scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        match self.job {
            Some(job) => show_job(global, &client, job).await?,
            None => show_cluster(global, &client).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn show_job(global: &Global, client: &Client, job: JobId) -> Result<()> {
    let detail = client.describe(job).await?;
    let view = &detail.job;
    if global.json {
        let outputs: Map<String, Value> = detail
            .outputs
            .iter()
            .map(|(name, object)| {
                let object_type = object.object_type.as_ref().map(ToString::to_string);
                (name.clone(), json!({ "type": object_type, "size_bytes": object.size_bytes }))
            })
            .collect();
        output::json(&json!({
            "job": view.job.to_string(), "name": view.name, "state": view.state.name(),
            "open": view.open, "priority": view.priority, "tasks": counts_json(&view.tasks),
            "makespan_s": view.makespan().map(|span| span.as_secs_f64()),
            "outputs": outputs, "events": detail.next_seq,
        }))?;
        return Ok(());
    }
    output::line(&format!("{} {:?} {}", view.job, view.name, view.state))?;
    output::line(&format!("  tasks: {}", counts_text(&view.tasks)))?;
    output::line(&format!("  submitted {}", text::age(view.submitted_at)))?;
    if let Some(span) = view.makespan() {
        output::line(&format!("  took {}", text::span(span)))?;
    }
    for (name, object) in &detail.outputs {
        let object_type = object.object_type.as_ref().map(ToString::to_string);
        let object_type = object_type.unwrap_or_else(|| "not there".to_owned());
        let size = text::bytes(object.size_bytes);
        output::line(&format!("  output {name}: {object_type}, {size}"))?;
    }
    Ok(())
}

async fn show_cluster(global: &Global, client: &Client) -> Result<()> {
    let cluster = client.cluster().await?;
    let cores: u64 = cluster.executors.iter().map(|e| e.info.capacity.cpu_milli).sum();
    let free: u64 = cluster.executors.iter().map(|e| e.free.cpu_milli).sum();
    if global.json {
        output::json(&json!({
            "version": cluster.version, "executors": cluster.executors.len(),
            "cores": cores as f64 / 1000.0, "free_cores": free as f64 / 1000.0,
            "running_jobs": cluster.running_jobs, "tasks": counts_json(&cluster.tasks),
        }))?;
        return Ok(());
    }
    output::line(&format!("scheduler {} at {}", cluster.version, global.endpoint()))?;
    output::line(&format!(
        "  {} executor(s), {} of {} cores free",
        cluster.executors.len(),
        text::milli(free),
        text::milli(cores)
    ))?;
    let tasks = counts_text(&cluster.tasks);
    output::line(&format!("  {} job(s) running; tasks: {tasks}", cluster.running_jobs))?;
    Ok(())
}

/// Counts by the names of the states.
pub fn counts_json(counts: &TaskCounts) -> Map<String, Value> {
    counts.iter().map(|(state, count)| (state.name().to_owned(), json!(count))).collect()
}

/// The states that tasks are in: `3 running, 20 succeeded`.
pub fn counts_text(counts: &TaskCounts) -> String {
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(state, count)| format!("{count} {state}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}
