//! How fast the simulated driver is: instructions of warps and launches per second.
#![allow(clippy::print_stdout, reason = "it is a command")]

use std::time::Instant;

use cudarc::driver::{CudaContext, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;
use drawloom_cuda_sim::client::{Library, library_path};

const BASICS: &str = include_str!("../fixtures/basics.ptx");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = library_path().ok_or("the library is not built")?;
    let library = Library::load(&path).ok_or("the library does not load")?;
    let context = CudaContext::new(0)?;
    let stream = context.new_stream()?;
    // SAFETY: all work is in one stream.
    unsafe { context.disable_event_tracking() };
    let module = context.load_module(Ptx::from_src(BASICS))?;
    let report = |name: &str, started: Instant, before: [u64; 3]| {
        let seconds = started.elapsed().as_secs_f64();
        let after = library.counters();
        let (launches, instructions) = (after[0] - before[0], after[1] - before[1]);
        println!(
            "{name}: {:.2} ms, {launches} launches, {:.1} M instructions of warps per second",
            seconds * 1e3,
            instructions as f64 / seconds / 1e6
        );
    };

    let n = 1u32 << 20;
    let (x, mut y) =
        (stream.alloc_zeros::<f32>(n as usize)?, stream.alloc_zeros::<f32>(n as usize)?);
    let saxpy = module.load_function("saxpy")?;
    stream.synchronize()?;
    for _ in 0..2 {
        let (started, before) = (Instant::now(), library.counters());
        let a = 2f32;
        let mut launch = stream.launch_builder(&saxpy);
        launch.arg(&mut y).arg(&x).arg(&a).arg(&n);
        // SAFETY: the arguments are what the kernel takes.
        unsafe { launch.launch(LaunchConfig::for_num_elems(n)) }?;
        stream.synchronize()?;
        report("saxpy of 1 M elements", started, before);
    }

    let matmul = module.load_function("matmul_tiled")?;
    for size in [64i32, 256] {
        let mut c = stream.alloc_zeros::<f32>((size * size) as usize)?;
        stream.synchronize()?;
        let (started, before) = (Instant::now(), library.counters());
        let mut launch = stream.launch_builder(&matmul);
        launch.arg(&x).arg(&x).arg(&mut c).arg(&size).arg(&size).arg(&size);
        let shape = LaunchConfig {
            grid_dim: (size as u32 / 16, size as u32 / 16, 1),
            block_dim: (16, 16, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the arguments are what the kernel takes.
        unsafe { launch.launch(shape) }?;
        stream.synchronize()?;
        report(&format!("matmul of {size}^3"), started, before);
    }

    let empty = module.load_function("empty")?;
    let (started, before) = (Instant::now(), library.counters());
    for _ in 0..100_000 {
        let shape =
            LaunchConfig { grid_dim: (1, 1, 1), block_dim: (32, 1, 1), shared_mem_bytes: 0 };
        // SAFETY: the kernel takes nothing.
        unsafe { stream.launch_builder(&empty).launch(shape) }?;
    }
    let queued = started.elapsed().as_secs_f64();
    stream.synchronize()?;
    report("empty kernels", started, before);
    println!("queueing one: {:.2} us", queued * 10.0);
    Ok(())
}
