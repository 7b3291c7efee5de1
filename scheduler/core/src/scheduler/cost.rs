//! What tasks are expected to cost, and what is learnt from those that have ended.

use std::time::Duration;

use drawloom_model::{MeasuredCost, ObjectKey, ObjectReport, TaskKey};

use super::Scheduler;
use super::soft::TemplateCosts;
use crate::cluster::Active;
use crate::cost::Footprint;
use crate::estimate;
use crate::policy::Placement;

impl Scheduler {
    /// What a task with these inputs and of this template is expected to take and make.
    pub(super) fn expected_footprint(
        &self,
        inputs: &[ObjectKey],
        costs: &TemplateCosts,
    ) -> Footprint {
        // Tasks of one template resemble each other more than others that run in the same way.
        let last = costs.last.or_else(|| {
            costs.ways.iter().flatten().find_map(|way| self.costs.last_footprint(*way))
        });
        Footprint::expected(self.bytes_of(inputs), last)
    }

    /// How large objects are together, if all are there.
    fn bytes_of(&self, objects: &[ObjectKey]) -> Option<u64> {
        let size = |object: &ObjectKey| Some(self.state.report(*object)?.size_bytes());
        objects.iter().map(size).try_fold(0u64, |sum, size| Some(sum.saturating_add(size?)))
    }

    /// A variant is placed for the sake of a measurement.
    pub(super) fn note_try(&mut self, key: TaskKey, placement: &Placement) {
        let Some(job) = self.state.job(key.job) else { return };
        let template = job.tasks[key.index as usize].template;
        let Some(costs) = self.soft.costs_of(key.job, template) else { return };
        let bytes = self.expected_footprint(job.inputs(key.index), costs).bytes();
        let way = costs.ways.get(usize::from(placement.variant)).copied().flatten();
        let class = self
            .cluster
            .executor(placement.executor)
            .map(|executor| executor.device_class(&placement.devices));
        if let (Some(way), Some(class)) = (way, class) {
            self.costs.tried(way, class, bytes);
        }
    }

    /// Learns from an attempt that succeeded and is off its executor.
    pub(super) fn learn(
        &mut self,
        key: TaskKey,
        active: &Active,
        run_time: Duration,
        reports: &[ObjectReport],
    ) {
        let last = self.soft.task(key).and_then(|soft| soft.last.as_ref());
        let copy_nanos = last.map_or(0, |last| last.reason.copy_nanos);
        let run_nanos = without_copies(estimate::nanos(run_time), copy_nanos);
        self.estimates.measured(active.class, active.variant, run_nanos);
        let Some(job) = self.state.job(key.job) else { return };
        let template = job.tasks[key.index as usize].template;
        let Some(input_bytes) = self.bytes_of(job.inputs(key.index)) else { return };
        let made = reports.iter().map(ObjectReport::size_bytes);
        let footprint = Footprint { input_bytes, output_bytes: made.fold(0, u64::saturating_add) };
        let Some(executor) = self.cluster.executor(active.executor) else { return };
        let class = executor.device_class(&active.devices);
        let Some(soft) = self.soft.job_mut(key.job) else { return };
        let Some(costs) = soft.costs.get_mut(template as usize) else { return };
        costs.last = Some(footprint);
        if let Some(way) = costs.ways.get(usize::from(active.variant)).copied().flatten() {
            self.costs.measured(way, class, footprint, run_nanos.max(1));
        }
    }

    /// A page of what was measured of every way to run something: at least `least` rows, if there
    /// are so many, from the way at `from` on, and where the next page begins, if there is one.
    /// Pages of a fixed `from` and `least` do not overlap, whatever is measured meanwhile.
    pub fn measured_costs(&self, from: usize, least: usize) -> (Vec<MeasuredCost>, Option<usize>) {
        self.costs.page(from, least)
    }

    /// Rises with everything that is measured.
    pub fn costs_version(&self) -> u64 {
        self.costs.version()
    }
}

/// A run without the copies of inputs to its device, which its executor counts in: they are expected
/// by themselves, from where the inputs are. What a bus moves is known roughly, so part of the run is
/// left in any case.
fn without_copies(run_nanos: u64, copy_nanos: u64) -> u64 {
    run_nanos - copy_nanos.min(run_nanos / 8 * 7)
}
