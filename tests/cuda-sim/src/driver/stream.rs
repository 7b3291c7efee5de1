//! Streams: a worker each, which runs what is queued in order and lets streams differ in pace.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::capture::Capture;
use super::context::{Context, StreamKind};
use super::error::Code;
use super::handles;
use super::order;
use super::work::Work;
use crate::settings;

/// A place in a stream's order: what is queued up to there.
#[derive(Clone)]
pub struct Point {
    /// The stream.
    pub progress: Arc<Progress>,
    /// How many operations are meant.
    pub count: u64,
}

/// How far a stream is.
#[derive(Default)]
pub struct Progress {
    done: AtomicU64,
    wanted: AtomicU64,
    lock: Mutex<()>,
    changed: Condvar,
    waiters: AtomicU64,
}

impl Progress {
    fn finish(&self, count: u64) {
        self.done.store(count, Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) > 0 {
            let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.changed.notify_all();
        }
    }
}

impl Point {
    /// Whether it is reached.
    pub fn reached(&self) -> bool {
        self.progress.done.load(Ordering::SeqCst) >= self.count
    }

    /// Waits until it is reached.
    pub fn wait(&self) {
        if self.reached() {
            return;
        }
        // Nobody dawdles when somebody waits.
        self.progress.wanted.fetch_max(self.count, Ordering::SeqCst);
        self.progress.waiters.fetch_add(1, Ordering::SeqCst);
        let mut held = self.progress.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.progress.changed.notify_all();
        while !self.reached() {
            held = self.progress.changed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        drop(held);
        self.progress.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Queue {
    work: VecDeque<Queued>,
    submitted: u64,
    /// Whether the worker is at something.
    at_work: bool,
    closed: bool,
}

struct Queued {
    work: Arc<Work>,
    clock: Option<order::Clock>,
}

/// A stream.
pub struct Stream {
    /// Its handle.
    pub handle: usize,
    /// A small number of its own.
    pub number: u64,
    /// The context.
    pub context: Arc<Context>,
    /// How it gets on with the default stream.
    pub kind: StreamKind,
    /// Its priority.
    pub priority: i32,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// The capture it is part of.
    pub capture: Mutex<Option<Arc<Capture>>>,
    /// Whether `capture` holds one, to be asked quickly.
    pub captured: AtomicBool,
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Whether the worker sleeps.
    idle: AtomicBool,
}

static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// A number that looks random, made of others (splitmix64).
pub fn mixed(seed: u64, a: u64, b: u64) -> u64 {
    let mut z =
        seed ^ a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_mul(0xd1b5_4a32_d192_ed03);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Stream {
    /// A stream with its worker.
    pub fn create(context: &Arc<Context>, kind: StreamKind, priority: i32) -> Arc<Self> {
        let stream = Arc::new(Self {
            handle: handles::fresh(),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            context: Arc::clone(context),
            kind,
            priority,
            progress: Arc::default(),
            capture: Mutex::default(),
            captured: AtomicBool::new(false),
            queue: Mutex::new(Queue {
                work: VecDeque::new(),
                submitted: 0,
                at_work: false,
                closed: false,
            }),
            arrived: Condvar::new(),
            idle: AtomicBool::new(false),
        });
        context.adopt(&stream);
        let worker = Arc::clone(&stream);
        let name = format!("sim-stream-{}", stream.number);
        let spawned = std::thread::Builder::new().name(name).spawn(move || worker.serve());
        if spawned.is_err() {
            // Without a worker nothing queued here would ever end.
            stream.lock().closed = true;
            context.fail(Code::OUT_OF_MEMORY);
        }
        stream
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues work, or adds it to the capture the stream is part of.
    pub fn submit(&self, work: Work) -> Result<(), Code> {
        if self.captured.load(Ordering::Acquire)
            && let Some(capture) =
                self.capture.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
        {
            return capture.add(work);
        }
        self.meet_default_stream();
        self.push(Arc::new(work), true);
        Ok(())
    }

    /// The default stream waits for blocking ones, and they for it.
    fn meet_default_stream(&self) {
        match self.kind {
            StreamKind::NonBlocking => {}
            StreamKind::Blocking => {
                for other in self.context.streams() {
                    if other.kind == StreamKind::Legacy {
                        self.wait_for(other.point());
                    }
                }
            }
            StreamKind::Legacy => {
                for other in self.context.streams() {
                    if other.kind == StreamKind::Blocking {
                        self.wait_for(other.point());
                    }
                }
            }
        }
    }

    fn wait_for(&self, point: Point) {
        if !point.reached() {
            self.push(Arc::new(Work::Wait { point, clock: None }), true);
        }
    }

    /// Queues work whatever the stream is part of; gives its place.
    pub fn push(&self, work: Arc<Work>, ordered: bool) -> Point {
        let mut queue = self.lock();
        if queue.closed {
            return Point { progress: Arc::clone(&self.progress), count: queue.submitted };
        }
        queue.submitted += 1;
        let count = queue.submitted;
        let clock = if ordered { order::submit(self, &work, count) } else { None };
        if queue.work.is_empty() && !queue.at_work && work.takes_no_time() {
            // What takes no time has ended when it is submitted. The lock keeps others behind it.
            work.run(self, clock.as_ref());
            self.progress.finish(count);
            return Point { progress: Arc::clone(&self.progress), count };
        }
        queue.work.push_back(Queued { work, clock });
        drop(queue);
        if self.idle.load(Ordering::SeqCst) {
            self.arrived.notify_one();
        }
        Point { progress: Arc::clone(&self.progress), count }
    }

    /// Everything queued so far.
    pub fn point(&self) -> Point {
        Point { progress: Arc::clone(&self.progress), count: self.lock().submitted }
    }

    /// Waits until everything queued so far is done.
    pub fn synchronise(&self) {
        let point = self.point();
        point.wait();
        order::host_waited(self, point.count);
    }

    /// Ends the worker when the queue is empty.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    fn next(&self) -> Option<(Queued, u64)> {
        let mut queue = self.lock();
        queue.at_work = false;
        loop {
            if let Some(queued) = queue.work.pop_front() {
                queue.at_work = true;
                // Everything before it has ended.
                return Some((queued, queue.submitted - queue.work.len() as u64));
            }
            if queue.closed {
                return None;
            }
            self.idle.store(true, Ordering::SeqCst);
            queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
            self.idle.store(false, Ordering::SeqCst);
        }
    }

    fn serve(self: Arc<Self>) {
        while let Some((queued, count)) = self.next() {
            if !matches!(*queued.work, Work::Wait { .. }) {
                self.dawdle(count);
            }
            queued.work.run(&self, queued.clock.as_ref());
            drop(queued);
            self.progress.finish(count);
        }
    }

    /// Lets time pass before an operation starts, unless somebody waits for it.
    fn dawdle(&self, count: u64) {
        let most = settings::get().jitter;
        if most.is_zero() {
            return;
        }
        let part = mixed(settings::get().seed, self.number, count) % 1024;
        let until = Instant::now() + most.mul_f64(part as f64 / 1024.0);
        let progress = &self.progress;
        progress.waiters.fetch_add(1, Ordering::SeqCst);
        let mut held = progress.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while progress.wanted.load(Ordering::SeqCst) < count {
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                break;
            }
            held =
                progress.changed.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(held);
        progress.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}
