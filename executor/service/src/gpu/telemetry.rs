//! How devices do, as metrics: each labelled with the device's uuid.

use drawloom_nvml::Sample;

/// Records what a device told; what it did not tell stays as it was.
pub(super) fn record(uuid: &str, sample: &Sample) {
    let gpu = || [("gpu", uuid.to_owned())];
    if let Some(percent) = sample.busy_percent {
        metrics::gauge!("executor_gpu_busy_percent", &gpu()).set(percent);
    }
    if let Some(bytes) = sample.memory_used_bytes {
        metrics::gauge!("executor_gpu_memory_used_bytes", &gpu()).set(bytes as f64);
    }
    if let Some(bytes) = sample.memory_bytes {
        metrics::gauge!("executor_gpu_memory_bytes", &gpu()).set(bytes as f64);
    }
    if let Some(watts) = sample.power_watts {
        metrics::gauge!("executor_gpu_power_watts", &gpu()).set(watts);
    }
    if let Some(degrees) = sample.temperature_celsius {
        metrics::gauge!("executor_gpu_temperature_celsius", &gpu()).set(degrees);
    }
    for (reason, holds) in &sample.throttling {
        let labels = [("gpu", uuid.to_owned()), ("reason", (*reason).to_owned())];
        metrics::gauge!("executor_gpu_throttled", &labels).set(u8::from(*holds));
    }
    let errors = [("corrected", sample.ecc_corrected), ("uncorrected", sample.ecc_uncorrected)];
    for (kind, count) in errors {
        let labels = [("gpu", uuid.to_owned()), ("kind", kind.to_owned())];
        if let Some(count) = count {
            metrics::counter!("executor_gpu_ecc_errors_total", &labels).absolute(count);
        }
    }
}

/// Counts an error that the driver reports.
pub(super) fn xid(uuid: &str, xid: u64) {
    let labels = [("gpu", uuid.to_owned()), ("xid", xid.to_string())];
    metrics::counter!("executor_gpu_xid_events_total", &labels).increment(1);
}

/// Records whether a device is in service.
pub(super) fn in_service(uuid: &str, is_in_service: bool) {
    let gpu = [("gpu", uuid.to_owned())];
    metrics::gauge!("executor_gpu_in_service", &gpu).set(u8::from(is_in_service));
}
