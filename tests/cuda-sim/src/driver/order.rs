//! Looks for work of streams that nothing orders: the same bytes, one of them written, and neither an
//! event nor a wait of the host in between. It does not need the bad order to happen.
//!
//! Every stream has a vector clock over the streams. Recording and waiting for events joins clocks; a
//! wait of the host orders what was before it ahead of everything queued afterwards. For kernels the
//! lowest and the highest byte per allocation are known, so two kernels that write different columns of
//! a matrix are told as well.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::stream::Stream;
use super::work::Work;
use crate::exec::view::Touched;
use crate::{report, settings};

/// What is ordered before something: per stream, how many operations.
pub type Clock = Arc<BTreeMap<u64, u64>>;

/// Accesses kept of an allocation.
const KEPT: usize = 64;

/// Bytes of an allocation that an operation used.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The allocation's start.
    pub allocation: u64,
    /// The first byte.
    pub low: u64,
    /// One past the last.
    pub high: u64,
    /// Whether it wrote.
    pub write: bool,
}

impl Span {
    /// The spans of what a kernel touched.
    pub fn of_touched(touched: &Touched) -> Vec<Self> {
        let span = |(low, high): (u64, u64), write| {
            (low < high).then_some(Self { allocation: touched.allocation, low, high, write })
        };
        span(touched.read, false).into_iter().chain(span(touched.written, true)).collect()
    }
}

struct Access {
    stream: u64,
    count: u64,
    span: Span,
    name: String,
}

#[derive(Default)]
struct State {
    streams: BTreeMap<u64, BTreeMap<u64, u64>>,
    host: BTreeMap<u64, u64>,
    history: BTreeMap<u64, VecDeque<Access>>,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

fn with<T>(f: impl FnOnce(&mut State) -> T) -> Option<T> {
    if !settings::get().order {
        return None;
    }
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    Some(f(state.get_or_insert_default()))
}

fn join(into: &mut BTreeMap<u64, u64>, from: &BTreeMap<u64, u64>) {
    for (stream, count) in from {
        let known = into.entry(*stream).or_default();
        *known = (*known).max(*count);
    }
}

/// An operation is queued as number `count` of its stream.
pub fn submit(stream: &Stream, work: &Work, count: u64) -> Option<Clock> {
    with(|state| {
        let host = state.host.clone();
        let clock = state.streams.entry(stream.number).or_default();
        join(clock, &host);
        if let Work::Wait { clock: Some(before), .. } = work {
            join(clock, before);
        }
        clock.insert(stream.number, count);
        Arc::new(clock.clone())
    })
}

/// What is ordered before whatever a stream does next.
pub fn clock_of(stream: &Stream) -> Option<Clock> {
    with(|state| Arc::new(state.streams.get(&stream.number).cloned().unwrap_or_default()))
}

/// The host waited for a stream's first `count` operations.
pub fn host_waited(stream: &Stream, count: u64) {
    with(|state| {
        let State { streams, host, .. } = state;
        if let Some(clock) = streams.get(&stream.number) {
            join(host, clock);
        }
        let known = host.entry(stream.number).or_default();
        *known = (*known).max(count);
    });
}

/// The host waited for an event.
pub fn host_joined(clock: &Clock) {
    with(|state| join(&mut state.host, clock));
}

/// An operation used these bytes.
pub fn touched(stream: &Stream, clock: Option<&Clock>, name: &str, spans: &[Span]) {
    let Some(clock) = clock else { return };
    let count = clock.get(&stream.number).copied().unwrap_or(0);
    let mut found = Vec::new();
    with(|state| {
        for span in spans {
            let history = state.history.entry(span.allocation).or_default();
            for other in history.iter() {
                let overlap = other.span.low < span.high && span.low < other.span.high;
                let ordered = other.stream == stream.number
                    || clock.get(&other.stream).is_some_and(|known| *known >= other.count);
                if overlap && (span.write || other.span.write) && !ordered {
                    let did = |write| if write { "writes" } else { "reads" };
                    found.push(format!(
                        "{name} in stream {} {} bytes {:#x}..{:#x} that {} in stream {} {}: nothing \
                         orders them",
                        stream.number,
                        did(span.write),
                        span.low.max(other.span.low),
                        span.high.min(other.span.high),
                        other.name,
                        other.stream,
                        did(other.span.write),
                    ));
                }
            }
            history.retain(|other| {
                let covered = other.span.low >= span.low && other.span.high <= span.high;
                !(other.stream == stream.number && covered && (span.write || !other.span.write))
            });
            if history.len() == KEPT {
                history.pop_front();
            }
            history.push_back(Access {
                stream: stream.number,
                count,
                span: *span,
                name: name.into(),
            });
        }
    });
    for text in found {
        report::tell_once("stream-order", &text);
    }
}

/// An allocation is gone.
pub fn forget(allocation: u64) {
    with(|state| state.history.remove(&allocation));
}
