//! Nothing is left behind: alone in its process, so that it can count.

mod common;

use std::fs;

use common::*;
use drawloom_executor::Config;
use drawloom_model::{Attributes, FailureKind, ProcessInput, ProcessOutput, ToExecutor, Value};
use drawloom_proto::Listen;

/// Mappings of objects, and open files.
fn held() -> (usize, usize) {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
    let mappings = maps.lines().filter(|line| line.contains("drawloom-objects")).count();
    (mappings, fs::read_dir("/proc/self/fd").expect("Linux").count())
}

/// An executor that spills, serves, runs processes and fails; ended in the end.
async fn live() {
    let place = tempfile::tempdir().expect("a place");
    let listen: Listen = "127.0.0.1:0".parse().expect("an address");
    let config = Config {
        cores: Some(2),
        arena_bytes: Some(16 << 20),
        listen: Some(listen),
        spill: Some(place.path().to_owned()),
        ..Config::default()
    };
    let mut loom = Loom::new(config.clone()).await;
    let mut other = Loom::new(config).await;
    for index in 0..6 {
        loom.result(fill(index, 1 << 20, 1.0)).await.expect("room");
    }
    loom.handle.objects().put(object(7), Value::blob(vec![1; 1 << 20])).await.expect("room");
    let mut far = kernel(20, "sum_n", Attributes::new(), 1);
    far.inputs.extend([remote(object(0), &[&loom.handle.info.address])]);
    other.result(far).await.expect("fetched");
    let mut cat = script("cat", vec![ProcessOutput::Stdout]);
    cat.inputs = vec![ProcessInput::Stdin];
    let mut cat = process(8, cat);
    cat.inputs.extend([local(object(100))]);
    loom.result(cat).await.expect("a copy");
    let failure = loom.result(fill(9, 9 << 20, 1.0)).await.expect_err("too large");
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    for loom in [&mut loom, &mut other] {
        loom.tell(vec![ToExecutor::Stop]);
        loom.handle.ended().await;
    }
    assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 0);
}

#[test]
fn mappings_and_files_are_given_back() {
    let round = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(live());
    };
    round();
    // Worker threads that are just ending may hold the last references for a moment.
    let mut patience = 1000;
    while held().0 > 0 && patience > 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        patience -= 1;
    }
    let before = held();
    assert_eq!(before.0, 0, "every mapping is gone");
    for _ in 0..3 {
        round();
    }
    while held() != before && patience > 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        patience -= 1;
    }
    assert_eq!(held(), before);
}
