//! What is measured. It is recorded by the `metrics` facade; the binary chooses who listens.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Tells the recorder of this process what an executor's metrics mean.
pub fn describe() {
    describe_gauge!("executor_attempts", "Attempts that it has, running or queued");
    describe_gauge!("executor_actors", "Actors that it has begun and that have not ended");
    describe_counter!("executor_attempts_total", "Attempts that ended, by kernel and outcome");
    describe_histogram!("executor_run_seconds", "From an attempt's start to its end, by kernel");
    describe_counter!("executor_compilations_total", "Users' CUDA sources, by what became of them");
    describe_counter!("executor_output_bytes_total", "Bytes of outputs made");
    describe_gauge!("executor_arena_used_bytes", "Shared memory that objects take");
    describe_gauge!("executor_arena_resident_bytes", "The same with freed memory kept for reuse");
    describe_gauge!("executor_spilled_bytes", "Bytes of objects on disk, for want of memory");
    describe_counter!("executor_spills_total", "Objects written to disk for want of memory");
    describe_counter!("executor_restores_total", "Objects read back from disk");
    describe_gauge!("executor_gpu_in_service", "Whether the GPU takes work");
    describe_counter!("executor_gpu_failures_total", "How often the GPU was taken out of service");
    describe_gauge!("executor_gpu_busy_percent", "The part of the time that kernels ran, lately");
    describe_gauge!("executor_gpu_memory_used_bytes", "The GPU's memory in use, by whomever");
    describe_gauge!("executor_gpu_memory_bytes", "The GPU's memory");
    describe_gauge!("executor_gpu_power_watts", "What the GPU draws");
    describe_gauge!("executor_gpu_temperature_celsius", "How warm the GPU is");
    describe_gauge!("executor_gpu_throttled", "Whether the GPU is slowed down, by reason");
    describe_counter!("executor_gpu_ecc_errors_total", "Memory errors of the GPU, by kind");
    describe_counter!("executor_gpu_xid_events_total", "Errors of the GPU that the driver told");
    describe_counter!("executor_fetches_total", "Fetches of objects, by outcome");
    describe_counter!(
        "executor_resumed_fetches_total",
        "Fetches that went on after they broke off"
    );
    describe_counter!("executor_copied_bytes_total", "Bytes of objects copied from neighbours");
    describe_counter!("executor_received_bytes_total", "Bytes of objects fetched from others");
    describe_counter!("executor_shown_bytes_total", "Bytes of objects shown to local clients");
    describe_counter!("executor_sent_bytes_total", "Bytes of objects that others fetched");
}
