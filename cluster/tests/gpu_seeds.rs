//! Jobs on simulated GPUs that fail, by seeds: memory that runs out, kernels that fail, devices that
//! fall off the bus. Whatever happens, a result is the right one, and nothing is left behind.
//!
//! `DRAWLOOM_SEEDS=1000` tries more, `DRAWLOOM_SEED=17` one alone.

use std::time::{Duration, Instant};

use drawloom_client::{GraphBuilder, JobState, TaskHandle, attributes};
use drawloom_cluster::{Config, Embedded};
use drawloom_cuda_sim::client::{Library, library_path};
use drawloom_model::{FailureKinds, GpuRequest, ResourceRequest, TaskGraph, Template};

const SEEDS: u64 = 200;
/// Memory of each device, of which an object takes about a tenth.
const MEMORY: &str = "1M";
const LEN: i64 = 25_000;
/// Faults are few: a job that is submitted that often succeeds.
const SUBMISSIONS: usize = 8;
/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Loads the simulated driver, with two devices.
fn simulate() -> Library {
    let settings = [
        ("DRAWLOOM_SIM_DEVICES", "2"),
        ("DRAWLOOM_SIM_MEMORY", MEMORY),
        ("DRAWLOOM_SIM_QUIET", "1"),
    ];
    for (name, value) in settings {
        // SAFETY: nothing of the process reads the environment before the library is loaded.
        unsafe { std::env::set_var(name, value) };
    }
    let path = library_path().expect("cargo builds the library beside the tests");
    Library::load(&path).expect("the library loads")
}

/// Half a GPU, or a core.
fn anywhere(template: &mut Template) {
    let gpu = GpuRequest { devices: 1, milli: 500, vram_bytes: 0, min_compute_capability: 0 };
    let mut on_gpu = template.variants[0].clone();
    on_gpu.request = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() };
    template.variants.insert(0, on_gpu);
    template.retry.on = FailureKinds::TRANSIENT;
}

/// Numbers, and sums of two that came before; what each of them must be.
fn graph(chance: &mut fastrand::Rng) -> (TaskGraph, Vec<f32>) {
    let mut graph = GraphBuilder::new("seeded");
    let mut tasks: Vec<(TaskHandle, f32)> = Vec::new();
    for index in 0..chance.usize(6..14) {
        let made = if tasks.len() < 2 || chance.u8(0..3) == 0 {
            let value = f64::from(chance.u8(1..9));
            let attributes = attributes([("shape", vec![LEN])]).into_iter();
            let attributes = attributes.chain(attributes_of("value", value)).collect();
            (graph.task("fill", attributes).with(anywhere).add(), value as f32)
        } else {
            let [a, b] = [(); 2].map(|()| tasks[chance.usize(0..tasks.len())]);
            let sum = graph.task("sum_n", Default::default()).with(anywhere);
            (sum.inputs([a.0.output(0), b.0.output(0)]).add(), a.1 + b.1)
        };
        graph.output(format!("{index}"), made.0.output(0));
        tasks.push(made);
    }
    (graph.build(), tasks.into_iter().map(|(_, value)| value).collect())
}

fn attributes_of(name: &str, value: f64) -> drawloom_model::Attributes {
    attributes([(name, value)])
}

/// Up to four faults.
fn faults(chance: &mut fastrand::Rng) -> String {
    let fault = |chance: &mut fastrand::Rng| {
        let kind = ["oom", "oom", "launch", "refuse", "lost", "ecc"][chance.usize(0..6)];
        format!("{kind}:{}@{}", chance.u8(0..2), chance.u8(1..9))
    };
    (0..chance.u8(0..5)).map(|_| fault(chance)).collect::<Vec<_>>().join(";")
}

/// One seed: a job is submitted until it succeeds, and then everything is as it was.
async fn run(seed: u64, library: Library) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let executor = drawloom_executor::Config {
        cores: Some(1),
        memory_bytes: Some(1 << 30),
        arena_bytes: Some(64 << 20),
        offers_gpus: true,
        ..drawloom_executor::Config::default()
    };
    let cluster = Embedded::start(Config { executor, ..Config::default() }).await;
    let cluster = cluster.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let client = cluster.client();
    let (graph, expected) = graph(&mut chance);
    library.inject(&faults(&mut chance));
    let mut submissions = 0;
    let job = loop {
        submissions += 1;
        assert!(submissions <= SUBMISSIONS, "seed {seed}: it never succeeds");
        let job = client.submit(graph.clone()).await.expect("admitted");
        let id = job.id();
        let report = tokio::time::timeout(PATIENCE, job.wait()).await;
        let report = report.unwrap_or_else(|_| panic!("seed {seed}: it never ends"));
        if report.expect("the executor lives").state == JobState::Succeeded {
            break id;
        }
    };
    for (index, expected) in expected.iter().enumerate() {
        let output = drawloom_client::ObjectRef::Output { job, name: index.to_string() };
        // It may have been lost with its device since; what is there is right.
        let Ok(value) = client.get(output).await else { continue };
        assert_eq!(value.data.len(), LEN as usize * 4, "seed {seed}: output {index}");
        let right = value.data.chunks(4).all(|bytes| bytes == expected.to_le_bytes());
        assert!(right, "seed {seed}: output {index} is wrong");
    }
    let view = client.cluster().await.expect("told");
    let executor = &view.executors[0];
    assert_eq!((executor.running, executor.queued), (0, 0), "seed {seed}");
    assert_eq!(executor.free.cpu_milli, 1000, "seed {seed}: the ledger");
    for device in &executor.free.devices {
        let whole = device.milli == 1000 || device.compute_capability == 0;
        assert!(whole, "seed {seed}: the ledger has {device:?}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn whatever_fails_results_are_right_and_nothing_is_left() {
    let library = simulate();
    let one = std::env::var("DRAWLOOM_SEED").ok().and_then(|text| text.parse().ok());
    let count = std::env::var("DRAWLOOM_SEEDS").ok().and_then(|text| text.parse().ok());
    let seeds = one.map_or(0..count.unwrap_or(SEEDS), |seed| seed..seed + 1);
    let mut unused = None;
    for seed in seeds {
        run(seed, library).await;
        library.clear_faults();
        for device in 0..2 {
            library.revive(device);
        }
        let used = || [library.used_bytes(0), library.used_bytes(1)];
        // What the driver keeps for itself is there from the first use on.
        let start = Instant::now();
        let least = *unused.get_or_insert([0; 2]);
        while used() != least {
            assert!(start.elapsed() < PATIENCE, "seed {seed}: {:?} bytes are left", used());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
