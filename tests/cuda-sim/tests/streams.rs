//! Streams, events, graphs, several devices, memory.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::{BASICS, kernel, setup};
use cudarc::driver::sys::{self, CUevent_flags, CUresult, CUstreamCaptureMode};
use cudarc::driver::{
    CudaContext, DevicePtr as _, DriverError, LaunchConfig, PushKernelArg, result,
};

fn context(device: usize) -> Arc<CudaContext> {
    setup(&[
        ("DRAWLOOM_SIM_DEVICES", "4"),
        ("DRAWLOOM_SIM_MEMORY", "256M"),
        ("DRAWLOOM_SIM_LINKS", "pairs"),
        ("DRAWLOOM_SIM_JITTER_US", "300"),
        ("DRAWLOOM_SIM_SEED", "7"),
    ]);
    CudaContext::new(device).expect("a device")
}

const N: u32 = 1000;

fn config() -> LaunchConfig {
    LaunchConfig::for_num_elems(N)
}

#[test]
fn events_order_streams_and_tell_the_time() {
    let context = context(0);
    let (a, b) = (context.new_stream().expect("a stream"), context.new_stream().expect("a stream"));
    let (fill, add) = (kernel(&context, BASICS, "fill"), kernel(&context, BASICS, "add_one"));
    let start = context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).expect("an event");
    let end = context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT)).expect("an event");
    let mut x = a.alloc_zeros::<u32>(N as usize).expect("memory");
    start.record(&a).expect("a record");
    for round in 0..20u32 {
        let mut launch = a.launch_builder(&fill);
        launch.arg(&mut x).arg(&round).arg(&N);
        // SAFETY: the arguments are what the kernel takes.
        unsafe { launch.launch(config()) }.expect("a launch");
        b.join(&a).expect("an order");
        let mut launch = b.launch_builder(&add);
        launch.arg(&mut x).arg(&N);
        // SAFETY: the arguments are what the kernel takes.
        unsafe { launch.launch(config()) }.expect("a launch");
        assert_eq!(b.clone_dtoh(&x).expect("a copy"), vec![round + 1; N as usize]);
        a.join(&b).expect("an order");
    }
    end.record(&a).expect("a record");
    end.synchronize().expect("it ends");
    assert!(start.elapsed_ms(&end).expect("a time") > 0.0);
}

#[test]
fn host_functions_run_in_order() {
    let context = context(0);
    let stream = context.new_stream().expect("a stream");
    static SEEN: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C" fn next(at: *mut std::ffi::c_void) {
        let at = at as usize as u32;
        // Only the one before may have been there.
        let _ = SEEN.compare_exchange(at, at + 1, Ordering::SeqCst, Ordering::SeqCst);
    }
    for at in 0..10usize {
        // SAFETY: the function takes a number.
        unsafe { result::stream::launch_host_function(stream.cu_stream(), next, at as *mut _) }
            .expect("a call");
    }
    stream.synchronize().expect("it ends");
    assert_eq!(SEEN.load(Ordering::SeqCst), 10);
}

#[test]
fn captured_work_runs_again() {
    let context = context(1);
    let stream = context.new_stream().expect("a stream");
    // Tracking of slices by events would leave the capture.
    // SAFETY: all work of this test is in one stream.
    unsafe { context.disable_event_tracking() };
    let add = kernel(&context, BASICS, "add_one");
    let mut x = stream.alloc_zeros::<u32>(N as usize).expect("memory");
    stream.synchronize().expect("it ends");
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED).expect("a capture");
    for _ in 0..5 {
        let mut launch = stream.launch_builder(&add);
        launch.arg(&mut x).arg(&N);
        // SAFETY: the arguments are what the kernel takes.
        unsafe { launch.launch(config()) }.expect("a launch");
    }
    let status = stream.capture_status().expect("a status");
    assert_eq!(status, sys::CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_ACTIVE);
    let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    let graph = stream.end_capture(flags).expect("a graph").expect("it has work");
    assert_eq!(stream.clone_dtoh(&x).expect("a copy")[0], 0, "capturing runs nothing");
    for _ in 0..3 {
        graph.launch().expect("a launch");
    }
    assert_eq!(stream.clone_dtoh(&x).expect("a copy"), vec![15; N as usize]);
}

#[test]
fn graphs_of_kernels_run_with_other_arguments() {
    let context = context(1);
    context.bind_to_thread().expect("a context");
    let stream = context.new_stream().expect("a stream");
    let add = kernel(&context, BASICS, "add_one");
    let (x, y) = (
        stream.alloc_zeros::<u32>(N as usize).expect("memory"),
        stream.alloc_zeros::<u32>(N as usize).expect("memory"),
    );
    let [mut x_at, mut y_at] = [&x, &y].map(|slice| slice.device_ptr(&stream).0);
    let mut count = N;
    let config = config();
    let mut node_of = |address: &mut u64, f: &mut dyn FnMut(&sys::CUDA_KERNEL_NODE_PARAMS)| {
        let mut arguments = [
            std::ptr::from_mut(address).cast::<std::ffi::c_void>(),
            std::ptr::from_mut(&mut count).cast(),
        ];
        f(&sys::CUDA_KERNEL_NODE_PARAMS {
            func: add.cu_function(),
            gridDimX: config.grid_dim.0,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: config.block_dim.0,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 0,
            kernelParams: arguments.as_mut_ptr(),
            extra: std::ptr::null_mut(),
            kern: std::ptr::null_mut(),
            ctx: std::ptr::null_mut(),
        });
    };
    let mut graph = std::ptr::null_mut();
    let mut nodes = [std::ptr::null_mut(); 3];
    let mut exec = std::ptr::null_mut();
    // SAFETY: handles and arguments are what the functions take; the memory outlives the graph.
    unsafe {
        sys::cuGraphCreate(&mut graph, 0).result().expect("a graph");
        for at in 0..3usize {
            let before = at.checked_sub(1).map(|before| nodes[before]);
            let place = &mut nodes[at];
            node_of(&mut x_at, &mut |params| {
                let before = before.as_slice();
                sys::cuGraphAddKernelNode_v2(place, graph, before.as_ptr(), before.len(), params)
                    .result()
                    .expect("a node");
            });
        }
        sys::cuGraphInstantiateWithFlags(&mut exec, graph, 0).result().expect("it can run");
        sys::cuGraphLaunch(exec, stream.cu_stream()).result().expect("a launch");
        // The second launch adds to y once: what was launched goes on as it was.
        node_of(&mut y_at, &mut |params| {
            let set = sys::cuGraphExecKernelNodeSetParams_v2(exec, nodes[1], params);
            set.result().expect("other arguments");
            let strange = sys::cuGraphExecKernelNodeSetParams_v2(exec, graph.cast(), params);
            assert_eq!(strange, CUresult::CUDA_ERROR_INVALID_VALUE);
        });
        sys::cuGraphLaunch(exec, stream.cu_stream()).result().expect("a launch");
    }
    assert_eq!(stream.clone_dtoh(&x).expect("a copy"), vec![5; N as usize]);
    assert_eq!(stream.clone_dtoh(&y).expect("a copy"), vec![1; N as usize]);
    // SAFETY: nobody uses them any more.
    unsafe {
        sys::cuGraphExecDestroy(exec).result().expect("it was there");
        sys::cuGraphDestroy(graph).result().expect("it was there");
    }
}

#[test]
fn captured_streams_refuse_to_be_waited_for() {
    let context = context(1);
    let stream = context.new_stream().expect("a stream");
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED).expect("a capture");
    let refused = DriverError(CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    assert_eq!(stream.synchronize(), Err(refused));
    let flags = sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    let spoilt = DriverError(CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    assert_eq!(stream.end_capture(flags).err(), Some(spoilt));
}

#[test]
fn devices_copy_to_each_other() {
    let (first, second) = (context(2), context(3));
    let (a, b) = (first.new_stream().expect("a stream"), second.new_stream().expect("a stream"));
    let host: Vec<u32> = (0..N).collect();
    let x = a.clone_htod(&host).expect("a copy");
    let y = b.clone_dtod(&x).expect("a copy between devices");
    assert_eq!(b.clone_dtoh(&y).expect("a copy"), host);
    let mut joined = 0;
    // SAFETY: the number is there.
    unsafe {
        let attribute = sys::CUdevice_P2PAttribute::CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED;
        sys::cuDeviceGetP2PAttribute(&mut joined, attribute, 2, 3).result().expect("an answer");
    }
    assert_eq!(joined, 1, "2 and 3 are a pair");
}

#[test]
fn peers_are_reached_once_access_is_enabled() {
    let (own, peer) = (context(2), context(3));
    let (a, b) = (own.new_stream().expect("a stream"), peer.new_stream().expect("a stream"));
    let x = b.alloc_zeros::<u32>(N as usize).expect("memory");
    b.synchronize().expect("it ends");
    own.bind_to_thread().expect("a context");
    // SAFETY: both contexts live.
    let enabled = unsafe { sys::cuCtxEnablePeerAccess(peer.cu_ctx(), 0) };
    assert_eq!(enabled, CUresult::CUDA_SUCCESS);
    let fill = kernel(&own, BASICS, "fill");
    let (pointer, _guard) = cudarc::driver::DevicePtr::device_ptr(&x, &b);
    let value = 9u32;
    let mut launch = a.launch_builder(&fill);
    launch.arg(&pointer).arg(&value).arg(&N);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(config()) }.expect("a launch");
    a.synchronize().expect("it ends");
    assert_eq!(b.clone_dtoh(&x).expect("a copy"), vec![9; N as usize]);
}

#[test]
fn memory_is_counted_and_runs_out() {
    let library = setup(&[]);
    let context = context(1);
    let stream = context.new_stream().expect("a stream");
    // SAFETY: the memory is not read.
    let too_much = unsafe { stream.alloc::<u8>(1 << 30) };
    assert_eq!(too_much.err(), Some(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)));
    // SAFETY: as above.
    let held = unsafe { stream.alloc::<u8>(200 << 20) }.expect("memory");
    let (free, total) = context.mem_get_info().expect("numbers");
    assert!(total == 256 << 20 && free < 60 << 20);
    drop(held);
    // The free is queued; the next allocation waits for it.
    // SAFETY: as above.
    let again = unsafe { stream.alloc::<u8>(200 << 20) }.expect("memory");
    drop(again);
    assert!(library.set_foreign_bytes(1, 250 << 20));
    stream.synchronize().expect("it ends");
    assert!(context.mem_get_info().expect("numbers").0 <= 6 << 20);
    library.set_foreign_bytes(1, 0);
}

#[test]
fn pinned_memory_is_read_when_the_copy_runs() {
    let context = context(0);
    let stream = context.new_stream().expect("a stream");
    // SAFETY: it is written before it is read.
    let mut pinned = unsafe { context.alloc_pinned::<u32>(N as usize) }.expect("memory");
    pinned.as_mut_slice().expect("free").fill(3);
    let x = stream.clone_htod(&pinned).expect("a copy");
    let mut back = vec![0u32; N as usize];
    stream.memcpy_dtoh(&x, &mut back).expect("a copy");
    stream.synchronize().expect("it ends");
    assert_eq!(back, vec![3; N as usize]);
}

#[test]
fn pools_tell_what_they_hold() {
    let context = context(3);
    let stream = context.new_stream().expect("a stream");
    let mut pool = std::ptr::null_mut();
    let mut used = 0u64;
    // SAFETY: the places are there.
    unsafe {
        sys::cuDeviceGetDefaultMemPool(&mut pool, 3).result().expect("a pool");
    }
    let x = stream.alloc_zeros::<u8>(1 << 20).expect("memory");
    stream.synchronize().expect("it ends");
    // SAFETY: as above.
    unsafe {
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
        let to = std::ptr::from_mut(&mut used).cast();
        sys::cuMemPoolGetAttribute(pool, attribute, to).result().expect("a number");
        sys::cuMemPoolTrimTo(pool, 0).result().expect("it trims");
    }
    assert!(used >= 1 << 20);
    drop(x);
}

#[test]
fn launches_beyond_the_limits_are_refused() {
    let context = context(0);
    let stream = context.new_stream().expect("a stream");
    let empty = kernel(&context, BASICS, "empty");
    let mut shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 };
    let refused = |change: &dyn Fn(&mut LaunchConfig)| {
        let mut shape = shape;
        change(&mut shape);
        // SAFETY: the kernel takes nothing.
        unsafe { stream.launch_builder(&empty).launch(shape) }.err()
    };
    let invalid = Some(DriverError(CUresult::CUDA_ERROR_INVALID_VALUE));
    assert_eq!(refused(&|shape| shape.grid_dim.0 = 0), invalid);
    assert_eq!(refused(&|shape| shape.block_dim = (1024, 2, 1)), invalid);
    assert_eq!(refused(&|shape| shape.grid_dim.1 = 70_000), invalid);
    assert_eq!(refused(&|shape| shape.shared_mem_bytes = 60 << 10), invalid);
    assert_eq!(refused(&|_| {}), None);
    let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    empty.set_attribute(attribute, 60 << 10).expect("an attribute");
    shape.shared_mem_bytes = 60 << 10;
    // SAFETY: the kernel takes nothing.
    unsafe { stream.launch_builder(&empty).launch(shape) }.expect("a launch");
    stream.synchronize().expect("it ends");
    assert!(result::device::get_count().expect("a number") == 4);
}
