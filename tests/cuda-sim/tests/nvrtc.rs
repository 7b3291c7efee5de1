//! NVRTC and the simulated driver in one process: NVRTC looks for a driver by itself.

mod common;

use std::ffi::CString;

use common::setup;
use cudarc::driver::{CudaContext, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::compile_ptx;

#[test]
#[ignore = "needs NVRTC: DRAWLOOM_NVRTC names libnvrtc.so.12"]
fn sources_are_compiled_and_run() {
    setup(&[("DRAWLOOM_SIM_MEMORY", "64M")]);
    let path = std::env::var("DRAWLOOM_NVRTC").expect("DRAWLOOM_NVRTC names libnvrtc.so.12");
    let path = CString::new(path).expect("a path");
    // SAFETY: the library's constructors need nothing.
    let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    assert!(!library.is_null(), "NVRTC does not load");
    let source = "extern \"C\" __global__ void triple(float *x, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) x[i] *= 3.0f;
    }";
    let ptx = compile_ptx(source).expect("it compiles");
    let context = CudaContext::new(0).expect("a device");
    let stream = context.default_stream();
    let kernel =
        context.load_module(ptx).expect("a module").load_function("triple").expect("a kernel");
    let mut x = stream.clone_htod(&[1f32, 2.0, 3.0]).expect("a copy");
    let n = 3i32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut x).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(LaunchConfig::for_num_elems(3)) }.expect("a launch");
    assert_eq!(stream.clone_dtoh(&x).expect("a copy"), [3.0, 6.0, 9.0]);
    assert!(compile_ptx("__global__ void k() { frob(); }").is_err());
}
