//! Faults on purpose.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{BASICS, kernel, setup};
use cudarc::driver::sys::CUresult;
use cudarc::driver::{CudaContext, CudaStream, DriverError, LaunchConfig};
use drawloom_cuda_sim::client::Library;

fn start(device: usize) -> (Library, Arc<CudaContext>, Arc<CudaStream>) {
    let library = setup(&[
        ("DRAWLOOM_SIM_DEVICES", "8"),
        ("DRAWLOOM_SIM_MEMORY", "64M"),
        ("DRAWLOOM_SIM_FAULTS", "oom:0@3"),
    ]);
    let context = CudaContext::new(device).expect("a device");
    let stream = context.new_stream().expect("a stream");
    (library, context, stream)
}

fn launch(context: &Arc<CudaContext>, stream: &Arc<CudaStream>) -> Result<(), DriverError> {
    let empty = kernel(context, BASICS, "empty");
    let shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (32, 1, 1), shared_mem_bytes: 0 };
    // SAFETY: the kernel takes nothing.
    unsafe { stream.launch_builder(&empty).launch(shape) }.map(drop)
}

#[test]
fn the_third_allocation_fails_and_the_fourth_works() {
    let (_, _context, stream) = start(0);
    let outcomes: Vec<bool> = (0..4).map(|_| stream.alloc_zeros::<u8>(64).is_ok()).collect();
    assert_eq!(outcomes, [true, true, false, true]);
}

#[test]
fn a_refused_launch_leaves_the_context_well() {
    let (library, context, stream) = start(1);
    assert!(library.inject("refuse:1@2"));
    let refused = Err(DriverError(CUresult::CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES));
    assert_eq!(launch(&context, &stream), Ok(()));
    assert_eq!(launch(&context, &stream), refused);
    assert_eq!(launch(&context, &stream), Ok(()));
    stream.synchronize().expect("it ends");
}

#[test]
fn failures_and_memory_errors_stay() {
    for (device, fault, code) in [
        (2, "launch:2@1", CUresult::CUDA_ERROR_LAUNCH_FAILED),
        (3, "ecc:3@1", CUresult::CUDA_ERROR_ECC_UNCORRECTABLE),
    ] {
        let (library, context, stream) = start(device);
        assert!(library.inject(fault));
        // It is seen later, or at once.
        let _ = launch(&context, &stream);
        assert_eq!(stream.synchronize(), Err(DriverError(code)));
        assert_eq!(stream.alloc_zeros::<u8>(1).err(), Some(DriverError(code)));
    }
}

#[test]
fn a_hanging_kernel_goes_on_when_it_is_released() {
    let (library, context, stream) = start(4);
    assert!(library.inject("hang:4@1"));
    launch(&context, &stream).expect("a launch");
    let event = context.new_event(None).expect("an event");
    event.record(&stream).expect("a record");
    std::thread::sleep(Duration::from_millis(50));
    assert!(!event.is_complete());
    assert!(library.release(4));
    stream.synchronize().expect("it ends");
}

#[test]
fn a_lost_device_answers_nothing() {
    let (library, context, stream) = start(5);
    launch(&context, &stream).expect("a launch");
    stream.synchronize().expect("it ends");
    assert!(library.lose(5));
    assert!(stream.synchronize().is_err() && launch_again(&stream));
    drop((stream, context));
    assert!(CudaContext::new(5).is_err());
    assert!(library.revive(5));
    let (_, context, stream) = start(5);
    launch(&context, &stream).expect("a launch");
    stream.synchronize().expect("it ends");
}

fn launch_again(stream: &Arc<CudaStream>) -> bool {
    stream.alloc_zeros::<u8>(16).is_err()
}

#[test]
fn slow_devices_take_longer() {
    let (library, context, stream) = start(6);
    let fill = kernel(&context, BASICS, "fill");
    let n = 1u32 << 16;
    let mut x = stream.alloc_zeros::<u32>(n as usize).expect("memory");
    let mut time = || {
        let started = Instant::now();
        for _ in 0..10 {
            use cudarc::driver::PushKernelArg;
            let mut launch = stream.launch_builder(&fill);
            launch.arg(&mut x).arg(&n).arg(&n);
            // SAFETY: the arguments are what the kernel takes.
            unsafe { launch.launch(LaunchConfig::for_num_elems(n)) }.expect("a launch");
        }
        stream.synchronize().expect("it ends");
        started.elapsed()
    };
    time();
    let usual = time();
    assert!(library.inject("slow:6=8"));
    assert!(time() > usual * 3);
}

#[test]
fn unreadable_faults_are_refused() {
    let (library, ..) = start(7);
    assert!(!library.inject("frob@1") && !library.inject("oom@0") && !library.inject("oom"));
}
