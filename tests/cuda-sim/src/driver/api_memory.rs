//! Allocation, copies, fills, pinned and managed memory.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::api_stream::{capture_of, stream_of};
use super::context::{Context, healthy};
use super::device::Pool;
use super::error::{Code, give};
use super::order;
use super::system::{System, system};
use super::work::Work;
use crate::memory::device_of;
use crate::memory::host::Kind;
use crate::report;

/// Memory of the current device.
pub fn allocate(context: &Context, bytes: usize, pool: Option<Arc<Pool>>) -> Result<u64, Code> {
    if bytes == 0 {
        return Err(Code::INVALID_VALUE);
    }
    let device = &context.device;
    if device.lost.load(Ordering::Acquire) {
        return Err(Code::UNKNOWN);
    }
    System::get().faults.at_allocation(device.ordinal)?;
    let address = match device.allocate(bytes as u64) {
        Err(Code::OUT_OF_MEMORY) => {
            // Frees may still be queued: a real pool waits for them too.
            for stream in context.streams() {
                stream.synchronise();
            }
            device.allocate(bytes as u64)?
        }
        other => other?,
    };
    if let Some(pool) = &pool {
        pool.took(bytes as u64);
    }
    context.allocated(address, pool);
    Ok(address)
}

/// Memory in a stream's order.
pub fn allocate_async(stream: usize, bytes: usize, pool: Option<Arc<Pool>>) -> Result<u64, Code> {
    let stream = stream_of(stream)?;
    let pool = pool.unwrap_or_else(|| stream.context.device.pool());
    let address = allocate(&stream.context, bytes, Some(pool))?;
    if let Some(capture) = capture_of(&stream) {
        capture.allocated(address);
    }
    Ok(address)
}

/// Refuses addresses that lie in no allocation.
pub fn check(address: u64, bytes: usize, what: &str) -> Result<(), Code> {
    if bytes == 0 {
        return Ok(());
    }
    let bad = |text: String| {
        report::tell("argument", &format!("{what} of {bytes} bytes at {address:#x}: {text}"));
        Code::INVALID_VALUE
    };
    if device_of(address).is_some() {
        let device =
            System::get().device_of(address).ok_or_else(|| bad("no such device".into()))?;
        let table = device.memory.table();
        return match table.find(address) {
            Some(range) if range.holds(address, bytes as u64) => Ok(()),
            _ => Err(bad(table.describe(address, bytes as u64))),
        };
    }
    match System::get().host.find(address) {
        Some((range, _)) if range.holds(address, bytes as u64) => Ok(()),
        _ => Err(bad("no memory of a device, nor lent by the host".into())),
    }
}

/// Whether the host lends all of these bytes.
pub fn pinned(address: u64, bytes: usize) -> bool {
    let found = System::get().host.find(address);
    found.is_some_and(|(range, _)| range.holds(address, bytes as u64))
}

/// Fresh pinned memory, unless it is to be refused.
fn pin(bytes: usize) -> Result<u64, Code> {
    let context = healthy()?;
    if bytes == 0 {
        return Err(Code::INVALID_VALUE);
    }
    let system = System::get();
    system.faults.at_pinning(context.device.ordinal)?;
    system.host.allocate(bytes as u64, Kind::Pinned, context.handle).ok_or(Code::OUT_OF_MEMORY)
}

fn free(address: u64) -> Result<(), Code> {
    if address == 0 {
        return Ok(());
    }
    if System::get().host.find(address).is_some_and(|(range, _)| range.start == address) {
        healthy()?.synchronise()?;
        System::get().host.take_back(address).ok_or(Code::INVALID_VALUE)?;
        return Ok(());
    }
    let device = system()?.device_of(address).ok_or(Code::INVALID_VALUE)?;
    let context = healthy()?;
    let owner = if context.device.ordinal == device.ordinal { context } else { device.retain()? };
    let foreign = owner.device.ordinal != healthy()?.device.ordinal;
    // Freeing waits for what runs, as the driver's does.
    owner.synchronise()?;
    let freed = owner.release(address);
    if foreign {
        device.release()?;
    }
    order::forget(address);
    freed.inspect_err(|_| {
        report::tell("free", &format!("{address:#x} is no allocation of this context"));
    })
}

api! {
    /// Free and total bytes of the current device.
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        let context = healthy()?;
        give(free, context.device.free_bytes() as usize)?;
        give(total, context.device.memory.capacity() as usize)
    }

    /// Allocates.
    fn cuMemAlloc_v2(address: *mut u64, bytes: usize) {
        give(address, allocate(&*healthy()?, bytes, None)?)
    }

    /// Allocates rows at multiples of a pitch.
    fn cuMemAllocPitch_v2(address: *mut u64, pitch: *mut usize, width: usize, height: usize, _element: c_uint) {
        let row = width.next_multiple_of(512);
        give(pitch, row)?;
        give(address, allocate(&*healthy()?, row * height, None)?)
    }

    /// Frees.
    fn cuMemFree_v2(address: u64) { free(address) }

    /// Allocates in a stream's order.
    fn cuMemAllocAsync(address: *mut u64, bytes: usize, stream: usize) {
        give(address, allocate_async(stream, bytes, None)?)
    }

    /// Frees in a stream's order.
    fn cuMemFreeAsync(address: u64, stream: usize) {
        if address == 0 {
            return Ok(());
        }
        let stream = stream_of(stream)?;
        check(address, 1, "free")?;
        stream.submit(Work::Free(address))
    }

    /// Allocates pinned memory.
    fn cuMemHostAlloc(pointer: *mut u64, bytes: usize, _flags: c_uint) { give(pointer, pin(bytes)?) }

    /// Allocates pinned memory.
    fn cuMemAllocHost_v2(pointer: *mut u64, bytes: usize) { give(pointer, pin(bytes)?) }

    /// Frees pinned memory.
    fn cuMemFreeHost(pointer: u64) {
        let context = super::context::current()?;
        // Copies that are under way may still use it.
        for stream in context.streams() {
            stream.synchronise();
        }
        System::get().host.take_back(pointer).map(drop).ok_or(Code::INVALID_VALUE)
    }

    /// Pins memory of the caller.
    fn cuMemHostRegister_v2(pointer: u64, bytes: usize, _flags: c_uint) {
        let context = healthy()?;
        if pointer == 0 || bytes == 0 {
            return Err(Code::INVALID_VALUE);
        }
        let last = pointer + bytes as u64 - 1;
        if [pointer, last].iter().any(|at| System::get().host.find(*at).is_some()) {
            return Err(Code::ALREADY_REGISTERED);
        }
        System::get().faults.at_pinning(context.device.ordinal)?;
        System::get().host.register(pointer, bytes as u64, context.handle);
        Ok(())
    }

    /// Ends that.
    fn cuMemHostUnregister(pointer: u64) {
        let context = super::context::current()?;
        for stream in context.streams() {
            stream.synchronise();
        }
        System::get().host.take_back(pointer).map(drop).ok_or(Code::NOT_REGISTERED)
    }

    /// A device's address of pinned memory: the same.
    fn cuMemHostGetDevicePointer_v2(address: *mut u64, pointer: u64, _flags: c_uint) {
        if !pinned(pointer, 1) {
            return Err(Code::INVALID_VALUE);
        }
        give(address, pointer)
    }

    /// Flags of pinned memory.
    fn cuMemHostGetFlags(flags: *mut c_uint, _pointer: u64) { give(flags, 0) }

    /// Allocates managed memory.
    fn cuMemAllocManaged(address: *mut u64, bytes: usize, _flags: c_uint) {
        let context = healthy()?;
        if bytes == 0 {
            return Err(Code::INVALID_VALUE);
        }
        let memory = System::get().host.allocate(bytes as u64, Kind::Managed, context.handle);
        give(address, memory.ok_or(Code::OUT_OF_MEMORY)?)
    }

    /// Moves managed memory near a device: nothing to do.
    fn cuMemPrefetchAsync(address: u64, bytes: usize, _device: c_int, stream: usize) {
        check(address, bytes, "prefetch")?;
        stream_of(stream).map(drop)
    }

    /// Moves managed memory near a device: nothing to do. The location is 8 bytes by value.
    fn cuMemPrefetchAsync_v2(address: u64, bytes: usize, _location: u64, _flags: c_uint, stream: usize) {
        check(address, bytes, "prefetch")?;
        stream_of(stream).map(drop)
    }

    /// Advice on managed memory.
    fn cuMemAdvise(address: u64, bytes: usize, _advice: c_int, _device: c_int) {
        check(address, bytes, "advice")
    }

    /// Advice on managed memory.
    fn cuMemAdvise_v2(address: u64, bytes: usize, _advice: c_int, _location: u64) {
        check(address, bytes, "advice")
    }

    /// The allocation around an address.
    fn cuMemGetAddressRange_v2(start: *mut u64, bytes: *mut usize, address: u64) {
        let range = match system()?.device_of(address) {
            Some(device) => device.memory.table().find(address),
            None => System::get().host.find(address).map(|(range, _)| range),
        };
        let range = range.ok_or(Code::NOT_FOUND)?;
        if !start.is_null() {
            give(start, range.start)?;
        }
        if bytes.is_null() { Ok(()) } else { give(bytes, range.bytes as usize) }
    }

    /// What an address is.
    fn cuPointerGetAttribute(data: *mut c_void, attribute: c_uint, address: u64) {
        let device = system()?.device_of(address);
        let range = match device {
            Some(device) => device.memory.table().find(address),
            None => System::get().host.find(address).map(|(range, _)| range),
        };
        let range = range.ok_or(Code::INVALID_VALUE)?;
        let managed = System::get().host.find(address).is_some_and(|(_, kind)| kind == Kind::Managed);
        match attribute {
            2 => give(data.cast::<c_uint>(), if device.is_some() || managed { 2 } else { 1 }),
            3 => give(data.cast::<u64>(), address),
            4 if device.is_none() => give(data.cast::<u64>(), address),
            7 => give(data.cast::<u64>(), range.start),
            8 => give(data.cast::<c_uint>(), c_uint::from(managed)),
            9 => give(data.cast::<c_int>(), device.map_or(0, |device| device.ordinal as c_int)),
            11 => give(data.cast::<u64>(), range.start),
            12 => give(data.cast::<usize>(), range.bytes as usize),
            13 => give(data.cast::<c_uint>(), 1),
            _ => Err(Code::INVALID_VALUE),
        }
    }
}
