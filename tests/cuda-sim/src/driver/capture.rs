//! Captured work: graphs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::context::Context;
use super::error::Code;
use super::event::Event;
use super::handles;
use super::stream::Stream;
use super::system::System;
use super::work::{KernelWork, Work};

/// A capture that is going on.
pub struct Capture {
    /// Its number.
    pub id: u64,
    /// The stream it began in.
    pub origin: usize,
    /// The thread it began in.
    pub thread: std::thread::ThreadId,
    /// The context.
    pub context: Arc<Context>,
    /// Whether something happened that spoils it.
    pub invalid: AtomicBool,
    work: Mutex<Vec<Work>>,
    streams: Mutex<Vec<Arc<Stream>>>,
    allocated: Mutex<BTreeSet<u64>>,
    /// Streams whose work was not waited for by the origin.
    unjoined: Mutex<BTreeSet<usize>>,
}

/// Captured work, in an order that keeps all dependencies.
pub struct Graph {
    /// Its handle.
    pub handle: usize,
    /// The work.
    pub nodes: Mutex<Vec<Node>>,
    /// The context.
    pub context: Arc<Context>,
    /// Memory that the graph allocated.
    pub allocated: Vec<u64>,
}

/// A piece of a graph's work.
#[derive(Clone)]
pub struct Node {
    /// Its handle.
    pub handle: usize,
    /// What it does.
    pub work: Arc<Work>,
}

/// A graph that can run.
pub struct Exec {
    /// Its handle.
    pub handle: usize,
    /// The graph's work, which may have been changed since.
    pub nodes: Mutex<Vec<Node>>,
    /// Keeps the graph's memory.
    pub graph: Arc<Graph>,
}

impl Drop for Graph {
    fn drop(&mut self) {
        for address in &self.allocated {
            // What the caller freed already is gone.
            let _ = self.context.release(*address);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Capture {
    /// Begins to capture a stream.
    pub fn begin(stream: &Arc<Stream>) -> Result<(), Code> {
        let mut place = locked(&stream.capture);
        if place.is_some() {
            return Err(Code::CAPTURE_UNSUPPORTED);
        }
        let capture = Arc::new(Self {
            id: handles::fresh() as u64,
            origin: stream.handle,
            thread: std::thread::current().id(),
            context: Arc::clone(&stream.context),
            invalid: AtomicBool::new(false),
            work: Mutex::default(),
            streams: Mutex::new(vec![Arc::clone(stream)]),
            allocated: Mutex::default(),
            unjoined: Mutex::default(),
        });
        *place = Some(capture);
        stream.captured.store(true, Ordering::Release);
        stream.context.capturing.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Takes another stream in, which waited for an event of this capture.
    pub fn take_in(self: &Arc<Self>, stream: &Arc<Stream>) -> Result<(), Code> {
        let mut place = locked(&stream.capture);
        if let Some(known) = place.as_ref() {
            if !Arc::ptr_eq(known, self) {
                return Err(Code::CAPTURE_MERGE);
            }
        } else {
            *place = Some(Arc::clone(self));
            stream.captured.store(true, Ordering::Release);
            stream.context.capturing.fetch_add(1, Ordering::AcqRel);
            locked(&self.streams).push(Arc::clone(stream));
        }
        Ok(())
    }

    /// Notes that a stream's work is or is not joined with the origin's.
    pub fn set_joined(&self, stream: usize, joined: bool) {
        if joined {
            locked(&self.unjoined).remove(&stream);
        } else if stream != self.origin {
            locked(&self.unjoined).insert(stream);
        }
    }

    /// The origin waited for an event that was recorded in one of the captured streams.
    pub fn joined_by(&self, event: &Event) {
        if let Some(stream) = event.captured_stream() {
            self.set_joined(stream, true);
        }
    }

    /// Adds work.
    pub fn add(&self, work: Work) -> Result<(), Code> {
        if self.invalid.load(Ordering::Acquire) {
            return Err(Code::CAPTURE_INVALIDATED);
        }
        if let Work::Free(address) = work
            && locked(&self.allocated).contains(&address)
        {
            // The graph keeps its memory as long as it lives.
            return Ok(());
        }
        locked(&self.work).push(work);
        Ok(())
    }

    /// Notes memory that the graph owns.
    pub fn allocated(&self, address: u64) {
        locked(&self.allocated).insert(address);
    }

    /// Ends the capture that a stream is part of.
    pub fn end(stream: &Arc<Stream>) -> Result<Arc<Graph>, Code> {
        let capture = locked(&stream.capture).clone().ok_or(Code::INVALID_VALUE)?;
        if capture.origin != stream.handle {
            return Err(Code::CAPTURE_UNMATCHED);
        }
        for stream in locked(&capture.streams).drain(..) {
            *locked(&stream.capture) = None;
            stream.captured.store(false, Ordering::Release);
            stream.context.capturing.fetch_sub(1, Ordering::AcqRel);
        }
        if capture.invalid.load(Ordering::Acquire) {
            return Err(Code::CAPTURE_INVALIDATED);
        }
        if !locked(&capture.unjoined).is_empty() {
            return Err(Code::CAPTURE_UNJOINED);
        }
        let work = std::mem::take(&mut *locked(&capture.work));
        let allocated = std::mem::take(&mut *locked(&capture.allocated));
        Ok(Arc::new(Graph {
            handle: handles::fresh(),
            nodes: Mutex::new(work.into_iter().map(Node::new).collect()),
            context: Arc::clone(&capture.context),
            allocated: allocated.into_iter().collect(),
        }))
    }
}

impl Node {
    /// A node with a handle of its own.
    pub fn new(work: Work) -> Self {
        Self { handle: handles::fresh(), work: Arc::new(work) }
    }
}

impl Graph {
    /// Its nodes now.
    pub fn nodes(&self) -> Vec<Node> {
        locked(&self.nodes).clone()
    }

    /// Adds a node behind those it depends on, which are the graph's; its handle.
    pub fn add(&self, before: &[usize], work: Work) -> Result<usize, Code> {
        let mut nodes = locked(&self.nodes);
        let is_known = |handle: &usize| nodes.iter().any(|node| node.handle == *handle);
        if !before.iter().all(is_known) {
            return Err(Code::INVALID_VALUE);
        }
        let node = Node::new(work);
        let handle = node.handle;
        nodes.push(node);
        Ok(handle)
    }
}

impl Exec {
    /// Replaces what a kernel's node does.
    pub fn set(&self, handle: usize, work: KernelWork) -> Result<(), Code> {
        let mut nodes = locked(&self.nodes);
        let node = nodes.iter_mut().find(|node| node.handle == handle);
        let node = node.filter(|node| matches!(*node.work, Work::Kernel(_)));
        node.ok_or(Code::INVALID_VALUE)?.work = Arc::new(Work::Kernel(Box::new(work)));
        Ok(())
    }

    /// Queues the graph's work.
    pub fn launch(&self, stream: &Stream) -> Result<(), Code> {
        for Node { work, .. } in locked(&self.nodes).iter() {
            let fault = match &**work {
                Work::Kernel(_) => System::get().faults.at_launch(stream.context.device.ordinal)?,
                _ => None,
            };
            if stream.captured.load(Ordering::Acquire) {
                stream.submit((**work).clone())?;
                continue;
            }
            match (&**work, fault) {
                (Work::Kernel(kernel), Some(fault)) => {
                    let mut kernel = kernel.clone();
                    kernel.fault = Some(fault);
                    stream.submit(Work::Kernel(kernel))?;
                }
                _ => {
                    stream.push(Arc::clone(work), true);
                }
            }
        }
        Ok(())
    }
}
