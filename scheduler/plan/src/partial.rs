//! A schedule in the making.

use crate::problem::Problem;
use crate::schedule::{Schedule, Slot};

/// No processor yet.
const NOBODY: u32 = u32::MAX;

/// A schedule in the making: some tasks have slots, and processors are busy then.
pub(crate) struct Partial<'p> {
    pub problem: &'p Problem,
    slots: Vec<Slot>,
    /// By processor: when it is busy, in order, without overlaps.
    busy: Vec<Vec<(f64, f64)>>,
    /// Seconds at which a task's data is at each place, for the task asked about last.
    there: Vec<f64>,
}

impl<'p> Partial<'p> {
    pub fn new(problem: &'p Problem) -> Self {
        Partial {
            problem,
            slots: vec![Slot { processor: NOBODY, start: 0.0, finish: 0.0 }; problem.len()],
            busy: vec![Vec::new(); problem.processors().len()],
            there: vec![0.0; problem.places()],
        }
    }

    pub fn slot(&self, task: usize) -> Slot {
        self.slots[task]
    }

    /// When a processor has run everything that it was given.
    pub fn available(&self, processor: usize) -> f64 {
        self.busy[processor].last().map_or(0.0, |(_, finish)| *finish)
    }

    /// When the data of a task, as far as it is made, is at each place. What is not planned yet does
    /// not count.
    pub fn data_there(&mut self, task: usize) -> &[f64] {
        self.there.fill(0.0);
        for edge in self.problem.before(task) {
            let from = self.slots[edge.task as usize];
            if from.processor == NOBODY {
                continue;
            }
            let place = self.problem.processors()[from.processor as usize].place;
            for (to, there) in self.there.iter_mut().enumerate() {
                let arrives = from.finish + self.problem.transfer(edge.bytes, place, to as u32);
                *there = there.max(arrives);
            }
        }
        &self.there
    }

    /// The earliest slot for a task on a processor, in the gaps between what is planned there, when
    /// its data is there at `ready`.
    pub fn inserted(&self, task: usize, processor: usize, ready: f64) -> Slot {
        let seconds = self.problem.seconds(task, processor);
        let busy = &self.busy[processor];
        // Gaps that end before the data is there are too early.
        let first = busy.partition_point(|(_, finish)| *finish <= ready);
        let mut start = ready;
        for (from, to) in &busy[first..] {
            if start + seconds <= *from {
                break;
            }
            start = start.max(*to);
        }
        Slot { processor: processor as u32, start, finish: start + seconds }
    }

    /// The earliest slot for a task on a processor after all that is planned there.
    pub fn appended(&self, task: usize, processor: usize, ready: f64) -> Slot {
        let start = ready.max(self.available(processor));
        let finish = start + self.problem.seconds(task, processor);
        Slot { processor: processor as u32, start, finish }
    }

    /// Gives a task its slot, in which the processor must be idle.
    pub fn place(&mut self, task: usize, slot: Slot) {
        self.slots[task] = slot;
        let busy = &mut self.busy[slot.processor as usize];
        // Behind tasks that take no time and end as this one starts.
        let index = busy.partition_point(|(start, finish)| {
            *start < slot.start || (*start <= slot.start && *finish <= slot.start)
        });
        busy.insert(index, (slot.start, slot.finish));
    }

    /// Takes a task's slot back.
    pub fn remove(&mut self, task: usize) {
        let slot = std::mem::replace(&mut self.slots[task].processor, NOBODY);
        let (start, finish) = (self.slots[task].start, self.slots[task].finish);
        let busy = &mut self.busy[slot as usize];
        if let Some(index) = busy.iter().position(|planned| *planned == (start, finish)) {
            busy.remove(index);
        }
    }

    /// When the data of a task, as far as it is made, is where a processor is.
    pub fn data_at(&mut self, task: usize, processor: usize) -> f64 {
        let place = self.problem.processors()[processor].place as usize;
        self.data_there(task)[place]
    }

    /// The best slot for a task by a score, which gets the earliest slots, gaps included, of all
    /// processors that can run it. The lowest score wins, then the lowest processor.
    pub fn best(&mut self, task: usize, mut score: impl FnMut(&Slot) -> f64) -> Slot {
        self.data_there(task);
        let mut best: Option<(f64, Slot)> = None;
        for (processor, it) in self.problem.processors().iter().enumerate() {
            if !self.problem.seconds_on_kind(task, it.kind as usize).is_finite() {
                continue;
            }
            let slot = self.inserted(task, processor, self.there[it.place as usize]);
            let score = score(&slot);
            if best.as_ref().is_none_or(|(least, _)| score < *least) {
                best = Some((score, slot));
            }
        }
        // A problem has a processor for each task.
        best.map(|(_, slot)| slot).unwrap_or_default()
    }

    pub fn into_schedule(self) -> Schedule {
        Schedule { slots: self.slots }
    }
}
