//! Who runs what, and when.

use crate::Problem;

/// When and where a task runs.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Slot {
    /// The processor's number.
    pub processor: u32,
    /// Seconds after the beginning.
    pub start: f64,
    /// Seconds after the beginning.
    pub finish: f64,
}

/// A slot for each task.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Schedule {
    /// By task.
    pub slots: Vec<Slot>,
}

impl Schedule {
    /// When the last task ends, in seconds.
    pub fn makespan(&self) -> f64 {
        self.slots.iter().map(|slot| slot.finish).fold(0.0, f64::max)
    }

    /// What comes of a plan when tasks take other times than it was made with: each processor runs
    /// its tasks in the order planned, each as early as it can.
    pub fn executed(&self, actual: &Problem) -> Self {
        let mut order: Vec<usize> = actual.order().collect();
        // Stable: tasks that take no time stay behind what they need.
        order.sort_by(|a, b| self.slots[*a].start.total_cmp(&self.slots[*b].start));
        let mut available = vec![0.0f64; actual.processors().len()];
        let mut slots = self.slots.clone();
        for task in order {
            let processor = self.slots[task].processor as usize;
            let place = actual.processors()[processor].place;
            let mut start = available[processor];
            for edge in actual.before(task) {
                let from = slots[edge.task as usize];
                let at = actual.processors()[from.processor as usize].place;
                start = start.max(from.finish + actual.transfer(edge.bytes, at, place));
            }
            let finish = start + actual.seconds(task, processor);
            available[processor] = finish;
            slots[task] = Slot { processor: processor as u32, start, finish };
        }
        Schedule { slots }
    }
}
