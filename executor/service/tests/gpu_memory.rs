//! Objects in the memory of simulated GPUs. One test at a time has the devices: this one.

mod common;
#[path = "common/gpu.rs"]
mod gpu;

use common::*;
use drawloom_executor::Config;
use drawloom_model::{
    Assignment, Attributes, DeviceIndex, FailureKind, FromExecutor, ObjectKey, ReplicaPlace,
    ToExecutor, Value,
};
use gpu::{on, simulate, start_with_gpus};

/// Elements of a vector of 8 MiB.
const LEN: i64 = 2 << 20;

fn sum(index: u32, of: &[u32]) -> Assignment {
    let mut sum = kernel(index, "sum_n", Attributes::new(), 1);
    sum.inputs.extend(of.iter().map(|index| local(object(100 * index))));
    sum
}

fn is_full_of(value: &Value, expected: f32) {
    let elements = f32s(value);
    assert_eq!(elements.len(), LEN as usize);
    assert!(elements.iter().all(|element| *element == expected), "{}", elements[0]);
}

/// Runs an attempt that succeeds, and does not look at what it makes.
async fn make(loom: &mut Loom, assignment: Assignment) -> Option<DeviceIndex> {
    loom.run(assignment);
    let end = loom.ended().await;
    assert!(matches!(end.outcome, drawloom_model::Outcome::Succeeded(_)), "{end:?}");
    end.outputs_on
}

async fn read(loom: &Loom, index: u32) -> Value {
    let read = loom.handle.objects().read(object(100 * index)).await;
    read.expect("it can be read").expect("it is here")
}

async fn release(loom: &Loom, objects: Vec<ObjectKey>) {
    loom.tell(vec![ToExecutor::Release { objects }]);
    while loom.handle.devices().iter().any(|device| device.objects_bytes > 0) {
        tokio::task::yield_now().await;
    }
}

fn moved(loom: &Loom, place: ReplicaPlace) -> usize {
    let is_it = |said: &&FromExecutor| matches!(said, FromExecutor::ReplicaMoved { place: now, .. } if *now == place);
    loom.said.iter().filter(is_it).count()
}

#[tokio::test]
async fn objects_stay_on_devices_and_leave_them_for_want_of_room() {
    let library = simulate();
    let unused = [library.used_bytes(0), library.used_bytes(1)];

    // What is made on a device is there, and nowhere else, until somebody else needs it.
    let mut loom = start_with_gpus().await;
    assert_eq!(make(&mut loom, on(0, fill(1, LEN, 1.0))).await, Some(DeviceIndex(0)));
    assert_eq!(make(&mut loom, on(0, sum(2, &[1, 1]))).await, Some(DeviceIndex(0)));
    assert_eq!(loom.handle.objects().usage().memory_bytes, 0);
    let usage = loom.handle.devices()[0];
    assert_eq!((usage.inputs_found, usage.copied_bytes), (2, 0));
    // Another device takes it from there, each input once.
    make(&mut loom, on(1, sum(3, &[1, 2, 1]))).await;
    let usage = loom.handle.devices()[1];
    assert_eq!((usage.inputs_received, usage.inputs_found), (2, 1));
    // Cores take it from the host's memory, and then it is there, too.
    assert_eq!(make(&mut loom, sum(4, &[2, 3])).await, None);
    assert_eq!(moved(&loom, ReplicaPlace::Memory), 2);
    is_full_of(&read(&loom, 4).await, 6.0);
    // What has left memory for the device is read from there.
    is_full_of(&read(&loom, 1).await, 1.0);
    release(&loom, [100, 200, 300, 400].map(object).to_vec()).await;
    assert_eq!(loom.handle.objects().usage().memory_bytes, 0);

    // Sixteen vectors of 8 MiB on a device of 64 MiB, and 64 MiB in the host's memory.
    for index in 10..18 {
        make(&mut loom, on(0, fill(index, LEN, f64::from(index)))).await;
    }
    for index in 18..24 {
        make(&mut loom, on(0, fill(index, LEN, f64::from(index)))).await;
    }
    assert!(moved(&loom, ReplicaPlace::Memory) >= 2 + 6);
    assert!(loom.handle.devices()[0].evicted_bytes >= 48 << 20);
    make(&mut loom, on(0, sum(30, &[10, 23]))).await;
    is_full_of(&read(&loom, 30).await, 33.0);
    // What is larger than the device fails, and says what it has.
    let failure = loom.result(on(0, fill(31, 32 << 20, 1.0))).await;
    let failure = failure.expect_err("larger than the device");
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert!(failure.message.contains("134217728 bytes wanted"), "{failure}");
    let all = (10..=30).map(|index| object(100 * index)).collect();
    release(&loom, all).await;
    loom.tell(vec![ToExecutor::Stop]);
    loom.handle.ended().await;
    drop(loom);

    // With hardly any memory on the host they go to the disk, and come back from there.
    let disk = tempfile::tempdir().expect("a place");
    let config = Config {
        offers_gpus: true,
        arena_bytes: Some(16 << 20),
        spill: Some(disk.path().to_owned()),
        ..config()
    };
    let mut loom = Loom::new(config).await;
    for index in 0..16 {
        make(&mut loom, on(0, fill(index, LEN, f64::from(index)))).await;
    }
    assert!(moved(&loom, ReplicaPlace::Disk) >= 4, "{:?}", loom.handle.objects().usage());
    make(&mut loom, on(0, sum(40, &[0, 1, 2, 3]))).await;
    is_full_of(&read(&loom, 40).await, 6.0);
    let all = (0..=40).map(|index| object(100 * index)).collect();
    release(&loom, all).await;
    assert_eq!(loom.handle.objects().usage().disk_bytes, 0);
    loom.tell(vec![ToExecutor::Stop]);
    loom.handle.ended().await;
    drop(loom);
    // The devices' threads let go of the last of it.
    let start = std::time::Instant::now();
    while [library.used_bytes(0), library.used_bytes(1)] != unused {
        assert!(start.elapsed() < PATIENCE, "memory of devices is left");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(library.reports(), "");
}
