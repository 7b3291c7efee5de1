//! Kernels in an executor.

mod common;

use common::*;
use drawloom_model::{Attributes, FailureKind, FromExecutor, Outcome, TaskKey, ToExecutor};

#[tokio::test]
async fn chains_of_no_ops_take_one_batch() {
    let mut loom = Loom::new(config()).await;
    let chain = (0..1000).map(|index| {
        let mut next = kernel(index, "noop", Attributes::new(), 0);
        next.waits_for.extend(index.checked_sub(1).map(|index| TaskKey { job: JOB, index }));
        ToExecutor::Run(Box::new(next))
    });
    loom.tell(chain.collect());
    for index in 0..1000 {
        let end = loom.ended().await;
        assert_eq!(end.attempt, attempt(index));
        assert_eq!(end.outcome, Outcome::Succeeded(Default::default()));
    }
    let is_started = |message: &FromExecutor| matches!(message, FromExecutor::Started { .. });
    assert!(!loom.said.iter().any(is_started), "what ends at once is not said to start");
}

#[tokio::test]
async fn kernels_take_what_kernels_made() {
    let mut loom = Loom::new(config()).await;
    // One output travels inside messages, the other stays in the arena.
    for (base, len) in [(0, 100), (10, 100_000)] {
        let made = loom.result(fill(base, len, 1.5)).await.expect("a vector");
        assert_eq!(f32s(&made[0]), vec![1.5; len as usize]);
        let mut sum = kernel(base + 1, "sum_n", Attributes::new(), 1);
        sum.inputs.extend([local(object(100 * base)), local(object(100 * base))]);
        let sum = loom.result(sum).await.expect("a sum");
        assert_eq!(f32s(&sum[0]), vec![3.0; len as usize]);
    }
    loom.tell(vec![ToExecutor::Release { objects: vec![object(1000)] }]);
    let mut late = kernel(20, "sum_n", Attributes::new(), 1);
    late.inputs.extend([local(object(1000)), local(object(1000))]);
    let failure = loom.result(late).await.expect_err("released");
    assert_eq!(failure.kind, FailureKind::ObjectLost);
}

#[tokio::test]
async fn many_cores_make_the_same() {
    let mut loom = Loom::new(config()).await;
    let mut parallel = fill(0, 1_000_000, 2.0);
    request(&mut parallel).cpu_milli = 3000;
    let made = loom.result(parallel).await.expect("a vector");
    assert!(f32s(&made[0]).iter().all(|element| *element == 2.0));
}

#[tokio::test]
async fn failures_say_what_is_wrong() {
    let mut loom = Loom::new(config()).await;
    let failure = loom.result(kernel(0, "weave", Attributes::new(), 1)).await.expect_err("unknown");
    assert_eq!(failure.kind, FailureKind::Spawn);
    assert!(failure.message.contains("weave"), "{failure}");
    let failure = loom.result(fill(1, 100 << 20, 0.0)).await.expect_err("larger than the arena");
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    let failure = loom.result(kernel(2, "noop", Attributes::new(), 0)).await;
    assert_eq!(failure, Ok(Vec::new()), "the executor goes on");
}

#[tokio::test]
async fn memory_is_used_again() {
    let mut loom = Loom::new(config()).await;
    // Twenty times 16 MiB pass through an arena of 64 MiB.
    for index in 0..20 {
        loom.result(fill(index, 4 << 20, 1.0)).await.expect("room");
        loom.tell(vec![ToExecutor::Release { objects: vec![object(100 * index)] }]);
    }
}
