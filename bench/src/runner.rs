//! Runs benches.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use drawloom_client::{Client, JobState};
use drawloom_cluster::{Config, Embedded};
use drawloom_model::TaskGraph;

use crate::measurement::{Measurement, Mode, Unit, percentile};
use crate::remote::{Remote, Transport};
use crate::{peers, workload};

/// A bench's name and what it measures.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// Its name.
    pub name: &'static str,
    /// What it measures, in a line.
    pub summary: &'static str,
    /// The modes it knows.
    pub modes: &'static [Mode],
    work: Work,
}

#[derive(Clone, Copy, Debug)]
enum Work {
    /// Tasks per second of a graph.
    Rate(fn() -> TaskGraph),
    /// Seconds for a graph, from submission to the last event.
    Time(fn() -> TaskGraph),
    Latency,
    ColdStart,
    IdleMemory,
}

const BOTH: &[Mode] = &Mode::ALL;

/// Every bench.
pub const BENCHES: [Bench; 7] = [
    Bench {
        name: "noop_throughput",
        summary: "100,000 independent no-ops submitted at once, all awaited",
        modes: BOTH,
        work: Work::Rate(|| workload::independent(100_000)),
    },
    Bench {
        name: "sync_latency",
        summary: "one no-op, submitted and awaited, one at a time: p50, and p99 beside it",
        modes: BOTH,
        work: Work::Latency,
    },
    Bench {
        name: "chain",
        summary: "1,000 no-ops, each after the last",
        modes: BOTH,
        work: Work::Time(|| workload::chain(1_000)),
    },
    Bench {
        name: "tree",
        summary: "a binary reduction of 19,999 no-ops",
        modes: BOTH,
        work: Work::Time(|| workload::tree(10_000)),
    },
    Bench {
        name: "forkjoin",
        summary: "100 rounds of 100 no-ops, joined between rounds",
        modes: BOTH,
        work: Work::Time(|| workload::forkjoin(100, 100)),
    },
    Bench {
        name: "cold_start",
        summary: "the whole command `drawloom run` of a one-task graph",
        modes: &[Mode::Embedded],
        work: Work::ColdStart,
    },
    Bench {
        name: "idle_memory",
        summary: "resident memory of scheduler and executor, waiting",
        modes: &[Mode::Remote],
        work: Work::IdleMemory,
    },
];

/// How benches are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The `drawloom` program, for benches that need processes.
    pub program: PathBuf,
    /// How often each bench is run, after one run that does not count.
    pub runs: usize,
}

/// Submissions per run of the latency bench.
const LATENCY_SAMPLES: usize = 2_000;
/// How long processes settle before their memory is read.
const SETTLE: Duration = Duration::from_secs(1);

/// Runs one bench in one mode: one measurement, or two where transports differ.
///
/// # Errors
/// When a cluster cannot be started, or a job does not succeed.
pub async fn run(
    bench: &Bench,
    mode: Mode,
    settings: &Settings,
) -> anyhow::Result<Vec<Measurement>> {
    ensure!(settings.runs > 0, "at least one run is needed");
    let measured = match (bench.work, mode) {
        (Work::ColdStart, _) => vec![cold_start(bench, settings).await?],
        (Work::IdleMemory, _) => vec![idle_memory(bench, settings).await?],
        (_, Mode::Embedded) => {
            let embedded = Embedded::start(Config::default()).await?;
            let measured = with_client(bench, mode, &embedded.client(), settings).await?;
            embedded.stop().await;
            vec![measured]
        }
        (_, Mode::Remote) => over_transports(bench, settings).await?,
    };
    let compared = measured.into_iter().map(|mut measurement| {
        peers::compare(&mut measurement);
        measurement
    });
    Ok(compared.collect())
}

async fn over_transports(bench: &Bench, settings: &Settings) -> anyhow::Result<Vec<Measurement>> {
    let transports: &[Transport] = match bench.work {
        Work::Latency => &[Transport::Tcp, Transport::Unix],
        _ => &[Transport::Tcp],
    };
    let mut measured = Vec::new();
    for transport in transports {
        let remote = Remote::start(&settings.program, *transport).await?;
        let client = remote.connect().await?;
        let mut measurement = with_client(bench, Mode::Remote, &client, settings).await?;
        measurement.transport = Some(transport.name());
        measured.push(measurement);
        remote.stop().await;
    }
    Ok(measured)
}

async fn with_client(
    bench: &Bench,
    mode: Mode,
    client: &Client,
    settings: &Settings,
) -> anyhow::Result<Measurement> {
    match bench.work {
        Work::Latency => latency(bench, mode, client, settings).await,
        Work::Rate(graph) | Work::Time(graph) => {
            let mut seconds = Vec::new();
            time_graph(client, graph()).await?;
            for _ in 0..settings.runs {
                seconds.push(time_graph(client, graph()).await?.as_secs_f64());
            }
            if matches!(bench.work, Work::Time(_)) {
                return Ok(Measurement::of(bench.name, mode, Unit::Seconds, seconds));
            }
            let tasks = graph().tasks.len() as f64;
            let rates = seconds.into_iter().map(|seconds| tasks / seconds).collect();
            Ok(Measurement::of(bench.name, mode, Unit::TasksPerSecond, rates))
        }
        Work::ColdStart | Work::IdleMemory => unreachable!("these need no client"),
    }
}

/// From the submission of a graph that is built already until its last event.
async fn time_graph(client: &Client, graph: TaskGraph) -> anyhow::Result<Duration> {
    let tasks = graph.tasks.len();
    let start = Instant::now();
    let report = client.submit(graph).await?.wait().await?;
    let took = start.elapsed();
    ensure!(report.state == JobState::Succeeded, "the job ended as {}", report.state);
    ensure!(report.succeeded as usize == tasks, "{} of {tasks} succeeded", report.succeeded);
    Ok(took)
}

async fn latency(
    bench: &Bench,
    mode: Mode,
    client: &Client,
    settings: &Settings,
) -> anyhow::Result<Measurement> {
    let graph = workload::independent(1);
    let (mut medians, mut tails) = (Vec::new(), Vec::new());
    for run in 0..=settings.runs {
        let mut seconds = Vec::with_capacity(LATENCY_SAMPLES);
        for _ in 0..LATENCY_SAMPLES {
            seconds.push(time_graph(client, graph.clone()).await?.as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        if run > 0 {
            medians.push(percentile(&seconds, 0.5));
            tails.push(percentile(&seconds, 0.99));
        }
    }
    tails.sort_by(f64::total_cmp);
    let mut measurement = Measurement::of(bench.name, mode, Unit::Seconds, medians);
    measurement.p99 = Some(percentile(&tails, 0.5));
    Ok(measurement)
}

async fn cold_start(bench: &Bench, settings: &Settings) -> anyhow::Result<Measurement> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("one.json");
    std::fs::write(&file, r#"{"name": "one", "tasks": [{"name": "one", "kernel": "noop"}]}"#)?;
    let mut seconds = Vec::new();
    for run in 0..=settings.runs {
        let start = Instant::now();
        let output = tokio::process::Command::new(&settings.program)
            .arg("run")
            .arg(&file)
            .arg("--json")
            .env_remove("DRAWLOOM_ENDPOINT")
            .output()
            .await
            .context("`drawloom run` cannot be started")?;
        let took = start.elapsed().as_secs_f64();
        ensure!(
            output.status.success(),
            "`drawloom run` failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        if run > 0 {
            seconds.push(took);
        }
    }
    Ok(Measurement::of(bench.name, Mode::Embedded, Unit::Seconds, seconds))
}

async fn idle_memory(bench: &Bench, settings: &Settings) -> anyhow::Result<Measurement> {
    let mut mebibytes = Vec::new();
    for _ in 0..settings.runs {
        let remote = Remote::start(&settings.program, Transport::Tcp).await?;
        tokio::time::sleep(SETTLE).await;
        mebibytes.push(remote.resident_bytes()? as f64 / f64::from(1 << 20));
        remote.stop().await;
    }
    Ok(Measurement::of(bench.name, Mode::Remote, Unit::Mebibytes, mebibytes))
}
