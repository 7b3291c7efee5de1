//! Contexts: what belongs to a device's user.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::device::{Device, Pool};
use super::error::Code;
use super::handles;
use super::stream::Stream;
use super::system::{CONTEXTS, STREAMS, System};

/// How a stream gets on with the default stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// The default stream.
    Legacy,
    /// Waits for the default stream, and it for this one.
    Blocking,
    /// Goes its own way.
    NonBlocking,
}

/// A context.
pub struct Context {
    /// Its handle.
    pub handle: usize,
    /// The device.
    pub device: Arc<Device>,
    /// Whether it is the device's primary one.
    pub primary: bool,
    /// Set when what runs is to end.
    pub abort: Arc<AtomicBool>,
    sticky: AtomicI32,
    destroyed: AtomicBool,
    legacy: Mutex<Option<Arc<Stream>>>,
    streams: Mutex<Vec<Weak<Stream>>>,
    /// Addresses allocated here, with the pool they came from.
    allocations: Mutex<BTreeMap<u64, Option<Arc<Pool>>>>,
    /// Contexts' devices that kernels here may reach, as bits.
    peers: AtomicU64,
    /// Streams of this context that are being captured.
    pub capturing: AtomicU64,
    /// Limits by number.
    pub limits: Mutex<BTreeMap<u32, usize>>,
}

thread_local! {
    static CURRENT: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// The current context of this thread.
pub fn current() -> Result<Arc<Context>, Code> {
    let handle = current_handle();
    if handle == 0 {
        return Err(Code::INVALID_CONTEXT);
    }
    CONTEXTS.get(handle).map_err(|_| Code::CONTEXT_DESTROYED)
}

/// The current context, if nothing failed in it.
pub fn healthy() -> Result<Arc<Context>, Code> {
    let context = current()?;
    context.check()?;
    Ok(context)
}

/// The current context's handle, 0 for none.
pub fn current_handle() -> usize {
    CURRENT.with_borrow(|stack| stack.last().copied().unwrap_or(0))
}

/// Replaces the current context.
pub fn set_current(handle: usize) {
    CURRENT.with_borrow_mut(|stack| {
        stack.pop();
        if handle != 0 {
            stack.push(handle);
        }
    });
}

/// Makes a context current until it is popped.
pub fn push_current(handle: usize) {
    CURRENT.with_borrow_mut(|stack| stack.push(handle));
}

/// Ends the latest push.
pub fn pop_current() -> Option<usize> {
    CURRENT.with_borrow_mut(Vec::pop)
}

impl Context {
    /// A context on a device.
    pub fn create(device: &Arc<Device>, primary: bool) -> Arc<Self> {
        let context = Arc::new(Self {
            handle: handles::fresh(),
            device: Arc::clone(device),
            primary,
            abort: Arc::default(),
            sticky: AtomicI32::new(0),
            destroyed: AtomicBool::new(false),
            legacy: Mutex::default(),
            streams: Mutex::default(),
            allocations: Mutex::default(),
            peers: AtomicU64::new(0),
            capturing: AtomicU64::new(0),
            limits: Mutex::default(),
        });
        CONTEXTS.insert(context.handle, Arc::clone(&context));
        context
    }

    /// The failure that all calls give from now on, if there was one.
    pub fn check(&self) -> Result<(), Code> {
        match self.sticky.load(Ordering::Acquire) {
            0 => Ok(()),
            code => Err(Code(code)),
        }
    }

    /// Notes a failure for ever; the first counts.
    pub fn fail(&self, code: Code) {
        // Whoever comes second changes nothing.
        let _ = self.sticky.compare_exchange(0, code.0, Ordering::AcqRel, Ordering::Acquire);
    }

    /// The default stream.
    pub fn legacy(self: &Arc<Self>) -> Arc<Stream> {
        let mut legacy = self.legacy.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(legacy.get_or_insert_with(|| Stream::create(self, StreamKind::Legacy, 0)))
    }

    /// Takes a stream in.
    pub fn adopt(&self, stream: &Arc<Stream>) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|known| known.strong_count() > 0);
        streams.push(Arc::downgrade(stream));
    }

    /// All its streams.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.iter().filter_map(Weak::upgrade).collect()
    }

    /// Waits until all its streams are through.
    pub fn synchronise(&self) -> Result<(), Code> {
        for stream in self.streams() {
            stream.synchronise();
        }
        self.check()
    }

    /// Notes an allocation.
    pub fn allocated(&self, address: u64, pool: Option<Arc<Pool>>) {
        self.allocations.lock().unwrap_or_else(PoisonError::into_inner).insert(address, pool);
    }

    /// Frees what was allocated here.
    pub fn release(&self, address: u64) -> Result<(), Code> {
        let pool = self
            .allocations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&address)
            .ok_or(Code::INVALID_VALUE)?;
        let bytes = self.device.free(address)?;
        if let Some(pool) = pool {
            pool.gave(bytes);
        }
        Ok(())
    }

    /// Whether an address was allocated here.
    pub fn owns(&self, address: u64) -> bool {
        self.allocations.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&address)
    }

    /// Devices that kernels here may reach, as bits.
    pub fn peers(&self) -> u64 {
        self.peers.load(Ordering::Acquire)
    }

    /// Lets kernels here reach a device, or not.
    pub fn set_peer(&self, device: usize, on: bool) -> Result<(), Code> {
        let bit = 1 << device;
        if on {
            let before = self.peers.fetch_or(bit, Ordering::AcqRel);
            if before & bit != 0 { Err(Code::PEER_ALREADY_ENABLED) } else { Ok(()) }
        } else {
            let before = self.peers.fetch_and(!bit, Ordering::AcqRel);
            if before & bit == 0 { Err(Code::PEER_NOT_ENABLED) } else { Ok(()) }
        }
    }

    /// Ends it: what runs is waited for, what was allocated is freed.
    pub fn destroy(&self) {
        if self.destroyed.swap(true, Ordering::AcqRel) {
            return;
        }
        // Handles that are gone already need no second goodbye.
        let _ = CONTEXTS.remove(self.handle);
        for stream in self.streams() {
            stream.synchronise();
            let _ = STREAMS.remove(stream.handle);
            stream.close();
        }
        self.legacy.lock().unwrap_or_else(PoisonError::into_inner).take();
        let left: Vec<u64> = {
            let allocations = self.allocations.lock().unwrap_or_else(PoisonError::into_inner);
            allocations.keys().copied().collect()
        };
        for address in left {
            let _ = self.release(address);
        }
        System::get().host.end(self.handle);
    }
}

/// The system's memories as a kernel in `context` sees them.
pub fn memories(context: &Context) -> crate::exec::view::Memories {
    let system = System::get();
    crate::exec::view::Memories {
        devices: Arc::clone(&system.memories),
        host: Arc::clone(&system.host),
        own: context.device.ordinal,
        peers: context.peers(),
    }
}
