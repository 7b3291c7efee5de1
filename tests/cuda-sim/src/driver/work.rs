//! What streams do.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::context::{Context, memories};
use super::device::Device;
use super::error::Code;
use super::event::Event;
use super::kernel::Kernel;
use super::order::{self, Span};
use super::stream::{Point, Stream};
use super::system::System;
use crate::exec::fault::Trap;
use crate::exec::grid::{Ended, Launch};
use crate::faults::KernelFault;
use crate::memory::device_of;
use crate::settings::Costs;
use crate::{report, settings};

/// Copies of so few bytes take no time to speak of.
const TRIFLE_BYTES: u64 = 4096;

/// A kernel to run.
#[derive(Clone)]
pub struct KernelWork {
    /// Which.
    pub kernel: Arc<Kernel>,
    /// Blocks by axis.
    pub grid: [u32; 3],
    /// Threads by axis.
    pub block: [u32; 3],
    /// Dynamic shared memory.
    pub dynamic_shared: u32,
    /// Arguments.
    pub params: Vec<u64>,
    /// All blocks at the same time.
    pub cooperative: bool,
    /// What goes wrong with it.
    pub fault: Option<KernelFault>,
}

/// Where a copy reads.
#[derive(Clone)]
pub enum Source {
    /// What the host held when the copy was asked for.
    Staged(Vec<u8>),
    /// An address of a device or of the host.
    Address(u64),
}

/// A C function of the host.
pub type HostFn = unsafe extern "C" fn(*mut c_void);

/// An operation of a stream.
#[derive(Clone)]
pub enum Work {
    /// Runs a kernel.
    Kernel(Box<KernelWork>),
    /// Copies bytes.
    Copy {
        /// Where to.
        to: u64,
        /// Where from.
        from: Source,
        /// How many.
        bytes: u64,
    },
    /// Fills memory with a pattern.
    Fill {
        /// Where.
        address: u64,
        /// What.
        pattern: u32,
        /// Bytes of the pattern.
        width: u32,
        /// How often.
        count: u64,
    },
    /// Calls a function of the host.
    Host {
        /// Which.
        function: HostFn,
        /// Its argument.
        data: usize,
    },
    /// Waits for a place in another stream.
    Wait {
        /// The place.
        point: Point,
        /// What is ordered before it.
        clock: Option<order::Clock>,
    },
    /// Passes an event.
    Record {
        /// The event.
        event: Arc<Event>,
        /// The record's number.
        number: u64,
    },
    /// Frees memory.
    Free(u64),
    /// Nothing.
    Nothing,
}

static LAUNCHES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

impl Work {
    /// Whether it takes no time, and waits for nothing: kernels that are not run, and what goes with
    /// them.
    pub fn takes_no_time(&self) -> bool {
        let settings = settings::get();
        if settings.run_kernels || !settings.jitter.is_zero() || settings.costs != Costs::default()
        {
            return false;
        }
        match self {
            Self::Kernel(work) => work.fault.is_none(),
            Self::Record { .. } | Self::Free(_) | Self::Nothing => true,
            Self::Wait { point, .. } => point.reached(),
            Self::Copy { bytes, .. } => *bytes <= TRIFLE_BYTES,
            Self::Fill { width, count, .. } => u64::from(*width) * count <= TRIFLE_BYTES,
            Self::Host { .. } => false,
        }
    }

    /// Its name, for reports.
    fn name(&self) -> String {
        match self {
            Self::Kernel(work) => format!("kernel {}", work.kernel.function().name),
            Self::Copy { bytes, .. } => format!("copy of {bytes} bytes"),
            Self::Fill { .. } => "fill".into(),
            Self::Free(_) => "free".into(),
            _ => "operation".into(),
        }
    }

    /// Carries it out.
    pub fn run(&self, stream: &Stream, clock: Option<&order::Clock>) {
        let context = &stream.context;
        match self {
            Self::Wait { point, .. } => return point.wait(),
            Self::Record { event, number } => return event.pass(*number),
            Self::Nothing => return,
            Self::Free(address) => {
                let span = whole(address);
                order::touched(stream, clock, &self.name(), span.as_slice());
                if context.release(*address).is_err() {
                    report::tell(
                        "free",
                        &format!("{address:#x} was not allocated in this context"),
                    );
                    context.fail(Code::INVALID_VALUE);
                }
                order::forget(*address);
                return;
            }
            _ => {}
        }
        // After a failure nothing runs any more.
        if context.check().is_err() {
            return;
        }
        let device = &context.device;
        if device.lost.load(Ordering::Acquire) {
            return context.fail(Code::UNKNOWN);
        }
        let outcome = match self {
            Self::Kernel(work) => work.run(context, |spans| {
                order::touched(stream, clock, &self.name(), spans);
            }),
            Self::Copy { to, from, bytes } => copy(context, *to, from, *bytes).map(|spans| {
                order::touched(stream, clock, &self.name(), &spans);
            }),
            Self::Fill { address, pattern, width, count } => {
                fill(*address, *pattern, *width, *count).map(|spans| {
                    order::touched(stream, clock, &self.name(), &spans);
                })
            }
            Self::Host { function, data } => {
                // SAFETY: the caller gave the function with its argument for this call.
                unsafe { function(*data as *mut c_void) };
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(code) = outcome {
            context.fail(code);
        }
    }
}

fn whole(address: &u64) -> Option<Span> {
    let device = System::get().device_of(*address)?;
    let range = device.memory.table().find(*address)?;
    Some(Span { allocation: range.start, low: range.start, high: range.end(), write: true })
}

/// The bytes behind an address, if that many lie in one allocation or are the host's.
fn bytes_at(address: u64, bytes: u64, what: &str) -> Result<*mut u8, Code> {
    if device_of(address).is_none() {
        return Ok(address as *mut u8);
    }
    let device = System::get().device_of(address).ok_or(Code::ILLEGAL_ADDRESS)?;
    device.memory.bytes_at(address, bytes).ok_or_else(|| {
        let around = device.memory.table().describe(address, bytes);
        report::tell("copy", &format!("{what} of {bytes} bytes at {address:#x}: {around}"));
        Code::ILLEGAL_ADDRESS
    })
}

fn span(address: u64, bytes: u64, write: bool) -> Option<Span> {
    let device = System::get().device_of(address)?;
    let range = device.memory.table().find(address)?;
    Some(Span { allocation: range.start, low: address, high: address + bytes, write })
}

fn copy(context: &Context, to: u64, from: &Source, bytes: u64) -> Result<Vec<Span>, Code> {
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let started = Instant::now();
    let target = bytes_at(to, bytes, "write")?;
    let mut spans: Vec<_> = span(to, bytes, true).into_iter().collect();
    let costs = &settings::get().costs;
    let mut rate = costs.copy_bytes_per_s;
    match from {
        Source::Staged(staged) => {
            // SAFETY: the target was checked, and the staged bytes are ours.
            unsafe { std::ptr::copy(staged.as_ptr(), target, bytes as usize) };
        }
        Source::Address(address) => {
            let source = bytes_at(*address, bytes, "read")?;
            spans.extend(span(*address, bytes, false));
            // SAFETY: device ranges were checked; the host's are valid as the caller promised.
            unsafe { std::ptr::copy(source, target, bytes as usize) };
            match (device_of(*address), device_of(to)) {
                (Some(a), Some(b)) if a == b => rate = costs.bytes_per_s,
                (Some(_), Some(_)) => rate = costs.peer_bytes_per_s,
                _ => {}
            }
        }
    }
    if rate > 0.0 {
        charge(&context.device, started, Duration::from_secs_f64(bytes as f64 / rate));
    }
    Ok(spans)
}

fn fill(address: u64, pattern: u32, width: u32, count: u64) -> Result<Vec<Span>, Code> {
    let bytes = u64::from(width) * count;
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let to = bytes_at(address, bytes, "fill")?;
    // SAFETY: the range was checked; its alignment was when it was queued.
    unsafe {
        match width {
            1 => std::ptr::write_bytes(to, pattern as u8, count as usize),
            2 => std::slice::from_raw_parts_mut(to.cast::<u16>(), count as usize)
                .fill(pattern as u16),
            _ => std::slice::from_raw_parts_mut(to.cast::<u32>(), count as usize).fill(pattern),
        }
    }
    Ok(span(address, bytes, true).into_iter().collect())
}

/// Lets the rest of the time charged pass.
fn charge(device: &Device, started: Instant, time: Duration) {
    let slowness = device.slowness.load(Ordering::Relaxed) as f64 / 1000.0;
    let left = time.mul_f64(slowness).saturating_sub(started.elapsed());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}

impl KernelWork {
    fn run(&self, context: &Arc<Context>, touched: impl FnOnce(&[Span])) -> Result<(), Code> {
        let device = &context.device;
        match self.fault {
            Some(KernelFault::Fail) => {
                report::tell(
                    "injected",
                    &format!("launch of {} fails", self.kernel.function().name),
                );
                return Err(Code::LAUNCH_FAILED);
            }
            Some(KernelFault::Ecc) => {
                device.live.ecc_uncorrected.fetch_add(1, Ordering::AcqRel);
                device.live.push_xid(48);
                report::tell("injected", "uncorrectable memory error");
                return Err(Code::ECC);
            }
            Some(KernelFault::Lost) => {
                report::tell("injected", &format!("device {} falls off the bus", device.ordinal));
                device.lose();
                return Err(Code::UNKNOWN);
            }
            Some(KernelFault::Hang) => {
                report::tell("injected", &format!("kernel {} hangs", self.kernel.function().name));
                let before = device.releases.load(Ordering::Acquire);
                while device.releases.load(Ordering::Acquire) == before
                    && !context.abort.load(Ordering::Acquire)
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if context.abort.load(Ordering::Acquire) {
                    return Err(Code::LAUNCH_TIMEOUT);
                }
            }
            None => {}
        }
        let started = Instant::now();
        let settings = settings::get();
        let ended =
            if settings.run_kernels { self.launch(context).run() } else { Ended::default() };
        let mut time = settings.costs.launch.as_secs_f64();
        if settings.costs.instructions_per_s > 0.0 {
            time += ended.instructions as f64 / settings.costs.instructions_per_s;
        }
        if settings.costs.bytes_per_s > 0.0 {
            time += ended.bytes as f64 / settings.costs.bytes_per_s;
        }
        let slow = device.slowness.load(Ordering::Relaxed) as f64 / 1000.0;
        let own = started.elapsed().as_secs_f64() * (slow - 1.0).max(0.0);
        charge(device, started, Duration::from_secs_f64(time));
        if own > 0.0 {
            std::thread::sleep(Duration::from_secs_f64(own));
        }
        let busy = started.elapsed().as_nanos() as u64;
        device.live.busy_nanos.fetch_add(busy, Ordering::Relaxed);
        crate::counters::add(ended.instructions, ended.bytes);
        let spans: Vec<_> = ended.touched.iter().flat_map(Span::of_touched).collect();
        touched(&spans);
        match ended.failure {
            None => Ok(()),
            Some((trap, text)) => {
                report::tell("kernel", &text);
                device.live.push_xid(if matches!(trap, Trap::Access(..)) { 31 } else { 13 });
                Err(code_of(&trap))
            }
        }
    }

    fn launch(&self, context: &Context) -> Launch {
        let settings = settings::get();
        Launch {
            id: LAUNCHES.fetch_add(1, Ordering::Relaxed),
            program: Arc::clone(&self.kernel.program),
            kernel: self.kernel.index,
            grid: self.grid,
            block: self.block,
            dynamic_shared: self.dynamic_shared,
            params: self.params.clone(),
            memories: memories(context),
            multiprocessors: context.device.spec.multiprocessors,
            cooperative: self.cooperative,
            races: settings.races,
            trace: settings.order,
            abort: Arc::clone(&context.abort),
        }
    }
}

fn code_of(trap: &Trap) -> Code {
    match trap {
        Trap::Access(bad, _) if bad.misaligned => Code::MISALIGNED,
        Trap::Access(..) => Code::ILLEGAL_ADDRESS,
        Trap::Assert(_) => Code::ASSERT,
        Trap::Deadlock(_) => Code::LAUNCH_TIMEOUT,
        Trap::StackOverflow => Code::STACK,
        Trap::Aborted => Code::UNKNOWN,
        Trap::Trap | Trap::Race(_) => Code::LAUNCH_FAILED,
    }
}
