//! `drawloom add`: more tasks for a running job.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use drawloom_client::{Client, ObjectRef, TaskContext, TaskRef, TaskState};
use drawloom_model::{FailureKind, Input, JobId, TaskGraph};
use serde_json::{Map, json};

use super::connect;
use crate::args::Global;
use crate::error::{BadInput, JOB_FAILED};
use crate::output::note;
use crate::source::{Prepared, Source};
use crate::{output, value};

const EXAMPLES: &str = "\
Examples:
  drawloom add more.toml --job job-00000000000000000000000000000001
  drawloom add more.toml --job $JOB --wait --json | jq .outputs
  drawloom add last.toml --job $JOB --close     a job with `open: true` ends when its tasks have
  $DRAWLOOM add halves.json --wait        inside a process task with `spawns: true`

Inside a process of a task that spawns, the job is the task's own, and with --wait others have the
task's cores until the added tasks have ended. The added tasks' names and outputs get the number of
the first added task behind an @, as in sum@12: a job's names are unique.";

/// How many failures are told.
const FIRST_FAILURES: u32 = 5;

/// Add a graph file's tasks to a running job
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Add {
    #[command(flatten)]
    source: Source,
    /// The job; the one that this process belongs to where none is named
    #[arg(long)]
    job: Option<JobId>,
    /// Wait until the tasks have ended, and show their outputs
    #[arg(long)]
    wait: bool,
    /// Say that nothing more will be added, so that the job can end
    #[arg(long)]
    close: bool,
}

impl Add {
    /// Loads, adds and, if asked to, waits.
    ///
    /// # Errors
    /// The graph cannot be loaded or added, or there is no job to add to.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let loaded = self.source.load()?;
        let context = if self.job.is_none() { Some(context()?) } else { None };
        let client = match &context {
            Some(context) if global.given_endpoint().is_none() => context.connect().await?,
            _ => connect(global).await?,
        };
        let job = match (self.job, &context) {
            (Some(job), _) => job,
            (None, Some(context)) => context.job,
            (None, None) => bail!(BadInput("which job? give --job JOB".to_owned())),
        };
        let prepared = Prepared::put(&client, loaded).await?;
        let mut first_task = 0;
        let build = |first| {
            first_task = first;
            renamed(prepared.graph.clone(), first)
        };
        let added = client.add_to(job, build).await;
        prepared.release(&client).await;
        let added = prepared.with_lines(first_task, added)?;
        if self.close {
            client.close(job).await?;
        }
        let tasks: Vec<u32> = (added.first_task..added.tasks).collect();
        let told = json!({
            "job": job.to_string(), "first_task": added.first_task, "tasks": tasks.len(),
        });
        if !self.wait {
            if global.json {
                output::json(&told)?;
            } else {
                note!("{job} has {} tasks more, the first is {}", tasks.len(), added.first_task);
            }
            return Ok(ExitCode::SUCCESS);
        }
        let states = match &context {
            Some(context) => context.wait(&client, tasks).await?,
            None => client.wait_tasks(job, tasks, None).await?,
        };
        show_failures(&client, job, added.first_task, &states).await;
        let succeeded = states.iter().all(|state| *state == TaskState::Succeeded);
        let names = prepared.graph.outputs.iter().map(|output| output.name.as_str());
        let outputs = outputs(&client, job, added.first_task, names).await;
        show(global, told, &states, outputs)?;
        Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::from(JOB_FAILED) })
    }
}

fn context() -> Result<TaskContext> {
    TaskContext::from_env().map_err(|error| BadInput(format!("no --job, and {error}")).into())
}

/// The graph as an addition behind a job's first tasks.
fn renamed(mut graph: TaskGraph, first_task: u32) -> TaskGraph {
    graph.first_task = first_task;
    let inputs = graph.tasks.iter_mut().flat_map(|task| &mut task.inputs);
    for input in inputs.chain(graph.outputs.iter_mut().map(|output| &mut output.object)) {
        if let Input::Task { task, .. } = input {
            *task += first_task;
        }
    }
    for task in &mut graph.tasks {
        task.after.iter_mut().for_each(|before| *before += first_task);
        task.name = task.name.take().map(|name| added_name(&name, first_task).into());
    }
    for output in &mut graph.outputs {
        output.name = added_name(&output.name, first_task);
    }
    graph
}

fn added_name(name: &str, first_task: u32) -> String {
    format!("{name}@{first_task}")
}

/// Those outputs that were made, by the names that the graph file gives them.
async fn outputs<'n>(
    client: &Client,
    job: JobId,
    first_task: u32,
    names: impl Iterator<Item = &'n str>,
) -> Vec<(&'n str, drawloom_model::Value)> {
    let mut made = Vec::new();
    for name in names {
        let output = ObjectRef::Output { job, name: added_name(name, first_task) };
        match client.get(output).await {
            Ok(value) => made.push((name, value)),
            Err(error) => note!("output {name:?}: {error}"),
        }
    }
    made
}

/// Says why the first tasks failed that did so by themselves.
async fn show_failures(client: &Client, job: JobId, first_task: u32, states: &[TaskState]) {
    let failed = (first_task..).zip(states).filter(|(_, state)| **state == TaskState::Failed);
    let mut told = 0;
    for (task, _) in failed {
        if told == FIRST_FAILURES {
            note!("and perhaps more, see `drawloom tasks {job} --state failed`");
            return;
        }
        let Ok(view) = client.describe_task(job, TaskRef::Index(task)).await else { continue };
        // Those that needed a failed one say no more than it does.
        let Some(failure) = view.failure.filter(|f| f.kind != FailureKind::Upstream) else {
            continue;
        };
        let name = view.name.map_or_else(|| task.to_string(), |name| format!("{name:?}"));
        note!("task {name} failed: {failure}");
        told += 1;
    }
}

fn show(
    global: &Global,
    mut told: serde_json::Value,
    states: &[TaskState],
    outputs: Vec<(&str, drawloom_model::Value)>,
) -> Result<()> {
    if global.json {
        let outputs = outputs.iter().map(|(name, made)| ((*name).to_owned(), value::to_json(made)));
        told["outputs"] = outputs.collect::<Map<_, _>>().into();
        told["states"] = states.iter().map(|state| state.name()).collect::<Vec<_>>().into();
        output::json(&told)?;
        return Ok(());
    }
    for (name, made) in &outputs {
        output::line(&format!("{name} = {}", value::describe(made)))?;
    }
    Ok(())
}
