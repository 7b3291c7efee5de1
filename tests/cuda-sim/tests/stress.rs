//! Many threads at once: streams, events, memory, kernels, copies between devices.

mod common;

use std::sync::Arc;

use common::{BASICS, Random, kernel, setup};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, LaunchConfig, PushKernelArg,
};

const N: u32 = 512;

fn run(
    stream: &Arc<CudaStream>,
    kernel: &CudaFunction,
    x: &mut CudaSlice<u32>,
    value: Option<u32>,
) {
    let mut launch = stream.launch_builder(kernel);
    launch.arg(x);
    if let Some(value) = &value {
        launch.arg(value);
    }
    launch.arg(&N);
    // SAFETY: the arguments are what the kernels take.
    unsafe { launch.launch(LaunchConfig::for_num_elems(N)) }.expect("a launch");
}

fn work(seed: u64) {
    let mut random = Random(seed);
    let context = CudaContext::new((seed % 2) as usize).expect("a device");
    let other = CudaContext::new((seed + 1) as usize % 2).expect("a device");
    let (fill, add) = (kernel(&context, BASICS, "fill"), kernel(&context, BASICS, "add_one"));
    let streams: Vec<_> = (0..3).map(|_| context.new_stream().expect("a stream")).collect();
    let far = other.new_stream().expect("a stream");
    let mut x = streams[0].alloc_zeros::<u32>(N as usize).expect("memory");
    let mut want = 0u32;
    for _ in 0..60 {
        let stream = &streams[random.bits() as usize % 3];
        match random.bits() % 6 {
            0 => {
                want = random.bits() % 1000;
                run(stream, &fill, &mut x, Some(want));
            }
            1 | 2 => {
                run(stream, &add, &mut x, None);
                want += 1;
            }
            3 => x = stream.clone_dtod(&x).expect("a copy"),
            4 => {
                let away = far.clone_dtod(&x).expect("a copy between devices");
                assert_eq!(far.clone_dtoh(&away).expect("a copy")[7], want);
            }
            _ => assert_eq!(stream.clone_dtoh(&x).expect("a copy"), vec![want; N as usize]),
        }
    }
    streams[0].synchronize().expect("it ends");
}

#[test]
fn threads_and_streams_do_not_disturb_each_other() {
    let library = setup(&[
        ("DRAWLOOM_SIM_DEVICES", "2"),
        ("DRAWLOOM_SIM_MEMORY", "64M"),
        ("DRAWLOOM_SIM_JITTER_US", "100"),
        ("DRAWLOOM_SIM_ORDER", "1"),
    ]);
    let keep: Vec<_> = (0..2).map(|device| CudaContext::new(device).expect("a device")).collect();
    let threads: Vec<_> = (0..6).map(|seed| std::thread::spawn(move || work(seed))).collect();
    for thread in threads {
        thread.join().expect("it ends well");
    }
    for context in &keep {
        context.synchronize().expect("it ends");
    }
    assert_eq!(library.reports(), "", "cudarc orders everything");
    assert_eq!((library.used_bytes(0), library.used_bytes(1)), (0, 0), "nothing is left");
}
