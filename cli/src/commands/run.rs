//! `drawloom run`: a graph file from start to end.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;
use drawloom_client::{
    Client, ClusterView, JobDetail, JobHandle, JobState, ObjectRef, ObjectState, ObjectView,
    PageRequest, TaskRef, TaskState,
};
use drawloom_cluster::{Config, Embedded};
use drawloom_model::{INLINE_LIMIT_BYTES, JobId, Lifetime, TaskGraph, Value, Variant};
use serde_json::{Map, json};

use crate::args::Global;
use crate::devices::{DeviceUse, GpuUse, gpus_used, used};
use crate::error::{INTERRUPTED, JOB_FAILED};
use crate::follow::{Followed, follow};
use crate::gpu_options::GpuOptions;
use crate::interrupt::Interrupts;
use crate::output::note;
use crate::progress::{Tally, progress};
use crate::quantity::parse_bytes;
use crate::source::{Source, submit};
use crate::state_options::StateOptions;
use crate::store_options::StoreOptions;
use crate::timeline::Destination;
use crate::{output, text, value};

const EXAMPLES: &str = "\
Examples:
  drawloom run examples/hello.toml
  drawloom run examples/digits/digits.star --param epochs=3
  drawloom --endpoint http://127.0.0.1:7070 run examples/wordcount.yaml
  drawloom run examples/digits/digits.star --timeline digits.svg
  drawloom run examples/words/words.star --object-memory 48MiB
  drawloom run examples/hello.toml --json | tail -1 | jq .state

Without --endpoint (or DRAWLOOM_ENDPOINT) the graph runs in a cluster inside this process, on
all cores. Ctrl-C cancels the job and waits for its end; a second Ctrl-C leaves at once.";

/// How many failed tasks are shown where no event has told of them.
const FIRST_FAILURES: u32 = 5;

/// Run a graph file to its end and show its outputs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    #[command(flatten)]
    source: Source,
    /// Cores of the cluster inside this process [default: all]
    #[arg(long)]
    cores: Option<u32>,
    /// Memory of the cluster inside this process, such as 8G [default: all]
    #[arg(long, value_parser = parse_bytes)]
    memory: Option<u64>,
    #[command(flatten)]
    state: StateOptions,
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    pub(crate) gpus: GpuOptions,
    /// Draw what the job did when and where: a picture (.svg) or a trace for Perfetto (.json)
    #[arg(long, value_name = "FILE", value_parser = parse_timeline)]
    timeline: Option<Destination>,
}

fn parse_timeline(path: &str) -> Result<Destination, String> {
    Destination::new(path.as_ref(), None).map_err(|error| error.to_string())
}

impl Run {
    /// Loads, submits, follows, reports.
    ///
    /// # Errors
    /// The graph cannot be loaded or submitted, or the scheduler is gone.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let loaded = self.source.load()?;
        let mut interrupts = Interrupts::listen()?;
        let timeline = self.timeline.as_ref();
        if global.given_endpoint().is_some() {
            let client = super::connect(global).await?;
            return run_graph(global, &client, loaded, timeline, &mut interrupts).await;
        }
        let mut config = self.cluster_config();
        config.scheduler.state = self.state.open()?;
        let variants = || loaded.graph.templates.iter().flat_map(|template| &template.variants);
        config.serves_processes = variants().any(Variant::spawns);
        // Drivers take long to start: only for who asks for a device, or may add tasks that do.
        let may_want_gpus = config.serves_processes || variants().any(|v| v.request.gpu.is_some());
        config.executor.offers_gpus &= may_want_gpus;
        let mut cluster = Embedded::start(config).await?;
        let client = cluster.client();
        let code = tokio::select! {
            code = run_graph(global, &client, loaded, timeline, &mut interrupts) => code,
            () = cluster.ended() => Err(anyhow!("the cluster in this process has ended by itself")),
        };
        tokio::select! {
            () = cluster.stop() => {}
            () = interrupts.next() => {}
        }
        code
    }

    fn cluster_config(&self) -> Config {
        let executor = drawloom_executor::Config {
            cores: self.cores,
            memory_bytes: self.memory,
            arena_bytes: self.store.object_memory,
            spill: self.store.spill_dir.clone(),
            spill_limit_bytes: self.store.spill_limit,
            offers_gpus: !self.gpus.no_gpus,
            ..drawloom_executor::Config::default()
        };
        Config { executor, ..Config::default() }
    }
}

async fn run_graph(
    global: &Global,
    client: &Client,
    loaded: drawloom_graphfile::Loaded,
    timeline: Option<&Destination>,
    interrupts: &mut Interrupts,
) -> Result<ExitCode> {
    let before = client.cluster().await?;
    let wanted = loaded.graph.outputs.iter().map(|output| output.name.clone()).collect();
    let detached = detached(&loaded.graph);
    let mut job = submit(client, loaded, None).await?;
    if !global.quiet {
        let tasks = job.tasks();
        note!("{} with {tasks} {}", job.id(), if tasks == 1 { "task" } else { "tasks" });
        if let Some(actor) = detached {
            note!("{}", actor.hint(job.id(), global.given_endpoint().is_some()));
        }
    }
    let mut tally = Tally::new(job.tasks());
    let mut shown = progress(global);
    match follow(client, &mut job, &mut tally, shown.as_mut(), interrupts).await? {
        Followed::Abandoned => Ok(ExitCode::from(INTERRUPTED)),
        Followed::ToTheEnd => {
            let report = Report::collect(client, &job, tally, &before, &wanted).await?;
            report.show(global, client).await?;
            if let Some(timeline) = timeline {
                timeline.write(client, job.id()).await?;
            }
            Ok(report.exit_code())
        }
    }
}

/// An actor that the job waits for until somebody stops it.
struct Detached {
    task: u32,
    name: Option<String>,
}

/// The first detached actor.
fn detached(graph: &TaskGraph) -> Option<Detached> {
    (0..).zip(&graph.tasks).find_map(|(task, entry)| {
        let actor = graph.templates.get(entry.template as usize)?.actor()?;
        let is_detached = actor.lifetime == Lifetime::Detached;
        is_detached.then(|| Detached { task, name: actor.name.clone() })
    })
}

impl Detached {
    /// How to stop it, and how to leave it: nobody reaches a cluster inside this process.
    fn hint(&self, job: JobId, is_reachable: bool) -> String {
        let name = self.name.clone().unwrap_or_else(|| format!("{job}/{}", self.task));
        let what = format!("actor {name} is detached, so the job goes on until it is stopped");
        if is_reachable {
            return format!(
                "{what}: `drawloom call {name} --stop`, or Ctrl-C; `drawloom submit` leaves it running"
            );
        }
        format!("{what}, by Ctrl-C; in a cluster of its own, `drawloom submit` leaves it running")
    }
}

/// Everything told of an ended job.
struct Report {
    job: JobId,
    state: JobState,
    makespan: Duration,
    tally: Tally,
    outputs: Vec<(String, Output)>,
    devices: Vec<DeviceUse>,
    gpus: Vec<GpuUse>,
}

/// A named output: itself when it is small, what it is otherwise.
enum Output {
    Here(Value),
    Elsewhere(ObjectView),
}

impl Report {
    async fn collect(
        client: &Client,
        job: &JobHandle,
        tally: Tally,
        before: &ClusterView,
        wanted: &BTreeSet<String>,
    ) -> Result<Self> {
        let mut detail = client.describe(job.id()).await?;
        // Tasks that were added meanwhile have outputs too: those are for whoever added them.
        detail.outputs.retain(|(name, _)| wanted.contains(name));
        let makespan = detail.job.makespan().unwrap_or_else(|| tally.elapsed());
        let after = client.cluster().await?;
        let (devices, gpus) = (used(before, &after, makespan), gpus_used(before, &after));
        let state = tally.state().unwrap_or(detail.job.state);
        let outputs = fetch_outputs(client, detail).await?;
        Ok(Report { job: job.id(), state, makespan, tally, outputs, devices, gpus })
    }

    fn exit_code(&self) -> ExitCode {
        match self.state {
            JobState::Succeeded => ExitCode::SUCCESS,
            JobState::Cancelled => ExitCode::from(INTERRUPTED),
            JobState::Failed | JobState::Running => ExitCode::from(JOB_FAILED),
        }
    }

    async fn show(&self, global: &Global, client: &Client) -> Result<()> {
        self.show_failures(client).await;
        if global.json {
            output::json(&self.to_json())?;
            return Ok(());
        }
        for (name, object) in &self.outputs {
            output::line(&format!("{name} = {}", object.describe()))?;
        }
        if !global.quiet {
            self.show_summary();
        }
        Ok(())
    }

    fn show_summary(&self) {
        let counts = self.tally.counts().into_iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts.map(|(what, count)| format!("{count} {what}")).collect();
        let rate = f64::from(self.tally.done()) / self.makespan.as_secs_f64().max(1e-9);
        let tasks = if counts.is_empty() {
            "no tasks".to_owned()
        } else {
            format!("{}; {}", counts.join(", "), text::rate(rate))
        };
        let took = text::span(self.makespan);
        note!("{} {} in {took} ({tasks})", self.job, self.state);
        for device in &self.devices {
            let DeviceUse { executor, device, cores, busy } = device;
            note!(
                "  {executor}: {device}, {cores} core(s), busy {:.1} % of the time",
                busy * 100.0
            );
        }
        for gpu in &self.gpus {
            let evicted = match gpu.evicted_bytes {
                0 => String::new(),
                bytes => format!("; {} left for want of room", text::bytes(bytes)),
            };
            note!(
                "  {}: {} GPU(s), {} kernels launched, {:.1} us each; {:.1} % of {} inputs found there, {} copied, {}{evicted}",
                gpu.executor,
                gpu.gpus,
                gpu.launches,
                gpu.launch_cpu_us,
                gpu.found() * 100.0,
                gpu.inputs_found + gpu.inputs_copied,
                gpu.inputs_copied,
                text::bytes(gpu.copied_bytes),
            );
        }
    }

    /// Names the first tasks that failed, with their names where the scheduler still knows them.
    async fn show_failures(&self, client: &Client) {
        let mut failures = self.tally.failures().to_vec();
        // Those that failed as they were submitted are no events.
        if failures.is_empty() && self.tally.failed() > 0 {
            let page = PageRequest { size: FIRST_FAILURES, ..PageRequest::default() };
            let failed = client.tasks(self.job, page, vec![TaskState::Failed]).await;
            let views = failed.map(|page| page.items).unwrap_or_default().into_iter();
            failures.extend(views.filter_map(|view| Some((view.task, view.failure?))));
        }
        for (task, failure) in &failures {
            let view = client.describe_task(self.job, TaskRef::Index(*task)).await;
            let name = view.ok().and_then(|view| view.name);
            let name = name.map_or_else(|| format!("task {task}"), |name| format!("task {name:?}"));
            note!("{name} failed: {failure}");
        }
        let told = failures.len() as u32;
        if self.tally.failed() > told {
            note!(
                "and {} more, see `drawloom tasks JOB --state failed`",
                self.tally.failed() - told
            );
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let mut tasks: Map<String, serde_json::Value> = self
            .tally
            .counts()
            .map(|(what, count)| (what.to_owned(), json!(count)))
            .into_iter()
            .collect();
        tasks.insert("total".into(), json!(self.tally.total()));
        tasks.insert("retries".into(), json!(self.tally.retries()));
        let outputs: Map<String, serde_json::Value> =
            self.outputs.iter().map(|(name, object)| (name.clone(), object.to_json())).collect();
        json!({
            "job": self.job.to_string(),
            "state": self.state.name(),
            "makespan_s": self.makespan.as_secs_f64(),
            "tasks": tasks,
            "outputs": outputs,
            "devices": self.devices,
            "gpus": self.gpus,
        })
    }
}

impl Output {
    fn describe(&self) -> String {
        match self {
            Output::Here(found) => value::describe(found),
            Output::Elsewhere(view) => match (&view.object_type, view.state) {
                (Some(object_type), ObjectState::Available) => {
                    format!("{object_type} of {}", text::bytes(view.size_bytes))
                }
                _ => "not made".to_owned(),
            },
        }
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Output::Here(found) => value::to_json(found),
            Output::Elsewhere(view) => match (&view.object_type, view.state) {
                (Some(object_type), ObjectState::Available) => {
                    value::summary(object_type, view.size_bytes)
                }
                _ => serde_json::Value::Null,
            },
        }
    }
}

async fn fetch_outputs(client: &Client, detail: JobDetail) -> Result<Vec<(String, Output)>> {
    let job = detail.job.job;
    let mut outputs = Vec::with_capacity(detail.outputs.len());
    for (name, view) in detail.outputs {
        let small = view.size_bytes <= INLINE_LIMIT_BYTES as u64;
        let object = if view.state == ObjectState::Available && small {
            Output::Here(client.get(ObjectRef::Output { job, name: name.clone() }).await?)
        } else {
            Output::Elsewhere(view)
        };
        outputs.push((name, object));
    }
    Ok(outputs)
}
