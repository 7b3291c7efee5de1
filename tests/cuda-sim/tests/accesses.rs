//! Bad accesses are found, told and stay.

mod common;

use std::sync::Arc;

use common::{BASICS, kernel, setup};
use cudarc::driver::sys::CUresult;
use cudarc::driver::{
    CudaContext, CudaFunction, CudaStream, DevicePtr, DriverError, LaunchConfig, PushKernelArg,
};
use drawloom_cuda_sim::client::Library;

/// A device for every test: a failure breaks the context.
fn start(device: usize) -> (Library, Arc<CudaContext>, Arc<CudaStream>, CudaFunction) {
    let library = setup(&[("DRAWLOOM_SIM_DEVICES", "8"), ("DRAWLOOM_SIM_MEMORY", "64M")]);
    let context = CudaContext::new(device).expect("a device");
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, BASICS, "out_of_bounds");
    (library, context, stream, kernel)
}

fn write(stream: &Arc<CudaStream>, kernel: &CudaFunction, pointer: u64, at: i64) {
    let shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 };
    let mut launch = stream.launch_builder(kernel);
    launch.arg(&pointer).arg(&at);
    // SAFETY: the driver is simulated: it finds the bad access. cudarc records an event behind the
    // launch, which may see the failure already.
    let _ = unsafe { launch.launch(shape) };
}

const ILLEGAL: DriverError = DriverError(CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);

#[test]
fn writes_behind_the_end() {
    let (library, context, stream, kernel) = start(0);
    let x = stream.alloc_zeros::<i32>(100).expect("memory");
    let (pointer, _guard) = x.device_ptr(&stream);
    write(&stream, &kernel, pointer, 99);
    stream.synchronize().expect("the last element is inside");
    write(&stream, &kernel, pointer, 100);
    assert_eq!(stream.synchronize(), Err(ILLEGAL));
    assert_eq!(context.synchronize(), Err(ILLEGAL), "it stays");
    let reports = library.reports();
    let told = "thread (0, 0, 0): invalid write of 4 bytes";
    assert!(
        reports.contains(told) && reports.contains("0 bytes after the allocation of 400 bytes"),
        "{reports}"
    );
}

#[test]
fn writes_after_the_free() {
    let (library, _context, stream, kernel) = start(1);
    let x = stream.alloc_zeros::<i32>(100).expect("memory");
    let pointer = x.device_ptr(&stream).0;
    drop(x);
    stream.synchronize().expect("nothing is wrong yet");
    write(&stream, &kernel, pointer, 0);
    assert_eq!(stream.synchronize(), Err(ILLEGAL));
    assert!(library.reports().contains("use after free"));
}

#[test]
fn writes_to_another_device() {
    let (library, _context, stream, kernel) = start(2);
    let (_, _other, other_stream, _) = start(3);
    let x = other_stream.alloc_zeros::<i32>(100).expect("memory");
    let pointer = x.device_ptr(&other_stream).0;
    write(&stream, &kernel, pointer, 0);
    assert_eq!(stream.synchronize(), Err(ILLEGAL));
    assert!(library.reports().contains("belongs to device 3, the kernel runs on device 2"));
    other_stream.synchronize().expect("the other device is well");
}

#[test]
fn writes_to_crooked_addresses() {
    let (_, _context, stream, kernel) = start(4);
    let x = stream.alloc_zeros::<i32>(100).expect("memory");
    let pointer = x.device_ptr(&stream).0;
    write(&stream, &kernel, pointer + 2, 0);
    assert_eq!(stream.synchronize(), Err(DriverError(CUresult::CUDA_ERROR_MISALIGNED_ADDRESS)));
}

#[test]
fn writes_to_memory_of_the_host() {
    let (library, _context, stream, kernel) = start(5);
    let mut host = [0i32; 4];
    write(&stream, &kernel, host.as_mut_ptr() as u64, 0);
    assert_eq!(stream.synchronize(), Err(ILLEGAL));
    assert!(library.reports().contains("no device memory"));
}

#[test]
fn a_new_context_works_again() {
    let (_, context, stream, kernel) = start(6);
    write(&stream, &kernel, 0, 0);
    assert_eq!(stream.synchronize(), Err(ILLEGAL));
    drop((kernel, stream, context));
    let (_, _context, stream, kernel) = start(6);
    let x = stream.alloc_zeros::<i32>(4).expect("memory");
    write(&stream, &kernel, x.device_ptr(&stream).0, 1);
    stream.synchronize().expect("it ends");
}
