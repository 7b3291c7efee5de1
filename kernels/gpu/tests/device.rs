//! Every kernel on a CUDA device, compared with its CPU twin and with the twin in f64.
//!
//! The device is the first of the system's driver, or of the library that `DRAWLOOM_LIBCUDA` names;
//! where there is neither, a simulated one. `DRAWLOOM_KERNEL` names the one kernel to try.
//! `cargo xtask gpu-check` runs the same calls, and measures.

use std::sync::LazyLock;

use drawloom_gpu_check::driver::{self, Wanted};
use drawloom_gpu_check::suite::{Call, Runner, calls, check_all, large_calls};

static RUNNER: LazyLock<Runner> = LazyLock::new(|| {
    let device = driver::open(Wanted::Any).expect("a device, if only a simulated one");
    Runner::open(device.ordinal()).expect("the device answers")
});

fn check(calls: &[Call]) {
    let only = std::env::var("DRAWLOOM_KERNEL").ok();
    let wanted = |call: &&Call| only.as_deref().is_none_or(|only| call.call.name == only);
    let findings = check_all(&RUNNER, calls.iter().filter(wanted));
    for (_, line) in &findings.wrong {
        eprintln!("{line}");
    }
    assert_eq!(findings.broken, None);
    let (tried, kernels) = (findings.tried, findings.kernels());
    assert!(kernels.is_empty(), "of {tried} calls, some of {kernels:?} are wrong");
}

#[test]
fn kernels_make_what_their_cpu_twins_make() {
    check(&calls(7));
}

/// The same with other numbers, where `DRAWLOOM_SEED` gives one.
#[test]
fn other_numbers_too() {
    if let Some(seed) = std::env::var("DRAWLOOM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        check(&calls(seed));
    }
}

#[test]
#[ignore = "takes a minute on a simulated device"]
fn large_calls_too() {
    check(&large_calls(7));
}
