//! Control flow and meetings that are hard on an interpreter.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{kernel, setup};
use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, CudaStream, DriverError, LaunchConfig, PushKernelArg};

const CONTROL: &str = include_str!("../fixtures/control.ptx");

fn start(device: usize) -> (Arc<CudaContext>, Arc<CudaStream>) {
    setup(&[
        ("DRAWLOOM_SIM_DEVICES", "4"),
        ("DRAWLOOM_SIM_MEMORY", "64M"),
        ("DRAWLOOM_SIM_RACES", "fail"),
    ]);
    let context = CudaContext::new(device).expect("a device");
    let stream = context.new_stream().expect("a stream");
    (context, stream)
}

fn shape(blocks: u32, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

#[test]
fn lanes_wait_for_each_other() {
    let (context, stream) = start(0);
    let kernel = kernel(&context, CONTROL, "spin_lock");
    let mut lock = stream.alloc_zeros::<i32>(1).expect("memory");
    let mut sum = stream.alloc_zeros::<i32>(1).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut lock).arg(&mut sum);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape(3, 96)) }.expect("a launch");
    assert_eq!(stream.clone_dtoh(&sum).expect("a copy")[0], 3 * (0..96).sum::<i32>());
}

/// The lane that has the lock is further down than those that wait for it.
const LOCK: &str = "
.version 7.0
.target sm_70
.address_size 64
.visible .entry lock(.param .u64 lock, .param .u64 sum) {
    .reg .pred %p<2>;
    .reg .b32 %r<6>;
    .reg .b64 %rd<3>;
    ld.param.u64 %rd1, [lock];
    ld.param.u64 %rd2, [sum];
AGAIN:
    atom.global.cas.b32 %r1, [%rd1], 0, 1;
    setp.ne.s32 %p1, %r1, 0;
    @%p1 bra AGAIN;
    ld.volatile.global.u32 %r2, [%rd2];
    mov.u32 %r3, %tid.x;
    add.s32 %r4, %r2, %r3;
    st.volatile.global.u32 [%rd2], %r4;
    membar.gl;
    atom.global.exch.b32 %r5, [%rd1], 0;
    ret;
}
";

#[test]
fn lanes_below_let_those_above_go_on() {
    let (context, stream) = start(0);
    let kernel = kernel(&context, LOCK, "lock");
    let mut lock = stream.alloc_zeros::<i32>(1).expect("memory");
    let mut sum = stream.alloc_zeros::<i32>(1).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut lock).arg(&mut sum);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape(2, 48)) }.expect("a launch");
    assert_eq!(stream.clone_dtoh(&sum).expect("a copy")[0], 2 * (0..48).sum::<i32>());
}

#[test]
fn jump_tables_part_lanes() {
    let (context, stream) = start(0);
    let kernel = kernel(&context, CONTROL, "jump_table");
    let x: Vec<i32> = (0..128).map(|at| at * 5 - 200).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut out = stream.alloc_zeros::<i32>(128).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut out);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape(2, 64)) }.expect("a launch");
    let want: Vec<i32> = (0..128)
        .map(|at| match at & 3 {
            0 => x[at] + 100,
            1 => x[at] * 3,
            2 => -x[at] - 7,
            _ => x[at] - 7,
        })
        .collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy"), want);
}

#[test]
fn barriers_with_names_hand_values_over() {
    let (context, stream) = start(0);
    let kernel = kernel(&context, CONTROL, "named_barriers");
    let mut out = stream.alloc_zeros::<i32>(256).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut out);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape(1, 128)) }.expect("a launch");
    let want: Vec<i32> = (0..4).flat_map(|round| (0..64).map(move |t| t * 10 + round)).collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy"), want);
}

#[test]
fn barriers_vote() {
    let (context, stream) = start(0);
    let kernel = kernel(&context, CONTROL, "barrier_votes");
    let x: Vec<i32> = (0..96).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut out = stream.alloc_zeros::<i32>(288).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut out);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape(1, 96)) }.expect("a launch");
    for got in stream.clone_dtoh(&out).expect("a copy").chunks(3) {
        assert_eq!((got[0], got[1] != 0, got[2] != 0), (85, true, false));
    }
}

#[test]
fn threads_that_left_are_not_waited_for() {
    let (context, stream) = start(0);
    let kernel = kernel(&context, CONTROL, "early_exit");
    let mut out = stream.alloc_zeros::<i32>(128).expect("memory");
    let n = 77;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut out).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape(1, 128)) }.expect("a launch");
    let want: Vec<i32> = (0..77).rev().collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy")[..77], want);
}

#[test]
fn each_side_of_a_branch_shuffles() {
    let (context, stream) = start(0);
    let kernel = kernel(&context, CONTROL, "shuffle_sides");
    let x: Vec<i32> = (0..32).map(|lane| lane * lane).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut out = stream.alloc_zeros::<i32>(32).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut out);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape(1, 32)) }.expect("a launch");
    let v = |lane: usize| if lane & 1 != 0 { x[31] + 1000 } else { x[lane ^ 2] - 1000 };
    let want: Vec<i32> = (0..32).map(|lane| v(lane) + v((lane + 1).min(31))).collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy"), want);
}

#[test]
fn blocks_wait_for_earlier_ones() {
    let (context, stream) = start(0);
    let kernel = kernel(&context, CONTROL, "chained_blocks");
    let x: Vec<i32> = (0..200).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut sums = stream.alloc_zeros::<i32>(200).expect("memory");
    let mut flags = stream.alloc_zeros::<i32>(200).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut sums).arg(&mut flags).arg(&dx);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape(200, 32)) }.expect("a launch");
    assert_eq!(stream.clone_dtoh(&sums).expect("a copy")[199], (0..200).sum::<i32>());
}

#[test]
fn cooperative_blocks_wait_for_all() {
    let (context, stream) = start(0);
    let kernel = kernel(&context, CONTROL, "grid_barrier");
    let mut values = stream.alloc_zeros::<i32>(40).expect("memory");
    let mut arrived = stream.alloc_zeros::<i32>(1).expect("memory");
    let mut out = stream.alloc_zeros::<i32>(40).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut values).arg(&mut arrived).arg(&mut out);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch_cooperative(shape(40, 64)) }.expect("a launch");
    let want: Vec<i32> = (0..40).map(|block| (39 - block) * (39 - block)).collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy"), want);
}

#[test]
fn barriers_that_never_open_are_told() {
    let (context, stream) = start(1);
    let kernel = kernel(&context, CONTROL, "deadlock");
    // SAFETY: the kernel takes nothing. The failure may be seen at once.
    let _ = unsafe { stream.launch_builder(&kernel).launch(shape(1, 64)) };
    let stopped = DriverError(CUresult::CUDA_ERROR_LAUNCH_TIMEOUT);
    assert_eq!(stream.synchronize(), Err(stopped));
    assert!(setup(&[]).reports().contains("deadlock: warp 0"));
}

#[test]
fn a_reset_ends_kernels_that_run_for_ever() {
    let (context, stream) = start(2);
    let kernel = kernel(&context, CONTROL, "forever");
    let mut x = stream.alloc_zeros::<i32>(1).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut x);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape(2, 64)) }.expect("a launch");
    std::thread::sleep(Duration::from_millis(20));
    // SAFETY: nothing of the context is used any more.
    assert_eq!(unsafe { sys::cuDevicePrimaryCtxReset_v2(2) }, CUresult::CUDA_SUCCESS);
    assert!(stream.synchronize().is_err());
}

#[test]
fn shared_memory_has_an_end() {
    let (context, stream) = start(3);
    let kernel = kernel(&context, CONTROL, "overflow");
    let mut x = stream.clone_htod(&[64, 0]).expect("a copy");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut x);
    let config = LaunchConfig { shared_mem_bytes: 256, ..shape(1, 1) };
    // SAFETY: the simulated driver finds the bad access, maybe at once.
    let _ = unsafe { launch.launch(config) };
    assert_eq!(stream.synchronize(), Err(DriverError(CUresult::CUDA_ERROR_ILLEGAL_ADDRESS)));
    assert!(setup(&[]).reports().contains("the block has 256 bytes of shared memory"));
}
