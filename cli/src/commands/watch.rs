//! `drawloom watch`: a job's events.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use drawloom_client::{JobEvent, JobState};
use drawloom_model::JobId;
use serde_json::{Value, json};

use super::connect;
use crate::args::Global;
use crate::error::JOB_FAILED;
use crate::{output, text};

const EXAMPLES: &str = "\
Examples:
  drawloom watch job-00000000000000000000000000000001
  drawloom watch job-00000000000000000000000000000001 --from 250   go on after event 249
  drawloom --json watch job-00000000000000000000000000000001

Events are numbered from 0. The exit code is 0 only when the job succeeded.";

/// Print a job's events, from the first or any other, until it has ended
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Watch {
    /// The job's id
    job: JobId,
    /// The first event wanted
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
}

impl Watch {
    /// Prints every event.
    ///
    /// # Errors
    /// There is no such job, or the scheduler is gone.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        let mut job = client.attach(self.job, self.from).await?;
        let mut state = client.describe(self.job).await?.job.state;
        while let Some((seq, event)) = job.next_event().await? {
            if let JobEvent::JobEnded { state: ended } = event {
                state = ended;
            }
            if global.json {
                output::json(&to_json(seq, &event))?;
            } else {
                output::line(&format!("{seq:>6}  {}", describe(&event)))?;
            }
        }
        let succeeded = state == JobState::Succeeded;
        Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::from(JOB_FAILED) })
    }
}

fn describe(event: &JobEvent) -> String {
    match event {
        JobEvent::TasksAdded { first_task, tasks } => {
            format!("{tasks} tasks added, the first is {first_task}")
        }
        JobEvent::TaskStarted { task, attempt, executor } => {
            format!("task {task} started on {executor}, attempt {attempt}")
        }
        JobEvent::TaskRetried { task, attempt, failure, delay, .. } => {
            let delay = text::span(*delay);
            format!("task {task}, attempt {attempt} failed ({failure}), again in {delay}")
        }
        JobEvent::TaskEnded { task, state, failure, run_time, .. } => {
            let ran = text::span(*run_time);
            match failure {
                Some(failure) => format!("task {task} {state} after {ran}: {failure}"),
                None => format!("task {task} {state} after {ran}"),
            }
        }
        JobEvent::JobEnded { state } => format!("job {state}"),
    }
}

fn to_json(seq: u64, event: &JobEvent) -> Value {
    match event {
        JobEvent::TasksAdded { first_task, tasks } => json!({
            "seq": seq, "event": "tasks_added", "first_task": first_task, "tasks": tasks,
        }),
        JobEvent::TaskStarted { task, attempt, executor } => json!({
            "seq": seq, "event": "task_started", "task": task, "attempt": attempt,
            "executor": executor.0,
        }),
        JobEvent::TaskRetried { task, attempt, failure, delay, span } => json!({
            "seq": seq, "event": "task_retried", "task": task, "attempt": attempt,
            "executor": span.executor.map(|executor| executor.0),
            "failure": failure_json(Some(failure)), "delay_s": delay.as_secs_f64(),
            "run_s": span.ended.saturating_sub(span.started).as_secs_f64(),
        }),
        JobEvent::TaskEnded { task, attempt, executor, state, failure, run_time } => json!({
            "seq": seq, "event": "task_ended", "task": task, "attempt": attempt,
            "executor": executor.map(|executor| executor.0), "state": state.name(),
            "failure": failure_json(failure.as_ref()), "run_s": run_time.as_secs_f64(),
        }),
        JobEvent::JobEnded { state } => {
            json!({ "seq": seq, "event": "job_ended", "state": state.name() })
        }
    }
}

/// A failure as programs read it.
pub fn failure_json(failure: Option<&drawloom_model::Failure>) -> Value {
    failure.map_or(
        Value::Null,
        |failure| json!({ "kind": failure.kind.name(), "message": failure.message }),
    )
}
