//! What is queued for a device, and the device is too small for all of it. One test at a time has the
//! devices: this one.

mod common;
#[path = "common/gpu.rs"]
mod gpu;

use std::path::{Path, PathBuf};

use common::*;
use drawloom_model::{
    Assignment, Attributes, DeviceUsage, FromExecutor, ObjectKey, Outcome, ResourceRequest,
    ToExecutor,
};
use gpu::{on, start_with_gpus};

/// Elements of a vector of 8 MiB; devices have 64 MiB.
const LEN: i64 = 2 << 20;

fn sum(index: u32, of: &[u32]) -> Assignment {
    let mut sum = kernel(index, "sum_n", Attributes::new(), 1);
    sum.inputs.extend(of.iter().map(|index| local(object(100 * index))));
    on(0, sum)
}

/// A process on cores that ends when there is a file.
fn gate(index: u32, file: &Path) -> Assignment {
    let wait = format!("while ! [ -e '{}' ]; do sleep 0.02; done", file.display());
    let mut gate = process(index, script(&wait, vec![]));
    *request(&mut gate) = ResourceRequest::cores(1);
    gate
}

struct Bench {
    loom: Loom,
    folder: tempfile::TempDir,
    /// How much was said when all was released last.
    seen: usize,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Bench { loom: start_with_gpus().await, folder, seen: 0 }
    }

    fn usage(&self) -> DeviceUsage {
        self.loom.handle.devices()[0]
    }

    async fn fill(&mut self, indexes: std::ops::Range<u32>) {
        for index in indexes {
            self.loom.run(on(0, fill(index, LEN, f64::from(index))));
            self.succeeds().await;
        }
    }

    async fn succeeds(&mut self) {
        let end = self.loom.ended().await;
        assert!(matches!(end.outcome, Outcome::Succeeded(_)), "{end:?}");
    }

    /// Queues these behind a process that goes on until the file is written that this returns.
    async fn queue(&mut self, index: u32, queued: Vec<Assignment>) -> PathBuf {
        let file = self.folder.path().join(format!("{index}-{}", self.seen));
        let gate = gate(index, &file);
        let started = FromExecutor::Started { attempt: gate.attempt };
        let waits_for = gate.attempt.task;
        self.loom.run(gate);
        for mut queued in queued {
            queued.waits_for.push(waits_for);
            self.loom.run(queued);
        }
        while self.loom.next().await != started {}
        file
    }

    async fn open(&mut self, file: PathBuf, queued: usize) {
        std::fs::write(file, []).expect("written");
        for _ in 0..=queued {
            self.succeeds().await;
        }
    }

    /// What has left the device since.
    fn moved(&self) -> Vec<ObjectKey> {
        let moved = self.loom.said[self.seen..].iter().filter_map(|said| match said {
            FromExecutor::ReplicaMoved { object, .. } => Some(*object),
            _ => None,
        });
        moved.collect()
    }

    async fn is_full_of(&self, index: u32, expected: f32) {
        let read = self.loom.handle.objects().read(object(100 * index)).await;
        let elements = f32s(&read.expect("it can be read").expect("it is here"));
        assert!(elements.iter().all(|element| *element == expected), "{} {expected}", elements[0]);
    }

    async fn release(&mut self, indexes: std::ops::Range<u32>) {
        let objects = indexes.map(|index| object(100 * index)).collect();
        self.loom.tell(vec![ToExecutor::Release { objects }]);
        while self.usage().objects_bytes > 0 {
            tokio::task::yield_now().await;
        }
        self.seen = self.loom.said.len();
    }
}

/// Of what was used longest ago, that stays which something queued wants; of two that are wanted,
/// that which is wanted first. What was taken back is wanted no more.
async fn what_is_wanted_stays(bench: &mut Bench) {
    bench.fill(1..7).await;
    let mut last = sum(12, &[1]);
    last.priority = -1;
    let withdrawn = sum(13, &[2, 3]);
    let attempt = withdrawn.attempt;
    let file = bench.queue(10, vec![last, sum(11, &[4]), withdrawn]).await;
    bench.loom.tell(vec![ToExecutor::Recall { attempt }]);
    while bench.loom.next().await != (FromExecutor::Recalled { attempt }) {}
    bench.fill(20..27).await;
    let objects = |indexes: &[u32]| indexes.iter().map(|i| object(100 * i)).collect::<Vec<_>>();
    assert_eq!(bench.moved(), objects(&[2, 3, 5, 6, 20]), "neither 1 nor 4");
    bench.open(file, 2).await;
    assert_eq!(bench.usage().inputs_found, 2, "{:?}", bench.usage());
    bench.is_full_of(11, 4.0).await;
    bench.is_full_of(12, 1.0).await;
    bench.release(1..30).await;
}

/// What is queued wants twice what the device has: who is next finds all of its own.
async fn all_that_is_queued_gets_its_turn(bench: &mut Bench) {
    let before = bench.usage();
    bench.fill(1..7).await;
    let queued = vec![sum(11, &[1, 2, 3]), sum(12, &[4, 5, 6]), sum(13, &[20, 21, 22, 23])];
    let file = bench.queue(10, queued).await;
    bench.fill(20..24).await;
    // The last one's are made last, and go first all the same.
    assert!(bench.moved().iter().all(|moved| moved.index >= 2000), "{:?}", bench.moved());
    bench.open(file, 3).await;
    let usage = bench.usage();
    assert_eq!(usage.inputs_found - before.inputs_found, 6, "{usage:?}");
    bench.is_full_of(11, 6.0).await;
    bench.is_full_of(12, 15.0).await;
    bench.is_full_of(13, 86.0).await;
    bench.release(1..30).await;
}

/// Four that share the device start together, and want all that is there: the first finds room for what
/// it makes all the same.
async fn those_that_have_started_wait_for_their_turn(bench: &mut Bench) {
    let share = |mut assignment: Assignment| {
        let gpu = request(&mut assignment).gpu.as_mut().expect("it asks for one");
        gpu.milli = 250;
        assignment
    };
    bench.fill(1..8).await;
    let queued = [(11, [1, 2]), (12, [3, 4]), (13, [5, 6]), (14, [7, 1])];
    let queued = queued.map(|(index, of)| share(sum(index, &of))).to_vec();
    let file = bench.queue(10, queued).await;
    bench.open(file, 4).await;
    for (index, expected) in [(11, 3.0), (12, 7.0), (13, 11.0), (14, 8.0)] {
        bench.is_full_of(index, expected).await;
    }
    bench.release(1..30).await;
}

#[tokio::test]
async fn who_runs_next_has_the_device_s_memory() {
    let mut bench = Bench::new().await;
    what_is_wanted_stays(&mut bench).await;
    all_that_is_queued_gets_its_turn(&mut bench).await;
    those_that_have_started_wait_for_their_turn(&mut bench).await;
}
