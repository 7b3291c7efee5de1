//! Single measurements.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use drawloom_client::{Client, JobState};
use drawloom_model::TaskGraph;
use tokio::process::Command;

use crate::record::{Sample, median, percentile};
use crate::workload::noops;

/// How many submissions warm up before latencies are measured, and how many are measured.
const WARM_UP: u32 = 100;
const LATENCIES: u32 = 1000;

/// A graph with one task, the smallest there is.
const ONE_TASK: &str = "[[tasks]]\nname = \"only\"\nkernel = \"noop\"\n";

/// Seconds from the submission of a graph that is built already to the news of its end.
pub(crate) async fn graph_seconds(client: &Client, graph: TaskGraph) -> Result<f64> {
    let tasks = graph.tasks.len();
    let start = Instant::now();
    let report = client.submit(graph).await?.wait().await?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(
        report.state == JobState::Succeeded && report.succeeded as usize == tasks,
        "the job {} with {} of {tasks} tasks done",
        report.state,
        report.succeeded
    );
    Ok(seconds)
}

/// The latency of one task, submitted and waited for, one at a time.
pub(crate) async fn latency(client: &Client) -> Result<Sample> {
    for _ in 0..WARM_UP {
        graph_seconds(client, noops(1)).await?;
    }
    let mut seconds = Vec::with_capacity(LATENCIES as usize);
    for _ in 0..LATENCIES {
        seconds.push(graph_seconds(client, noops(1)).await?);
    }
    let p99 = percentile(&mut seconds, 99);
    Ok(Sample { value: median(&mut seconds), p99: Some(p99) })
}

/// Seconds that a whole process takes to run a graph file of one task and show its result.
pub(crate) async fn cold_start(executable: &Path) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("one.toml");
    std::fs::write(&file, ONE_TASK)?;
    let mut command = Command::new(executable);
    command.args(["--json", "--quiet", "run"]).arg(&file).env_remove("DRAWLOOM_ENDPOINT");
    let start = Instant::now();
    let output = command.output().await?;
    let seconds = start.elapsed().as_secs_f64();
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} run failed: {told}", executable.display());
    Ok(seconds)
}

/// The resident memory of a process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kib: f64 = kib.context("no VmRSS")?.trim().parse()?;
    Ok(kib / 1024.0)
}
