//! Copies between devices and the host's memory, pinned or not: which return before they have ended.

mod common;

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::setup;
use cudarc::driver::sys::{self, CUresult};
use cudarc::driver::{CudaContext, CudaStream, DevicePtr as _, result};

const LEN: usize = 1 << 20;

fn context_on(device: usize) -> Arc<CudaContext> {
    setup(&[
        ("DRAWLOOM_SIM_DEVICES", "2"),
        ("DRAWLOOM_SIM_MEMORY", "256M"),
        ("DRAWLOOM_SIM_JITTER_US", "300"),
    ]);
    CudaContext::new(device).expect("a device")
}

fn context() -> Arc<CudaContext> {
    context_on(0)
}

/// Holds a stream up until it is told to go on.
struct Gate(Box<AtomicBool>);

impl Gate {
    fn shut(stream: &CudaStream) -> Self {
        unsafe extern "C" fn wait(open: *mut c_void) {
            // SAFETY: the gate outlives the stream's work.
            let open = unsafe { &*open.cast::<AtomicBool>() };
            while !open.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }
        let gate = Box::new(AtomicBool::new(false));
        let at = std::ptr::from_ref(&*gate).cast_mut().cast();
        // SAFETY: the function takes a gate.
        unsafe { result::stream::launch_host_function(stream.cu_stream(), wait, at) }
            .expect("a call");
        Gate(gate)
    }

    fn open(&self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn copies_from_pinned_memory_read_it_when_they_run() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let mut there = stream.alloc_zeros::<u8>(LEN).expect("memory");
    // SAFETY: written before it is read.
    let mut pinned = unsafe { context.alloc_pinned::<u8>(LEN) }.expect("pinned memory");
    let host = pinned.as_mut_ptr().expect("an address");
    // SAFETY: there are as many bytes, and no copy is under way.
    unsafe { host.write_bytes(1, LEN) };
    let gate = Gate::shut(&stream);
    stream.memcpy_htod(&pinned, &mut there).expect("a copy");
    // SAFETY: as above, but for the copy, which is the point.
    unsafe { host.write_bytes(2, LEN) };
    gate.open();
    assert_eq!(stream.clone_dtoh(&there).expect("a copy"), vec![2; LEN]);
}

#[test]
fn copies_to_pinned_memory_return_before_they_run() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let there = stream.clone_htod(&vec![3u8; LEN]).expect("memory");
    // SAFETY: written before it is read.
    let mut pinned = unsafe { context.alloc_pinned::<u8>(LEN) }.expect("pinned memory");
    pinned.as_mut_slice().expect("bytes").fill(0);
    let host = pinned.as_mut_ptr().expect("an address");
    let gate = Gate::shut(&stream);
    stream.memcpy_dtoh(&there, &mut pinned).expect("a copy");
    // SAFETY: a byte that nobody writes while the gate is shut.
    assert_eq!(unsafe { host.read_volatile() }, 0);
    gate.open();
    assert_eq!(pinned.as_slice().expect("bytes"), vec![3; LEN]);
}

#[test]
fn pageable_memory_is_needed_no_longer_when_the_call_returns() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let mut there = stream.alloc_zeros::<u8>(LEN).expect("memory");
    let address = there.device_ptr(&stream).0;
    // More than a little is waited for. (The safe call would record an event behind it.)
    // SAFETY: both sides have as many bytes.
    unsafe { result::memcpy_htod_async(address, &vec![5u8; LEN], stream.cu_stream()) }
        .expect("a copy");
    // SAFETY: the stream is there.
    assert_eq!(unsafe { sys::cuStreamQuery(stream.cu_stream()) }, CUresult::CUDA_SUCCESS);
    // A little is kept, and copied when its turn comes.
    let gate = Gate::shut(&stream);
    let mut little = vec![6u8; 1000];
    stream.memcpy_htod(&little, &mut there.slice_mut(..1000)).expect("a copy");
    little.fill(7);
    // SAFETY: as above.
    let busy = unsafe { sys::cuStreamQuery(stream.cu_stream()) };
    assert_eq!(busy, CUresult::CUDA_ERROR_NOT_READY);
    gate.open();
    let back = stream.clone_dtoh(&there).expect("a copy");
    assert_eq!([back[0], back[999], back[1000]], [6, 6, 5]);
}

#[test]
fn memory_of_the_callers_is_pinned_once() {
    let context = context();
    context.bind_to_thread().expect("a context");
    let stream = context.new_stream().expect("a stream");
    let there = stream.alloc_zeros::<u8>(LEN).expect("memory");
    let address = there.device_ptr(&stream).0;
    let mut host = vec![1u8; LEN];
    let start = host.as_mut_ptr();
    // SAFETY: memory that stays until it is no longer registered.
    let register =
        |at: usize, len| unsafe { sys::cuMemHostRegister_v2(start.add(at).cast(), len, 0) };
    assert_eq!(register(4096, LEN - 4096), CUresult::CUDA_SUCCESS);
    // Neither again, nor what it is a part of.
    let twice = CUresult::CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    assert_eq!([register(4096, 1), register(0, LEN)], [twice; 2]);
    let gate = Gate::shut(&stream);
    // SAFETY: both sides have as many bytes.
    let copied = unsafe {
        sys::cuMemcpyHtoDAsync_v2(address, start.add(4096).cast(), 4096, stream.cu_stream())
    };
    assert_eq!(copied, CUresult::CUDA_SUCCESS);
    // SAFETY: as above; the copy reads what it finds.
    unsafe { start.add(4096).write_bytes(2, 4096) };
    gate.open();
    assert_eq!(stream.clone_dtoh(&there.slice(..4096)).expect("a copy"), vec![2; 4096]);
    // SAFETY: nothing uses it any more.
    let end = || unsafe { sys::cuMemHostUnregister(start.add(4096).cast()) };
    assert_eq!(end(), CUresult::CUDA_SUCCESS);
    assert_eq!(end(), CUresult::CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}

/// One test alone uses this device.
#[test]
fn locks_go_with_their_context() {
    let context = context_on(1);
    context.bind_to_thread().expect("a context");
    let mut host = vec![1u8; LEN];
    let start = host.as_mut_ptr().cast::<c_void>();
    // SAFETY: memory that stays until it is no longer registered.
    let register = || unsafe { sys::cuMemHostRegister_v2(start, LEN, 0) };
    assert_eq!(register(), CUresult::CUDA_SUCCESS);
    // SAFETY: nothing runs on the device.
    let reset = unsafe { sys::cuDevicePrimaryCtxReset_v2(context.cu_device()) };
    assert_eq!(reset, CUresult::CUDA_SUCCESS);
    drop(context);
    // The memory is still the caller's, and can be locked again.
    let context = context_on(1);
    context.bind_to_thread().expect("a context");
    assert_eq!(register(), CUresult::CUDA_SUCCESS);
    // SAFETY: nothing uses it.
    assert_eq!(unsafe { sys::cuMemHostUnregister(start) }, CUresult::CUDA_SUCCESS);
}
