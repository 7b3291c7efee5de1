//! A device and its memory pools.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use drawloom_gpu_sim::{Device as Spec, Live, LiveDevice, ProcessEntry};

use super::context::Context;
use super::error::Code;
use super::handles;
use super::system::POOLS;
use crate::memory::device::DeviceMemory;

/// A memory pool: in use and kept back.
#[derive(Debug)]
pub struct Pool {
    /// Its handle.
    pub handle: usize,
    /// The device.
    pub device: usize,
    /// Bytes in use.
    pub used: AtomicU64,
    /// Most bytes that were in use.
    pub used_high: AtomicU64,
    /// Bytes taken from the device.
    pub reserved: AtomicU64,
    /// Most bytes that were taken.
    pub reserved_high: AtomicU64,
    /// Bytes it may keep back.
    pub threshold: AtomicU64,
    /// Reuse settings, which change nothing here.
    pub reuse: [AtomicU32; 3],
}

impl Pool {
    fn new(device: usize) -> Arc<Self> {
        let pool = Arc::new(Self {
            handle: handles::fresh(),
            device,
            used: AtomicU64::new(0),
            used_high: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            reserved_high: AtomicU64::new(0),
            threshold: AtomicU64::new(0),
            reuse: [const { AtomicU32::new(1) }; 3],
        });
        POOLS.insert(pool.handle, Arc::clone(&pool));
        pool
    }

    /// A pool of its own.
    pub fn create(device: usize) -> Arc<Self> {
        Self::new(device)
    }

    /// Notes bytes in use.
    pub fn took(&self, bytes: u64) {
        let used = self.used.fetch_add(bytes, Ordering::AcqRel) + bytes;
        self.used_high.fetch_max(used, Ordering::AcqRel);
        let reserved = self.reserved.fetch_max(used, Ordering::AcqRel).max(used);
        self.reserved_high.fetch_max(reserved, Ordering::AcqRel);
    }

    /// Notes bytes given back.
    pub fn gave(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
        self.trim(self.threshold.load(Ordering::Acquire));
    }

    /// Keeps back no more than that beyond what is in use.
    pub fn trim(&self, keep: u64) {
        let used = self.used.load(Ordering::Acquire);
        self.reserved.fetch_min(used.max(keep), Ordering::AcqRel);
    }
}

/// A device.
pub struct Device {
    /// Its number, as callers see it.
    pub ordinal: usize,
    /// Its number in the machine.
    pub physical: usize,
    /// What it is.
    pub spec: Spec,
    /// Its memory.
    pub memory: Arc<DeviceMemory>,
    /// Its state that other processes see.
    pub live: &'static LiveDevice,
    /// Set when it falls off the bus.
    pub lost: AtomicBool,
    /// How much slower it is, in thousandths.
    pub slowness: AtomicU64,
    /// Counts operations that hang; a change of the number ends them.
    pub releases: AtomicU64,
    primary: Mutex<Primary>,
    default_pool: OnceLock<Arc<Pool>>,
    current_pool: Mutex<Option<Arc<Pool>>>,
}

#[derive(Default)]
struct Primary {
    context: Option<Arc<Context>>,
    users: u32,
    flags: u32,
}

impl Device {
    /// A device.
    pub fn new(ordinal: usize, physical: usize, spec: Spec, memory: Arc<DeviceMemory>) -> Self {
        Self {
            ordinal,
            physical,
            spec,
            memory,
            live: Live::get().device(physical),
            lost: AtomicBool::new(false),
            slowness: AtomicU64::new(1000),
            releases: AtomicU64::new(0),
            primary: Mutex::default(),
            default_pool: OnceLock::new(),
            current_pool: Mutex::default(),
        }
    }

    /// Falls off the bus: all that runs ends, nothing works any more.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        self.live.lost.store(1, Ordering::Release);
        self.live.push_xid(79);
        if let Some(context) = self.primary().context.clone() {
            context.fail(Code::UNKNOWN);
            context.abort.store(true, Ordering::Release);
        }
    }

    /// Comes back, as after a reset by hand.
    pub fn revive(&self) {
        self.lost.store(false, Ordering::Release);
        self.live.lost.store(0, Ordering::Release);
    }

    /// Takes that many times as long from now on.
    pub fn slow_down(&self, factor: f64) {
        self.slowness.store((factor * 1000.0).max(1.0) as u64, Ordering::Relaxed);
    }

    fn primary(&self) -> std::sync::MutexGuard<'_, Primary> {
        self.primary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The primary context, made if there is none.
    pub fn retain(self: &Arc<Self>) -> Result<Arc<Context>, Code> {
        if self.lost.load(Ordering::Acquire) {
            return Err(Code::UNKNOWN);
        }
        let mut primary = self.primary();
        primary.users += 1;
        let context = primary.context.get_or_insert_with(|| Context::create(self, true));
        Ok(Arc::clone(context))
    }

    /// Gives the primary context back; the last user ends it.
    pub fn release(&self) -> Result<(), Code> {
        let mut primary = self.primary();
        if primary.users == 0 {
            return Err(Code::INVALID_CONTEXT);
        }
        primary.users -= 1;
        if primary.users == 0
            && let Some(context) = primary.context.take()
        {
            drop(primary);
            context.destroy();
        }
        Ok(())
    }

    /// Ends the primary context whoever uses it.
    pub fn reset(&self) {
        let context = self.primary().context.take();
        if let Some(context) = context {
            context.abort.store(true, Ordering::Release);
            self.releases.fetch_add(1, Ordering::AcqRel);
            context.destroy();
        }
        self.primary().users = 0;
    }

    /// Whether the primary context is there, and its flags.
    pub fn primary_state(&self) -> (u32, bool) {
        let primary = self.primary();
        (primary.flags, primary.context.is_some())
    }

    /// Sets the flags of the primary context.
    pub fn set_primary_flags(&self, flags: u32) {
        self.primary().flags = flags;
    }

    /// The pool that asynchronous allocations use by default.
    pub fn default_pool(&self) -> Arc<Pool> {
        Arc::clone(self.default_pool.get_or_init(|| Pool::new(self.ordinal)))
    }

    /// The pool in use.
    pub fn pool(&self) -> Arc<Pool> {
        let current = self.current_pool.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone().unwrap_or_else(|| self.default_pool())
    }

    /// Sets the pool in use.
    pub fn set_pool(&self, pool: Arc<Pool>) {
        *self.current_pool.lock().unwrap_or_else(PoisonError::into_inner) = Some(pool);
    }

    fn entry(&self) -> Option<&'static ProcessEntry> {
        self.live.process(std::process::id())
    }

    /// Bytes that other processes hold.
    fn foreign(&self) -> u64 {
        let foreign = self.live.foreign_bytes.load(Ordering::Acquire);
        if std::env::var_os("DRAWLOOM_SIM_STATE").is_none() {
            return foreign;
        }
        let own = std::process::id();
        let others = self.live.users().into_iter().filter(|(pid, _)| *pid != own);
        foreign + others.map(|(_, bytes)| bytes).sum::<u64>()
    }

    /// Free bytes.
    pub fn free_bytes(&self) -> u64 {
        self.memory.capacity().saturating_sub(self.memory.used() + self.foreign())
    }

    /// Memory of that many bytes.
    pub fn allocate(&self, bytes: u64) -> Result<u64, Code> {
        if bytes > self.free_bytes() {
            return Err(Code::OUT_OF_MEMORY);
        }
        let address = self.memory.allocate(bytes).ok_or(Code::OUT_OF_MEMORY)?;
        self.publish();
        Ok(address)
    }

    /// Frees memory.
    pub fn free(&self, address: u64) -> Result<u64, Code> {
        let range = self.memory.free(address).ok_or(Code::INVALID_VALUE)?;
        self.publish();
        Ok(range.bytes)
    }

    /// Tells other processes what this one uses.
    pub fn publish(&self) {
        if let Some(entry) = self.entry() {
            entry.used_bytes.store(self.memory.used(), Ordering::Release);
        }
    }
}
