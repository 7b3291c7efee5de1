//! Work of streams that nothing orders is found, whatever order it happened to take.

mod common;

use common::{BASICS, kernel, setup};
use cudarc::driver::{CudaContext, DevicePtr, LaunchConfig, PushKernelArg};

const N: u32 = 4096;

#[test]
fn a_missing_event_is_found_and_a_present_one_is_left_alone() {
    let library = setup(&[
        ("DRAWLOOM_SIM_ORDER", "1"),
        ("DRAWLOOM_SIM_MEMORY", "64M"),
        ("DRAWLOOM_SIM_JITTER_US", "2000"),
    ]);
    let context = CudaContext::new(0).expect("a device");
    // cudarc would add the missing events by itself.
    // SAFETY: ordering is what this test is about.
    unsafe { context.disable_event_tracking() };
    let (a, b) = (context.new_stream().expect("a stream"), context.new_stream().expect("a stream"));
    let (fill, add) = (kernel(&context, BASICS, "fill"), kernel(&context, BASICS, "add_one"));
    let x = a.alloc_zeros::<u32>(N as usize).expect("memory");
    a.synchronize().expect("it ends");
    let pointer = x.device_ptr(&a).0;
    let round = |ordered: bool| {
        let value = 5u32;
        let mut launch = a.launch_builder(&fill);
        launch.arg(&pointer).arg(&value).arg(&N);
        // SAFETY: the arguments are what the kernel takes.
        unsafe { launch.launch(LaunchConfig::for_num_elems(N)) }.expect("a launch");
        if ordered {
            b.join(&a).expect("an order");
        }
        let mut launch = b.launch_builder(&add);
        launch.arg(&pointer).arg(&N);
        // SAFETY: as above.
        unsafe { launch.launch(LaunchConfig::for_num_elems(N)) }.expect("a launch");
        b.synchronize().expect("it ends");
        let got = b.clone_dtoh(&x).expect("a copy")[0];
        a.synchronize().expect("it ends");
        got
    };
    assert_eq!(round(true), 6);
    assert_eq!(library.reports(), "");
    let wrong = (0..5).filter(|_| round(false) != 6).count();
    assert!(wrong > 0, "the wait for one stream hurries that one alone");
    let reports = library.reports();
    assert!(
        reports.contains("stream-order: kernel") && reports.contains("nothing orders them"),
        "{reports}"
    );
}
