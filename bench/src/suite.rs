//! The benches: which there are, and how each is run.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use drawloom_client::Client;
use drawloom_cluster::{Config, Embedded};
use drawloom_model::TaskGraph;

use crate::actor;
use crate::data;
use crate::kernels::{self, KernelOptions};
use crate::measure::{cold_start, graph_seconds, latency, resident_mib};
use crate::record::{Mode, Record, Sample, Transport};
use crate::remote::Remote;
use crate::waiting;
use crate::workload::{chain, forkjoin, noops, tree};

/// How long a cluster is left alone before its memory is measured.
const IDLE: Duration = Duration::from_millis(500);

/// A bench.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bench {
    /// Independent tasks, submitted at once: how many a second.
    NoopThroughput,
    /// One task, submitted and waited for.
    SyncLatency,
    /// Tasks that follow each other.
    Chain,
    /// A binary reduction.
    Tree,
    /// Rounds of tasks side by side.
    Forkjoin,
    /// A whole process, from its start to its end.
    ColdStart,
    /// The resident memory of an idle cluster.
    IdleMemory,
    /// A product of two matrices.
    Matmul1024,
    /// Rows of probabilities.
    Softmax,
    /// Sums of rows.
    Reduce,
    /// A convolution of images.
    Conv2d,
    /// Every kernel, against what the machine can do.
    Kernels,
    /// A large object put.
    PutLarge,
    /// A large object got.
    GetLarge,
    /// A large object from one process to the next.
    PassLarge,
    /// Small objects put.
    PutSmall,
    /// Small objects got.
    GetSmall,
    /// A large object from one executor to another.
    Transfer,
    /// Processes that do nothing.
    ProcessSpawn,
    /// Calls straight to an actor: one at a time, and many in flight.
    ActorCalls,
    /// Very many tasks that wait: how long they take to submit, and the memory of each.
    MillionWaiting,
}

impl Bench {
    /// Every bench.
    pub const ALL: [Bench; 21] = [
        Bench::NoopThroughput,
        Bench::SyncLatency,
        Bench::Chain,
        Bench::Tree,
        Bench::Forkjoin,
        Bench::ColdStart,
        Bench::IdleMemory,
        Bench::Matmul1024,
        Bench::Softmax,
        Bench::Reduce,
        Bench::Conv2d,
        Bench::Kernels,
        Bench::PutLarge,
        Bench::GetLarge,
        Bench::PassLarge,
        Bench::PutSmall,
        Bench::GetSmall,
        Bench::Transfer,
        Bench::ProcessSpawn,
        Bench::ActorCalls,
        Bench::MillionWaiting,
    ];

    /// The name used on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Bench::NoopThroughput => "noop_throughput",
            Bench::SyncLatency => "sync_latency",
            Bench::Chain => "chain",
            Bench::Tree => "tree",
            Bench::Forkjoin => "forkjoin",
            Bench::ColdStart => "cold_start",
            Bench::IdleMemory => "idle_memory",
            Bench::Matmul1024 => "matmul_1024",
            Bench::Softmax => "softmax",
            Bench::Reduce => "reduce",
            Bench::Conv2d => "conv2d",
            Bench::Kernels => "kernels",
            Bench::PutLarge => "put_100mb",
            Bench::GetLarge => "get_100mb",
            Bench::PassLarge => "pass_100mb",
            Bench::PutSmall => "put_1k",
            Bench::GetSmall => "get_1k",
            Bench::Transfer => "transfer_100mb",
            Bench::ProcessSpawn => "process_spawn",
            Bench::ActorCalls => "actor_calls",
            Bench::MillionWaiting => "million_waiting",
        }
    }

    /// Whether kernels are called by themselves, without a cluster.
    const fn is_of_kernels(self) -> bool {
        matches!(
            self,
            Bench::Matmul1024 | Bench::Softmax | Bench::Reduce | Bench::Conv2d | Bench::Kernels
        )
    }

    /// The bench of that name.
    pub fn from_name(name: &str) -> Option<Bench> {
        Bench::ALL.into_iter().find(|bench| bench.name() == name)
    }

    /// Whether it makes sense in this mode.
    const fn has(self, mode: Mode) -> bool {
        match self {
            Bench::ColdStart => matches!(mode, Mode::Embedded),
            _ if self.is_of_kernels() => matches!(mode, Mode::Embedded),
            Bench::IdleMemory
            | Bench::PassLarge
            | Bench::PutSmall
            | Bench::GetSmall
            | Bench::Transfer
            | Bench::MillionWaiting => matches!(mode, Mode::Remote),
            _ => true,
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Bench::NoopThroughput => "tasks/s",
            Bench::IdleMemory => "MiB",
            _ if self.is_of_kernels() => "ratio",
            Bench::PutLarge | Bench::Transfer | Bench::ProcessSpawn => "ratio",
            Bench::PutSmall | Bench::GetSmall => "objects/s",
            _ => "s",
        }
    }

    /// What the project asks of itself on a machine with two cores.
    fn target(self, mode: Mode, transport: Option<Transport>) -> f64 {
        match (self, mode) {
            (Bench::NoopThroughput, Mode::Remote) => 100e3,
            (Bench::NoopThroughput, Mode::Embedded) => 400e3,
            (Bench::SyncLatency, Mode::Remote) if transport == Some(Transport::Unix) => 150e-6,
            (Bench::SyncLatency, Mode::Remote) => 200e-6,
            (Bench::SyncLatency, Mode::Embedded) => 15e-6,
            (Bench::Chain, Mode::Remote) => 30e-3,
            (Bench::Chain, Mode::Embedded) => 5e-3,
            (Bench::Tree | Bench::Forkjoin, Mode::Remote) => 400e-3,
            (Bench::Tree | Bench::Forkjoin, Mode::Embedded) => 80e-3,
            (Bench::ColdStart, _) => 100e-3,
            (Bench::IdleMemory, _) => 40.0,
            (
                Bench::Matmul1024 | Bench::Softmax | Bench::Reduce | Bench::Conv2d | Bench::Kernels,
                _,
            ) => 0.9,
            (Bench::PutLarge | Bench::ProcessSpawn, _) => 0.8,
            (Bench::GetLarge, _) => 100e-6,
            (Bench::PassLarge, _) => 2e-3,
            (Bench::PutSmall | Bench::GetSmall, _) => 30e3,
            (Bench::Transfer, _) => 0.6,
            // Told with their records, of which there are two each.
            (Bench::ActorCalls | Bench::MillionWaiting, _) => f64::NAN,
        }
    }

    /// The same of the 99th percentile.
    fn p99_target(self, mode: Mode) -> Option<f64> {
        (self == Bench::SyncLatency).then_some(match mode {
            Mode::Remote => 1e-3,
            Mode::Embedded => 100e-6,
        })
    }

    fn graph(self) -> TaskGraph {
        match self {
            Bench::NoopThroughput => noops(100_000),
            Bench::Chain => chain(1000),
            Bench::Tree => tree(10_000),
            Bench::Forkjoin => forkjoin(100, 100),
            Bench::SyncLatency | Bench::ColdStart => noops(1),
            _ => noops(0),
        }
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which benches; all where none are named.
    pub benches: Vec<Bench>,
    /// In which modes; all where none are named.
    pub modes: Vec<Mode>,
    /// How often each is run.
    pub runs: usize,
    /// The `drawloom` program, for what needs processes.
    pub executable: PathBuf,
    /// What is to be measured of kernels.
    pub kernels: KernelOptions,
}

/// Runs the benches and reports each as soon as it is done.
///
/// # Errors
/// When a cluster cannot be started or a job does not succeed.
pub async fn run(options: &Options, mut report: impl FnMut(Record) -> Result<()>) -> Result<()> {
    for mode in [Mode::Embedded, Mode::Remote] {
        if !options.modes.is_empty() && !options.modes.contains(&mode) {
            continue;
        }
        let named = |bench: &Bench| options.benches.is_empty() || options.benches.contains(bench);
        for bench in Bench::ALL.into_iter().filter(|bench| bench.has(mode) && named(bench)) {
            if bench.is_of_kernels() {
                kernels::run(bench, options.runs, &options.kernels, &mut report)?;
                continue;
            }
            for record in run_bench(bench, mode, options).await.with_context(|| bench.name())? {
                report(record)?;
            }
        }
    }
    Ok(())
}

/// One bench in a cluster of its own.
async fn run_bench(bench: Bench, mode: Mode, options: &Options) -> Result<Vec<Record>> {
    let runs = options.runs;
    if bench == Bench::ColdStart {
        let mut samples = Vec::with_capacity(runs);
        for _ in 0..runs {
            samples.push(Sample::new(cold_start(&options.executable).await?));
        }
        return Ok(vec![record(bench, mode, None, &samples)]);
    }
    if mode == Mode::Embedded {
        let cluster = Embedded::start(Config::default()).await?;
        if bench == Bench::ActorCalls {
            let records = actor::records(&cluster.client(), mode, runs).await;
            cluster.stop().await;
            return records;
        }
        let samples = sample(bench, &cluster.client(), runs).await;
        cluster.stop().await;
        return Ok(vec![record(bench, mode, None, &samples?)]);
    }
    if bench == Bench::SyncLatency {
        let mut records = Vec::new();
        for transport in [Transport::Tcp, Transport::Unix] {
            let cluster = Remote::start(&options.executable, transport).await?;
            let samples = sample(bench, &cluster.client().await?, runs).await?;
            records.push(record(bench, mode, Some(transport), &samples));
        }
        return Ok(records);
    }
    if bench == Bench::MillionWaiting {
        return waiting::records(&options.executable, runs).await;
    }
    if bench == Bench::ActorCalls {
        let cluster = Remote::start(&options.executable, Transport::Tcp).await?;
        return actor::records(&cluster.client().await?, mode, runs).await;
    }
    let executors = if bench == Bench::Transfer { 2 } else { 1 };
    let cluster = Remote::start_many(&options.executable, Transport::Tcp, executors).await?;
    if bench == Bench::IdleMemory {
        let samples = memory(&cluster, runs).await?;
        return Ok(vec![record(bench, mode, None, &samples)]);
    }
    let samples = sample(bench, &cluster.client().await?, runs).await?;
    Ok(vec![record(bench, mode, None, &samples)])
}

async fn sample(bench: Bench, client: &Client, runs: usize) -> Result<Vec<Sample>> {
    let mut samples = Vec::with_capacity(runs);
    if bench == Bench::SyncLatency {
        for _ in 0..runs {
            samples.push(latency(client).await?);
        }
        return Ok(samples);
    }
    if let Some(samples) = sample_data(bench, client, runs).await? {
        return Ok(samples);
    }
    let graph = bench.graph();
    let tasks = graph.tasks.len() as f64;
    // The first run warms up: memory is fetched from the system, run times become known.
    graph_seconds(client, graph.clone()).await?;
    for _ in 0..runs {
        let seconds = graph_seconds(client, graph.clone()).await?;
        let value = if bench == Bench::NoopThroughput { tasks / seconds } else { seconds };
        samples.push(Sample::new(value));
    }
    Ok(samples)
}

/// Samples of the benches of the data plane; nothing of others.
async fn sample_data(bench: Bench, client: &Client, runs: usize) -> Result<Option<Vec<Sample>>> {
    let mut samples = Vec::with_capacity(runs);
    // The first run warms up: memory is fetched from the system, connections are made.
    for _ in 0..=runs {
        let value = match bench {
            Bench::PutLarge => data::put_large(client).await?,
            Bench::GetLarge => data::get_large(client).await?,
            Bench::PassLarge => data::pass(client).await?,
            Bench::PutSmall => data::small(client).await?[0],
            Bench::GetSmall => data::small(client).await?[1],
            Bench::Transfer => data::transfer(client).await?,
            Bench::ProcessSpawn => data::spawn(client).await?,
            _ => return Ok(None),
        };
        samples.push(Sample::new(value));
    }
    samples.remove(0);
    Ok(Some(samples))
}

async fn memory(cluster: &Remote, runs: usize) -> Result<Vec<Sample>> {
    let mut samples = Vec::with_capacity(runs);
    for _ in 0..runs {
        tokio::time::sleep(IDLE).await;
        let mut total = 0.0;
        for pid in cluster.pids() {
            total += resident_mib(pid.context("a process of the cluster has ended")?)?;
        }
        samples.push(Sample::new(total));
    }
    Ok(samples)
}

fn record(bench: Bench, mode: Mode, transport: Option<Transport>, samples: &[Sample]) -> Record {
    let tasks = bench.graph().tasks.len() as u32;
    let record = Record::new(bench.name(), mode, bench.unit(), tasks, samples);
    Record { transport, ..record }
        .with_targets(bench.target(mode, transport), bench.p99_target(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_the_median_of_its_runs() {
        let samples = [3.0, 1.0, 2.0].map(Sample::new);
        let record = record(Bench::Chain, Mode::Embedded, None, &samples);
        assert_eq!((record.value, record.min, record.max, record.runs), (2.0, 1.0, 3.0, 3));
        assert_eq!(record.met, Some(false));
        let rate = super::record(Bench::NoopThroughput, Mode::Remote, None, &[Sample::new(2e5)]);
        assert_eq!(rate.met, Some(true));
        let latency = |p99| {
            let sample = Sample { value: 100e-6, p99: Some(p99) };
            super::record(Bench::SyncLatency, Mode::Remote, Some(Transport::Unix), &[sample]).met
        };
        assert_eq!((latency(900e-6), latency(1100e-6)), (Some(true), Some(false)));
    }

    #[test]
    fn names_are_found() {
        assert!(Bench::ALL.into_iter().all(|bench| Bench::from_name(bench.name()) == Some(bench)));
    }
}
