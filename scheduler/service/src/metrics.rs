//! Metrics: what is measured, and the page that shows it.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use drawloom_scheduler_core::{Counters, Scheduler, TaskState};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tonic::codegen::http;

use crate::handle::Handle;
use crate::listen::{Listen, ListenError, Socket};
use crate::service::{MetricsConfig, ServiceError};

/// Bounds of the buckets of every histogram: from 1 us to 100 s, three in each power of ten.
const BUCKETS: [f64; 25] = [
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2,
    5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0,
];
/// How often samples that nobody has asked for are summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the recorder of this process, once, at its start.
///
/// # Errors
/// When there is one already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    describe();
    Ok(recorder)
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("scheduler_tasks", "Tasks of kept jobs, by state");
    describe_counter!("scheduler_placements_total", "Placements, by policy and reason");
    describe_counter!("scheduler_inputs_total", "Inputs of placed attempts, by where they were");
    describe_counter!("scheduler_retries_total", "Attempts that failed and were followed");
    describe_counter!("scheduler_recalls_total", "Attempts that executors were to give back");
    describe_counter!("scheduler_transfers_total", "Objects moved between executors");
    describe_counter!("scheduler_transferred_bytes_total", "Bytes of objects moved");
    describe_counter!("scheduler_rounds_total", "Rounds of placement");
    describe_histogram!("scheduler_scheduling_delay_seconds", "From news to the order it led to");
    describe_histogram!("scheduler_queue_delay_seconds", "From an order's arrival to its start");
    describe_histogram!("scheduler_run_seconds", "From an attempt's start to its end");
    describe_histogram!("scheduler_grpc_seconds", "From a call to its answer's first byte");
    describe_gauge!("executor_cores", "Cores, free and offered");
    describe_gauge!("executor_memory_bytes", "Host memory, free and offered");
    describe_gauge!("executor_vram_bytes", "Device memory, free and offered");
    describe_gauge!("executor_attempts", "Attempts, running and queued");
    describe_gauge!("executor_objects", "Objects held");
    describe_gauge!("executor_object_bytes", "Bytes of objects held");
    describe_gauge!("executor_busy_core_seconds", "Core seconds used by attempts that ended");
}

/// The metrics page.
#[derive(Debug)]
pub(crate) struct Exporter {
    socket: TcpListener,
    address: Listen,
    recorder: PrometheusHandle,
}

impl Exporter {
    pub async fn bind(config: MetricsConfig) -> Result<Self, ServiceError> {
        match Socket::bind(&config.listen).await? {
            Socket::Tcp(socket) => {
                let address = Listen::Tcp(socket.local_addr()?);
                Ok(Exporter { socket, address, recorder: config.recorder })
            }
            Socket::Unix(..) => {
                Err(ListenError::Unreadable { text: config.listen.to_string() }.into())
            }
        }
    }

    pub fn address(&self) -> &Listen {
        &self.address
    }

    /// Shows the page until the driver stops.
    pub async fn run(self, handle: Handle) -> Result<(), ServiceError> {
        let page = Page { recorder: self.recorder.clone(), handle: handle.clone() };
        let router = Router::new().route("/metrics", get(render)).with_state(page);
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP).await;
                self.recorder.run_upkeep();
            }
        };
        tokio::select! {
            served = axum::serve(self.socket, router) => Ok(served?),
            () = upkeep => Ok(()),
            () = handle.stopped() => Ok(()),
        }
    }
}

#[derive(Clone)]
struct Page {
    recorder: PrometheusHandle,
    handle: Handle,
}

async fn render(State(page): State<Page>) -> Result<String, http::StatusCode> {
    let sampled = page.handle.query(|scheduler, _| sample(scheduler)).await;
    sampled.map_err(|_| http::StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(page.recorder.render())
}

/// Brings gauges and counters up to date.
fn sample(scheduler: &Scheduler) {
    let counters = scheduler.counters();
    for state in TaskState::ALL {
        metrics::gauge!("scheduler_tasks", "state" => state.name())
            .set(counters.tasks[state as usize] as f64);
    }
    let policy = scheduler.policy_name();
    for (reason, placements) in Counters::REASONS.into_iter().zip(counters.placements) {
        let reason = reason.name();
        metrics::counter!("scheduler_placements_total", "policy" => policy, "reason" => reason)
            .absolute(placements);
    }
    let inputs = [
        ("local", counters.inputs_local),
        ("sent", counters.inputs_sent),
        ("fetched", counters.inputs_fetched),
    ];
    for (place, count) in inputs {
        metrics::counter!("scheduler_inputs_total", "place" => place).absolute(count);
    }
    metrics::counter!("scheduler_retries_total").absolute(counters.retries);
    metrics::counter!("scheduler_recalls_total").absolute(counters.recalls);
    metrics::counter!("scheduler_transfers_total").absolute(counters.transfers);
    metrics::counter!("scheduler_transferred_bytes_total").absolute(counters.transferred_bytes);
    metrics::counter!("scheduler_rounds_total").absolute(counters.rounds);
    sample_executors(scheduler);
}

fn sample_executors(scheduler: &Scheduler) {
    for executor in scheduler.executors() {
        let name = executor.info.name.clone();
        let set = |metric: &'static str, kind: &'static str, value: f64| {
            metrics::gauge!(metric, "executor" => name.clone(), "kind" => kind).set(value);
        };
        let (offered, free) = (&executor.info.capacity, &executor.free);
        set("executor_cores", "offered", offered.cpu_milli as f64 / 1000.0);
        set("executor_cores", "free", free.cpu_milli as f64 / 1000.0);
        set("executor_memory_bytes", "offered", offered.memory_bytes as f64);
        set("executor_memory_bytes", "free", free.memory_bytes as f64);
        let vram = |capacity: &drawloom_model::Capacity| {
            capacity.devices.iter().map(|device| device.vram_bytes).sum::<u64>() as f64
        };
        set("executor_vram_bytes", "offered", vram(offered));
        set("executor_vram_bytes", "free", vram(free));
        set("executor_attempts", "running", executor.running.into());
        set("executor_attempts", "queued", executor.queued.into());
        set("executor_objects", "held", executor.objects.into());
        set("executor_object_bytes", "held", executor.object_bytes as f64);
        set("executor_busy_core_seconds", "used", executor.busy_core_seconds);
    }
}
