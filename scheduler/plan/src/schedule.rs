//! Who runs what, and when.

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
}
