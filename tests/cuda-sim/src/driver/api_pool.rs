//! Memory pools.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::api_memory::allocate_async;
use super::device::Pool;
use super::error::{Code, give};
use super::system::{POOLS, system};

/// The part of a pool's properties that is read.
#[repr(C)]
pub struct PoolProperties {
    kind: c_int,
    handles: c_int,
    location_type: c_int,
    location: c_int,
}

api! {
    /// A device's default pool.
    fn cuDeviceGetDefaultMemPool(pool: *mut usize, device: c_int) {
        give(pool, system()?.device(device)?.default_pool().handle)
    }

    /// A device's pool in use.
    fn cuDeviceGetMemPool(pool: *mut usize, device: c_int) {
        give(pool, system()?.device(device)?.pool().handle)
    }

    /// Sets a device's pool.
    fn cuDeviceSetMemPool(device: c_int, pool: usize) {
        system()?.device(device)?.set_pool(POOLS.get(pool)?);
        Ok(())
    }

    /// Makes a pool.
    fn cuMemPoolCreate(pool: *mut usize, properties: *const PoolProperties) {
        let properties = properties.as_ref().ok_or(Code::INVALID_VALUE)?;
        system()?.device(properties.location)?;
        give(pool, Pool::create(properties.location as usize).handle)
    }

    /// Ends a pool.
    fn cuMemPoolDestroy(pool: usize) { POOLS.remove(pool).map(drop) }

    /// Gives back what a pool keeps.
    fn cuMemPoolTrimTo(pool: usize, keep: usize) {
        POOLS.get(pool)?.trim(keep as u64);
        Ok(())
    }

    /// A pool's attribute.
    fn cuMemPoolGetAttribute(pool: usize, attribute: c_uint, value: *mut c_void) {
        let pool = POOLS.get(pool)?;
        let counter = match attribute {
            1..=3 => {
                let set = pool.reuse[attribute as usize - 1].load(Ordering::Acquire);
                return give(value.cast::<c_int>(), set as c_int);
            }
            4 => &pool.threshold,
            5 => &pool.reserved,
            6 => &pool.reserved_high,
            7 => &pool.used,
            8 => &pool.used_high,
            _ => return Err(Code::INVALID_VALUE),
        };
        give(value.cast::<u64>(), counter.load(Ordering::Acquire))
    }

    /// Sets a pool's attribute.
    fn cuMemPoolSetAttribute(pool: usize, attribute: c_uint, value: *mut c_void) {
        let pool = POOLS.get(pool)?;
        if value.is_null() {
            return Err(Code::INVALID_VALUE);
        }
        match attribute {
            1..=3 => {
                let set = *value.cast::<c_int>();
                pool.reuse[attribute as usize - 1].store(set as u32, Ordering::Release);
            }
            4 => pool.threshold.store(*value.cast::<u64>(), Ordering::Release),
            6 if *value.cast::<u64>() == 0 => {
                pool.reserved_high.store(pool.reserved.load(Ordering::Acquire), Ordering::Release);
            }
            8 if *value.cast::<u64>() == 0 => {
                pool.used_high.store(pool.used.load(Ordering::Acquire), Ordering::Release);
            }
            _ => return Err(Code::INVALID_VALUE),
        }
        Ok(())
    }

    /// Lets other devices use a pool's memory: copies do anyway, kernels by peer access.
    fn cuMemPoolSetAccess(pool: usize, _access: *const c_void, _count: usize) {
        POOLS.get(pool).map(drop)
    }

    /// Allocates from a pool in a stream's order.
    fn cuMemAllocFromPoolAsync(address: *mut u64, bytes: usize, pool: usize, stream: usize) {
        let pool: Arc<Pool> = POOLS.get(pool)?;
        give(address, allocate_async(stream, bytes, Some(pool))?)
    }
}
