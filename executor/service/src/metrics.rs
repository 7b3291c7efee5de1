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
