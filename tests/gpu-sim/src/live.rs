//! What changes: in use, lost, errors. It lies in a file that processes map, or in this process alone.

use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::machine::MAX_DEVICES;

/// Processes noted for a device.
pub const MAX_PROCESSES: usize = 16;

/// Xid events noted for a device.
pub const MAX_XIDS: usize = 64;

/// A process that uses a device.
#[derive(Debug)]
#[repr(C)]
pub struct ProcessEntry {
    /// Its number; 0 where the entry is free.
    pub pid: AtomicU32,
    _pad: u32,
    /// Bytes it uses.
    pub used_bytes: AtomicU64,
}

/// An error as the kernel driver logs it.
#[derive(Debug)]
#[repr(C)]
pub struct XidEntry {
    /// The Xid.
    pub xid: AtomicU64,
}

/// What changes of a device. All zero at the start.
#[derive(Debug)]
#[repr(C)]
pub struct LiveDevice {
    /// Whether it fell off the bus.
    pub lost: AtomicU32,
    _pad: u32,
    /// Nanoseconds it was busy with kernels.
    pub busy_nanos: AtomicU64,
    /// Corrected memory errors.
    pub ecc_corrected: AtomicU64,
    /// Uncorrected memory errors.
    pub ecc_uncorrected: AtomicU64,
    /// Reasons for throttling, as NVML's bits.
    pub throttle: AtomicU64,
    /// Temperature above the idle one, degrees.
    pub heat: AtomicU64,
    /// Bytes that other users hold, to be set by tests.
    pub foreign_bytes: AtomicU64,
    /// Number of Xid events so far.
    pub xid_count: AtomicU64,
    /// The latest of them, round and round.
    pub xids: [XidEntry; MAX_XIDS],
    /// Who uses it.
    pub processes: [ProcessEntry; MAX_PROCESSES],
}

/// What changes of all devices.
#[derive(Debug)]
#[repr(C)]
pub struct Live {
    devices: [LiveDevice; MAX_DEVICES],
}

impl Live {
    /// The state that `DRAWLOOM_SIM_STATE` names, or this library's own.
    pub fn get() -> &'static Self {
        static LIVE: OnceLock<&'static Live> = OnceLock::new();
        LIVE.get_or_init(|| {
            let named = std::env::var_os("DRAWLOOM_SIM_STATE");
            let mapped = named.and_then(|path| map(std::path::Path::new(&path)));
            mapped.or_else(map_private).unwrap_or_else(|| {
                // SAFETY: all fields are integers, for which zero is a value.
                Box::leak(Box::new(unsafe { std::mem::zeroed() }))
            })
        })
    }

    /// A device's state.
    pub fn device(&self, index: usize) -> &LiveDevice {
        &self.devices[index.min(MAX_DEVICES - 1)]
    }
}

fn map(path: &std::path::Path) -> Option<&'static Live> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(path).ok()?;
    file.set_len(size_of::<Live>() as u64).ok()?;
    map_with(libc::MAP_SHARED, file.as_raw_fd())
}

/// Memory of this process alone; both stand-ins find it through the environment.
fn map_private() -> Option<&'static Live> {
    map_with(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)
}

fn map_with(flags: i32, file: i32) -> Option<&'static Live> {
    // SAFETY: a fresh mapping of the state's size; it stays until the process ends.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size_of::<Live>(),
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            file,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the mapping has the size and alignment, and any bytes are a value of atomics.
    Some(unsafe { &*start.cast::<Live>() })
}

impl LiveDevice {
    /// Notes an Xid event.
    pub fn push_xid(&self, xid: u64) {
        let at = self.xid_count.load(Ordering::Acquire) as usize % MAX_XIDS;
        self.xids[at].xid.store(xid, Ordering::Release);
        self.xid_count.fetch_add(1, Ordering::AcqRel);
    }

    /// The entry of a process, made if there is none and room is left.
    pub fn process(&self, pid: u32) -> Option<&ProcessEntry> {
        let known = self.processes.iter().find(|entry| entry.pid.load(Ordering::Acquire) == pid);
        known.or_else(|| {
            self.processes.iter().find(|entry| {
                let free = |entry: &ProcessEntry| {
                    let old = entry.pid.load(Ordering::Acquire);
                    (old == 0 || !alive(old))
                        && entry
                            .pid
                            .compare_exchange(old, pid, Ordering::AcqRel, Ordering::Acquire)
                            .is_ok()
                };
                let taken = free(entry);
                if taken {
                    entry.used_bytes.store(0, Ordering::Release);
                }
                taken
            })
        })
    }

    /// Processes that use it, and their bytes.
    pub fn users(&self) -> Vec<(u32, u64)> {
        let entry = |entry: &ProcessEntry| {
            (entry.pid.load(Ordering::Acquire), entry.used_bytes.load(Ordering::Acquire))
        };
        self.processes.iter().map(entry).filter(|(pid, _)| *pid != 0 && alive(*pid)).collect()
    }

    /// Bytes in use by anybody.
    pub fn used_bytes(&self) -> u64 {
        let foreign = self.foreign_bytes.load(Ordering::Acquire);
        foreign + self.users().iter().map(|(_, bytes)| bytes).sum::<u64>()
    }
}

fn alive(pid: u32) -> bool {
    // SAFETY: signal 0 only asks whether the process is there.
    let answer = unsafe { libc::kill(pid as i32, 0) };
    answer == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_and_events_are_noted() {
        let device = Live::get().device(63);
        let entry = device.process(std::process::id()).expect("an entry is free");
        entry.used_bytes.store(10, Ordering::Release);
        device.foreign_bytes.store(5, Ordering::Release);
        assert_eq!(device.used_bytes(), 15);
        device.push_xid(79);
        assert_eq!(device.xids[0].xid.load(Ordering::Acquire), 79);
    }
}
