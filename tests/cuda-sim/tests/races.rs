//! The detector of races on shared memory.

mod common;

use common::{BASICS, Random, kernel, setup};
use cudarc::driver::{CudaContext, LaunchConfig, PushKernelArg};

#[test]
fn a_missing_barrier_is_told_and_right_kernels_are_left_alone() {
    let library = setup(&[("DRAWLOOM_SIM_RACES", "report"), ("DRAWLOOM_SIM_MEMORY", "64M")]);
    let context = CudaContext::new(0).expect("a device");
    let stream = context.new_stream().expect("a stream");
    let shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (256, 1, 1), shared_mem_bytes: 0 };
    let mut out = stream.alloc_zeros::<i32>(256).expect("memory");
    let run = |name: &str, out: &mut cudarc::driver::CudaSlice<i32>| {
        let kernel = kernel(&context, BASICS, name);
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(out);
        // SAFETY: the arguments are what the kernel takes.
        unsafe { launch.launch(shape) }.expect("a launch");
        stream.synchronize().expect("it ends");
    };
    run("barrier_right", &mut out);
    // Kernels with many barriers, shuffles and atomics in between.
    let mut random = Random(5);
    let x = stream.clone_htod(&random.floats(3000)).expect("a copy");
    let mut y = stream.alloc_zeros::<f32>(3000).expect("memory");
    let columns = 300i32;
    let softmax = kernel(&context, BASICS, "softmax");
    let mut launch = stream.launch_builder(&softmax);
    launch.arg(&x).arg(&mut y).arg(&columns);
    let rows =
        LaunchConfig { grid_dim: (10, 1, 1), block_dim: (128, 1, 1), shared_mem_bytes: 1200 };
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(rows) }.expect("a launch");
    let bytes = stream.clone_htod(&vec![7u8; 5000]).expect("a copy");
    let mut bins = stream.alloc_zeros::<u32>(256).expect("memory");
    let n = 5000u32;
    let histogram = kernel(&context, BASICS, "histogram");
    let mut launch = stream.launch_builder(&histogram);
    launch.arg(&bytes).arg(&mut bins).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(LaunchConfig { grid_dim: (2, 1, 1), ..shape }) }.expect("a launch");
    stream.synchronize().expect("it ends");
    assert_eq!(library.reports(), "", "nothing is wrong with these");

    run("barrier_race", &mut out);
    let reports = library.reports();
    assert!(
        reports.contains("shared-race: kernel barrier_race")
            && reports.contains("is not ordered after"),
        "{reports}"
    );
}
