//! The thread that writes objects to disk, and reads them back from there and from devices.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use drawloom_executor_core::{Event, RoomFor};
use drawloom_model::{Failure, FailureKind, ObjectKey, ObjectType, Value};
use tokio::sync::mpsc;

use super::buffer::Buffer;
use super::host::{Kept, Store};
use super::resident::Resident;
use super::spill::SpilledObject;
use crate::driver::News;

/// Moves objects in the order of asking, off the threads of the runtime.
pub(crate) struct Mover {
    store: Arc<Store>,
    news: mpsc::UnboundedSender<News>,
    orders: Sender<Order>,
    receiver: Receiver<Order>,
    started: bool,
}

enum Order {
    Spill(ObjectKey),
    Restore(ObjectKey, Source, Buffer),
}

/// Where an object comes back from.
enum Source {
    Disk(Arc<SpilledObject>),
    Device(Arc<Resident>),
}

impl Source {
    fn len(&self) -> usize {
        let bytes = match self {
            Source::Disk(spilled) => spilled.size_bytes,
            Source::Device(resident) => resident.size_bytes(),
        };
        bytes as usize
    }

    fn object_type(&self) -> &ObjectType {
        match self {
            Source::Disk(spilled) => &spilled.object_type,
            Source::Device(resident) => &resident.object_type,
        }
    }

    fn read(&self, into: &mut [u8]) -> Result<(), String> {
        match self {
            Source::Disk(spilled) => spilled.read(0, into).map_err(|error| error.to_string()),
            Source::Device(resident) => resident.read(into).map_err(|error| error.to_string()),
        }
    }
}

impl Mover {
    pub(crate) fn new(store: Arc<Store>, news: mpsc::UnboundedSender<News>) -> Self {
        let (orders, receiver) = crossbeam_channel::unbounded();
        Mover { store, news, orders, receiver, started: false }
    }

    /// Writes an object to disk; how that went goes to the core.
    pub(crate) fn spill(&mut self, object: ObjectKey) {
        if let Err(why) = self.start() {
            let failed = Event::SpillFailed { object, why };
            let _ = self.news.send(News::Event(failed));
            return;
        }
        // The thread lives as long as `self` does.
        let _ = self.orders.send(Order::Spill(object));
    }

    /// Reads an object back, once there is memory for it; how that went goes to the core.
    pub(crate) fn restore(&mut self, object: ObjectKey) {
        let source = match self.store.find(object) {
            Some(Kept::Disk(spilled)) => Source::Disk(spilled),
            Some(Kept::Device(resident)) => Source::Device(resident),
            Some(Kept::Memory(_)) => {
                let _ = self.news.send(News::Event(Event::Restored { object }));
                return;
            }
            None => return, // Released meanwhile.
        };
        if let Err(why) = self.start() {
            // It is where it was: whoever needs it may try again.
            let failure = Failure::new(FailureKind::OutOfMemory, why);
            let _ = self.news.send(News::Event(Event::RestoreFailed { object, failure }));
            return;
        }
        let (store, news, orders) = (self.store.clone(), self.news.clone(), self.orders.clone());
        tokio::spawn(async move {
            match store.buffer(object.job, source.len(), RoomFor::Object(object)).await {
                Ok(buffer) => drop(orders.send(Order::Restore(object, source, buffer))),
                Err(full) => {
                    let message = format!("an input has no room in memory: {full}");
                    let failure = Failure::new(FailureKind::OutOfMemory, message);
                    let _ = news.send(News::Event(Event::RestoreFailed { object, failure }));
                }
            }
        });
    }

    /// Starts the thread, which most executors never need.
    fn start(&mut self) -> Result<(), String> {
        if self.started {
            return Ok(());
        }
        let (store, news, orders) = (self.store.clone(), self.news.clone(), self.receiver.clone());
        let serve = move || {
            for order in orders {
                // Nobody listens when the executor is ending.
                let _ = news.send(News::Event(carry_out(&store, order)));
            }
        };
        let thread = std::thread::Builder::new().name("drawloom-mover".to_owned()).spawn(serve);
        thread.map_err(|error| format!("no thread to move objects: {error}"))?;
        self.started = true;
        Ok(())
    }
}

fn carry_out(store: &Store, order: Order) -> Event {
    let start = Instant::now();
    match order {
        Order::Spill(object) => match store.spill(object) {
            Ok(()) => {
                metrics::counter!("executor_spills_total").increment(1);
                tracing::debug!(?object, took = ?start.elapsed(), "spilled");
                Event::Spilled { object }
            }
            Err(error) => {
                tracing::warn!(?object, %error, "object cannot be spilled");
                Event::SpillFailed { object, why: error.to_string() }
            }
        },
        Order::Restore(object, source, mut buffer) => match source.read(buffer.bytes_mut()) {
            Ok(()) => {
                metrics::counter!("executor_restores_total").increment(1);
                tracing::debug!(?object, took = ?start.elapsed(), "restored");
                let object_type = source.object_type().clone();
                store.put_back(object, Value { object_type, data: buffer.freeze() });
                Event::Restored { object }
            }
            Err(error) => {
                tracing::warn!(?object, %error, "object does not come back");
                let failure = Failure::new(FailureKind::ObjectLost, error);
                Event::RestoreFailed { object, failure }
            }
        },
    }
}
