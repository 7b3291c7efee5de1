//! Devices that fail under load. One executor goes through all of it, since what happens to a
//! device happens to the whole process.

mod common;
#[path = "common/gpu.rs"]
mod gpu;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use drawloom_cuda_sim::client::Library;
use drawloom_executor::Config;
use drawloom_model::{
    Assignment, AttemptEnd, DeviceCapacity, DeviceIndex, FailureKind, FromExecutor, Outcome,
    ToExecutor,
};
use gpu::{on, simulate_machine};

const MACHINE: &[(&str, &str)] =
    &[("DRAWLOOM_SIM_DEVICES", "5"), ("DRAWLOOM_SIM_MEMORY", "64M"), ("DRAWLOOM_SIM_QUIET", "1")];

/// The next thing that is said of a device.
async fn changed(loom: &mut Loom, device: u16) -> DeviceCapacity {
    loop {
        if let FromExecutor::DeviceChanged { device: changed, capacity } = loom.next().await {
            assert_eq!(changed, DeviceIndex(device));
            return capacity;
        }
    }
}

fn kind(end: &AttemptEnd) -> FailureKind {
    match &end.outcome {
        Outcome::Failed(failure) => failure.kind,
        other => panic!("{other:?}"),
    }
}

/// It fails with the device, which is said first.
async fn fails_with(loom: &mut Loom, device: u16, index: u32) -> AttemptEnd {
    loom.run(on(device, fill(index, 8, 1.0)));
    assert_eq!(changed(loom, device).await, DeviceCapacity::NONE);
    let end = loom.ended().await;
    assert_eq!(kind(&end), FailureKind::DeviceLost);
    end
}

async fn works(loom: &mut Loom, device: u16, index: u32) {
    let made = loom.result(on(device, fill(index, 8, 2.0))).await.expect("it runs");
    assert_eq!(f32s(&made[0]), [2.0; 8]);
}

async fn is_given_back(loom: &mut Loom, device: u16, index: u32) {
    loom.run(on(device, fill(index, 8, 1.0)));
    let given_back = FromExecutor::Recalled { attempt: attempt(index) };
    while loom.next().await != given_back {}
}

/// A kernel fails: the context is of no more use, a new one is.
async fn a_broken_context_is_made_anew(loom: &mut Loom, library: Library) {
    works(loom, 0, 1).await;
    loom.run(on(0, fill(4, 1 << 16, 1.0)));
    assert!(matches!(loom.ended().await.outcome, Outcome::Succeeded(_)));
    assert!(library.inject("launch:0@1"));
    let end = fails_with(loom, 0, 2).await;
    let lost = FromExecutor::ReplicaLost { object: object(400) };
    assert!(loom.said.contains(&lost), "what it made is gone with the context");
    assert!(loom.handle.objects().get(object(400)).is_none());
    let Outcome::Failed(failure) = end.outcome else { panic!("it failed") };
    assert!(failure.message.contains("LAUNCH_FAILED"), "{failure}");
    let back = changed(loom, 0).await;
    assert!(back.milli == 1000 && back.vram_bytes > 32 << 20, "{back:?}");
    works(loom, 0, 3).await;
}

/// What falls off the bus stays away; what nobody uses is noticed by what the driver tells.
async fn a_lost_device_stays_out(loom: &mut Loom, library: Library) {
    assert!(library.inject("lost:1@1"));
    fails_with(loom, 1, 10).await;
    is_given_back(loom, 1, 11).await;
    // A process has it, of whose kernels the executor knows nothing.
    let sleeps = on(2, process(13, script("sleep 600", vec![])));
    let started = FromExecutor::Started { attempt: sleeps.attempt };
    loom.run(sleeps);
    while loom.next().await != started {}
    assert!(library.lose(2));
    assert_eq!(changed(loom, 2).await, DeviceCapacity::NONE);
    assert_eq!(kind(&loom.ended().await), FailureKind::DeviceLost);
    is_given_back(loom, 2, 12).await;
}

async fn memory_errors_take_a_device_out(loom: &mut Loom, library: Library) {
    assert!(library.inject("ecc:3@1"));
    fails_with(loom, 3, 20).await;
    is_given_back(loom, 3, 21).await;
}

/// An attempt that has half of a device.
fn half(index: u32, timeout: Option<Duration>) -> Assignment {
    let mut half = on(4, fill(index, 8, 1.0));
    let gpu = &mut request(&mut half).gpu;
    gpu.as_mut().expect("it asks for one").milli = 500;
    Arc::make_mut(&mut half.template).timeout = timeout;
    half
}

/// A kernel hangs that has no timeout, and is cancelled. Another ends with it, and nobody says that the
/// device is bad, however often.
async fn a_cancelled_kernel_without_end_is_ended(loom: &mut Loom, library: Library) {
    for index in (50..60).step_by(2) {
        assert!(library.inject("hang:4@1;hang:4@2"));
        let launches = |loom: &Loom| loom.handle.devices()[4].launches;
        let before = launches(loom);
        loom.run(half(index, None));
        loom.run(half(index + 1, None));
        while launches(loom) < before + 2 {
            tokio::task::yield_now().await;
        }
        loom.tell(vec![ToExecutor::Cancel { attempt: attempt(index) }]);
        assert_eq!(changed(loom, 4).await, DeviceCapacity::NONE);
        let mut ends = [loom.ended().await, loom.ended().await];
        ends.sort_by_key(|end| end.attempt);
        assert_eq!(ends[0].outcome, Outcome::Cancelled);
        assert_eq!(kind(&ends[1]), FailureKind::DeviceLost);
        assert_eq!(changed(loom, 4).await.milli, 1000);
    }
    works(loom, 4, 60).await;
}

/// Two kernels hang. One has a timeout, after which the device is reset under both.
async fn a_kernel_without_end_is_ended(loom: &mut Loom, library: Library) {
    assert!(library.inject("hang:4@1;hang:4@2"));
    loom.run(half(30, None));
    loom.run(half(31, Some(Duration::from_millis(50))));
    assert_eq!(changed(loom, 4).await, DeviceCapacity::NONE);
    let mut ends = [loom.ended().await, loom.ended().await];
    ends.sort_by_key(|end| end.attempt);
    assert_eq!(ends.each_ref().map(kind), [FailureKind::DeviceLost, FailureKind::TimedOut]);
    assert_eq!(changed(loom, 4).await.milli, 1000);
    works(loom, 4, 32).await;
}

#[tokio::test]
async fn whatever_fails_on_a_device_the_executor_goes_on() {
    let library = simulate_machine(MACHINE);
    let cancel_grace = Duration::from_millis(50);
    let mut loom = Loom::new(Config { offers_gpus: true, cancel_grace, ..config() }).await;
    a_broken_context_is_made_anew(&mut loom, library).await;
    a_lost_device_stays_out(&mut loom, library).await;
    memory_errors_take_a_device_out(&mut loom, library).await;
    a_kernel_without_end_is_ended(&mut loom, library).await;
    a_cancelled_kernel_without_end_is_ended(&mut loom, library).await;
    works(&mut loom, 0, 40).await;
    let made = loom.result(fill(41, 8, 3.0)).await.expect("the cores go on, too");
    assert_eq!(f32s(&made[0]), [3.0; 8]);
}
