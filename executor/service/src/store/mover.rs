//! The thread that writes objects to disk and reads them back.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use drawloom_executor_core::{Event, RoomFor};
use drawloom_model::{Failure, FailureKind, ObjectKey, Value};
use tokio::sync::mpsc;

use super::host::{Kept, Store};
use super::memory::Draft;
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
    Restore(ObjectKey, Arc<SpilledObject>, Draft),
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
        let spilled = match self.store.find(object) {
            Some(Kept::Disk(spilled)) => spilled,
            Some(Kept::Memory(_)) => {
                let _ = self.news.send(News::Event(Event::Restored { object }));
                return;
            }
            None => return, // Released meanwhile.
        };
        let (store, news, orders) = (self.store.clone(), self.news.clone(), self.orders.clone());
        tokio::spawn(async move {
            let len = spilled.size_bytes as usize;
            match store.allocate(object.job, len, RoomFor::Object(object)).await {
                Ok(draft) => drop(orders.send(Order::Restore(object, spilled, draft))),
                Err(full) => {
                    let message = format!("an input on disk has no room in memory: {full}");
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
        let thread = std::thread::Builder::new().name("drawloom-spill".to_owned()).spawn(serve);
        thread.map_err(|error| format!("no thread to spill: {error}"))?;
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
        Order::Restore(object, spilled, mut draft) => match spilled.read(0, draft.bytes_mut()) {
            Ok(()) => {
                metrics::counter!("executor_restores_total").increment(1);
                tracing::debug!(?object, took = ?start.elapsed(), "restored");
                let object_type = spilled.object_type.clone();
                store.put_back(object, Value { object_type, data: draft.freeze() });
                Event::Restored { object }
            }
            Err(error) => {
                tracing::warn!(?object, %error, "object does not come back from disk");
                let failure = Failure::new(FailureKind::ObjectLost, error.to_string());
                Event::RestoreFailed { object, failure }
            }
        },
    }
}
