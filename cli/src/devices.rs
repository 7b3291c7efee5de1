//! What executors' cores and GPUs did between two moments.

use std::collections::BTreeMap;
use std::time::Duration;

use drawloom_client::ClusterView;
use drawloom_model::{DeviceUsage, ExecutorId};
use serde::Serialize;

/// What a device did.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DeviceUse {
    /// The executor's name.
    pub executor: String,
    /// Which device: `cpu` for all cores together.
    pub device: &'static str,
    /// How many cores that is.
    pub cores: f64,
    /// The share of their time that attempts held them, from 0 to 1.
    pub busy: f64,
}

/// What the executors of `after` did since `before`, which was so long ago.
pub fn used(before: &ClusterView, after: &ClusterView, span: Duration) -> Vec<DeviceUse> {
    let earlier: BTreeMap<ExecutorId, f64> =
        before.executors.iter().map(|view| (view.executor, view.busy_core_seconds)).collect();
    let share = |view: &drawloom_client::ExecutorView| {
        let cores = view.info.capacity.cpu_milli as f64 / 1000.0;
        let start = earlier.get(&view.executor).copied().unwrap_or(0.0);
        let offered = (cores * span.as_secs_f64()).max(1e-9);
        let busy = ((view.busy_core_seconds - start) / offered).clamp(0.0, 1.0);
        // Four digits: what was measured is no more exact.
        let busy = (busy * 1e4).round() / 1e4;
        DeviceUse { executor: view.info.name.clone(), device: "cpu", cores, busy }
    };
    let mut shares: Vec<DeviceUse> = after.executors.iter().map(share).collect();
    // By name: the order of joining tells nobody anything.
    shares.sort_by(|a, b| a.executor.cmp(&b.executor));
    shares
}

/// Where kernels on an executor's GPUs found their inputs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct GpuUse {
    /// The executor's name.
    pub executor: String,
    /// How many GPUs it has.
    pub gpus: usize,
    /// Inputs that were in their GPU's memory.
    pub inputs_found: u64,
    /// Inputs that were copied there, from the host or from another GPU.
    pub inputs_copied: u64,
    /// How many bytes that was.
    pub copied_bytes: u64,
    /// Bytes of objects that left a GPU for want of room.
    pub evicted_bytes: u64,
}

impl GpuUse {
    /// The share of inputs that were there, from 0 to 1.
    pub fn found(&self) -> f64 {
        self.inputs_found as f64 / ((self.inputs_found + self.inputs_copied) as f64).max(1.0)
    }
}

/// What the GPUs of executors in `after` did since `before`, executor by executor; those are left
/// out that did nothing.
pub fn gpus_used(before: &ClusterView, after: &ClusterView) -> Vec<GpuUse> {
    let earlier: BTreeMap<ExecutorId, &[DeviceUsage]> =
        before.executors.iter().map(|view| (view.executor, view.devices_used.as_slice())).collect();
    let used = after.executors.iter().map(|view| {
        let earlier = earlier.get(&view.executor).copied().unwrap_or_default();
        let gpus = view.devices_used.len();
        let mut used = GpuUse { executor: view.info.name.clone(), gpus, ..GpuUse::default() };
        for (place, now) in view.devices_used.iter().enumerate() {
            let then = earlier.get(place).copied().unwrap_or_default();
            let copied = |usage: &DeviceUsage| usage.inputs_uploaded + usage.inputs_received;
            used.inputs_found += now.inputs_found.saturating_sub(then.inputs_found);
            used.inputs_copied += copied(now).saturating_sub(copied(&then));
            used.copied_bytes += now.copied_bytes.saturating_sub(then.copied_bytes);
            used.evicted_bytes += now.evicted_bytes.saturating_sub(then.evicted_bytes);
        }
        used
    });
    let mut used: Vec<GpuUse> =
        used.filter(|used| used.inputs_found + used.inputs_copied > 0).collect();
    used.sort_by(|a, b| a.executor.cmp(&b.executor));
    used
}

#[cfg(test)]
mod tests {
    use drawloom_client::{ExecutorView, TaskCounts};
    use drawloom_model::{Capacity, ExecutorInfo};

    use super::*;

    fn view(busy_core_seconds: f64) -> ClusterView {
        let capacity = Capacity { cpu_milli: 2000, ..Capacity::default() };
        let info = ExecutorInfo { name: "here".into(), capacity, ..ExecutorInfo::default() };
        let executor = ExecutorView {
            executor: ExecutorId(1),
            info,
            free: Capacity::default(),
            running: 0,
            queued: 0,
            objects: 0,
            object_bytes: 0,
            spilled_bytes: 0,
            draining: false,
            busy_core_seconds,
            tasks_ended: 0,
            devices_used: Vec::new(),
        };
        let (version, tasks) = (String::new(), TaskCounts::default());
        ClusterView { version, executors: vec![executor], running_jobs: 0, tasks }
    }

    #[test]
    fn gpus_tell_what_they_found_in_between() {
        let at = |found, uploaded| {
            let mut view = view(0.0);
            let usage = DeviceUsage {
                inputs_found: found,
                inputs_uploaded: uploaded,
                copied_bytes: uploaded * 10,
                ..DeviceUsage::default()
            };
            view.executors[0].devices_used = vec![usage; 2];
            view
        };
        let used = gpus_used(&at(5, 5), &at(35, 15));
        assert_eq!((used[0].gpus, used[0].copied_bytes, used[0].found()), (2, 200, 0.75));
        assert_eq!(gpus_used(&at(5, 5), &at(5, 5)), []);
    }

    #[test]
    fn only_what_happened_in_between_counts() {
        let used = used(&view(5.0), &view(8.0), Duration::from_secs(2));
        assert_eq!(used[0].busy, 0.75);
        assert_eq!(used[0].cores, 2.0);
    }
}
