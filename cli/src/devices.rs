//! How busy each executor's cores were between two moments.

use std::collections::BTreeMap;
use std::time::Duration;

use drawloom_client::ClusterView;
use drawloom_model::ExecutorId;
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
        };
        let (version, tasks) = (String::new(), TaskCounts::default());
        ClusterView { version, executors: vec![executor], running_jobs: 0, tasks }
    }

    #[test]
    fn only_what_happened_in_between_counts() {
        let used = used(&view(5.0), &view(8.0), Duration::from_secs(2));
        assert_eq!(used[0].busy, 0.75);
        assert_eq!(used[0].cores, 2.0);
    }
}
