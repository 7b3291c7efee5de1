//! What is measured. It is recorded by the `metrics` facade; the binary chooses who listens.

use std::collections::BTreeSet;

use drawloom_scheduler_core::{Counters, Scheduler, TaskState};

use crate::handle::{Handle, Stopped};

/// Tells the recorder of this process what the scheduler's metrics mean.
pub fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("scheduler_tasks", "Tasks of kept jobs, by state");
    describe_counter!("scheduler_placements_total", "Placements, by policy and reason");
    describe_counter!("scheduler_inputs_total", "Inputs of placed attempts, by where they were");
    describe_counter!("scheduler_retries_total", "Attempts that failed and were followed");
    describe_counter!("scheduler_recalls_total", "Attempts that executors were to give back");
    describe_counter!("scheduler_transfers_total", "Objects moved between executors");
    describe_counter!("scheduler_transferred_bytes_total", "Bytes of objects moved");
    describe_gauge!("scheduler_gangs_waiting", "Gangs that are ready and wait for room");
    describe_counter!("scheduler_gangs_total", "Gangs, by what became of them");
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

/// Brings up to date what is sampled, not counted as it happens.
///
/// # Errors
/// When the scheduler stops.
pub async fn refresh(handle: &Handle) -> Result<(), Stopped> {
    handle.inspect(|shell, _| sample(&shell.scheduler, &mut shell.sampled)).await
}

/// The executors whose gauges were set last, by name.
pub(crate) type Sampled = BTreeSet<String>;

fn sample(scheduler: &Scheduler, sampled: &mut Sampled) {
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
    metrics::gauge!("scheduler_gangs_waiting").set(scheduler.gangs_waiting() as f64);
    let gangs = [
        ("placed", counters.gangs_placed),
        ("disbanded", counters.gangs_disbanded),
        ("timed_out", counters.gangs_timed_out),
    ];
    for (event, count) in gangs {
        metrics::counter!("scheduler_gangs_total", "event" => event).absolute(count);
    }
    metrics::counter!("scheduler_rounds_total").absolute(counters.rounds);
    sample_executors(scheduler, sampled);
}

const EXECUTOR_GAUGES: [(&str, &[&str]); 6] = [
    ("executor_cores", &["offered", "free"]),
    ("executor_memory_bytes", &["offered", "free"]),
    ("executor_vram_bytes", &["offered", "free"]),
    ("executor_attempts", &["running", "queued"]),
    ("executor_objects", &["held"]),
    ("executor_object_bytes", &["held"]),
];

fn sample_executors(scheduler: &Scheduler, sampled: &mut Sampled) {
    let names = scheduler.executors().map(|executor| executor.info.name.clone());
    let gone = std::mem::replace(sampled, names.collect());
    for name in gone.difference(sampled) {
        for (metric, kinds) in EXECUTOR_GAUGES {
            kinds.iter().for_each(|kind| set(name, metric, kind, 0.0));
        }
    }
    for executor in scheduler.executors() {
        let name = &executor.info.name;
        let set = |metric, kind, value| set(name, metric, kind, value);
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

fn set(executor: &str, metric: &'static str, kind: &'static str, value: f64) {
    metrics::gauge!(metric, "executor" => executor.to_owned(), "kind" => kind).set(value);
}
