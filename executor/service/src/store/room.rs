//! Waiting for memory: the core makes room and answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawloom_executor_core::{Event, RoomAnswer, RoomFor, RoomId};
use tokio::sync::{mpsc, oneshot};

use super::memory::{Memory, NoRoom};
use crate::driver::News;

/// Those who wait for memory, by the number of their wish.
pub(crate) struct Wishes {
    next: AtomicU64,
    news: mpsc::UnboundedSender<News>,
    waiting: Mutex<HashMap<RoomId, oneshot::Sender<RoomAnswer>>>,
}

impl Wishes {
    pub(crate) fn new(memory: &Memory, news: mpsc::UnboundedSender<News>) -> Self {
        let sender = news.clone();
        memory.when_freed(move || {
            // Nobody hears of it when the loop has ended, and nobody waits.
            let _ = sender.send(News::Event(Event::RoomFreed));
        });
        Wishes { next: AtomicU64::new(1), news, waiting: Mutex::default() }
    }

    /// Hands an answer to whom it belongs, who may have gone.
    pub(crate) fn answer(&self, room: RoomId, answer: RoomAnswer) {
        if let Some(sender) = self.waiting().remove(&room) {
            let _ = sender.send(answer);
        }
    }

    /// Takes memory as soon as there is some.
    pub(crate) async fn wait<T>(
        &self,
        memory: &Arc<Memory>,
        len: usize,
        purpose: RoomFor,
        take: impl Fn(&Arc<Memory>) -> Result<T, NoRoom>,
    ) -> Result<T, NoRoom> {
        let wish = self.wish(memory, len, purpose, take);
        loop {
            match wish.attempt() {
                Ok(result) => return result,
                Err(answer) => {
                    let answer = answer.await;
                    if let Some(result) = wish.conclude(answer) {
                        return result;
                    }
                }
            }
        }
    }

    /// The same on a thread that may block.
    pub(crate) fn block<T>(
        &self,
        memory: &Arc<Memory>,
        len: usize,
        purpose: RoomFor,
        take: impl Fn(&Arc<Memory>) -> Result<T, NoRoom>,
    ) -> Result<T, NoRoom> {
        let wish = self.wish(memory, len, purpose, take);
        loop {
            match wish.attempt() {
                Ok(result) => return result,
                Err(answer) => {
                    let answer = answer.blocking_recv();
                    if let Some(result) = wish.conclude(answer) {
                        return result;
                    }
                }
            }
        }
    }

    fn wish<'w, T>(
        &'w self,
        memory: &'w Arc<Memory>,
        len: usize,
        purpose: RoomFor,
        take: T,
    ) -> Wish<'w, T> {
        memory.begin_wait();
        let room = RoomId(self.next.fetch_add(1, Ordering::Relaxed));
        Wish { wishes: self, memory, room, len, purpose, take }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<RoomId, oneshot::Sender<RoomAnswer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits.
struct Wish<'w, F> {
    wishes: &'w Wishes,
    memory: &'w Arc<Memory>,
    room: RoomId,
    len: usize,
    purpose: RoomFor,
    take: F,
}

impl<T, F: Fn(&Arc<Memory>) -> Result<T, NoRoom>> Wish<'_, F> {
    /// Takes memory, or asks for it.
    fn attempt(&self) -> Result<Result<T, NoRoom>, oneshot::Receiver<RoomAnswer>> {
        match (self.take)(self.memory) {
            Err(NoRoom::Full { .. }) => {}
            other => return Ok(other),
        }
        let (sender, answer) = oneshot::channel();
        self.wishes.waiting().insert(self.room, sender);
        let (room, purpose) = (self.room, self.purpose);
        let missing_bytes = self.memory.missing_bytes(self.len);
        let wanted = Event::RoomWanted { room, missing_bytes, purpose };
        if self.wishes.news.send(News::Event(wanted)).is_err() {
            self.wishes.waiting().remove(&self.room); // The loop has ended.
        }
        Err(answer)
    }

    /// What an answer comes to; nothing where it is to be tried again.
    fn conclude(
        &self,
        answer: Result<RoomAnswer, oneshot::error::RecvError>,
    ) -> Option<Result<T, NoRoom>> {
        let reason = match answer {
            Ok(RoomAnswer::TryAgain) => return None,
            Ok(RoomAnswer::Refused { why }) => why,
            Err(_) => Some("the executor is ending".to_owned()),
        };
        // Something may have come free just before the wish was heard.
        let result = (self.take)(self.memory);
        Some(result.map_err(|error| match error {
            NoRoom::Full { wanted_bytes, free_bytes, limit_bytes, .. } => {
                NoRoom::Full { wanted_bytes, free_bytes, limit_bytes, why: reason }
            }
            other => other,
        }))
    }
}

impl<F> Drop for Wish<'_, F> {
    fn drop(&mut self) {
        self.wishes.waiting().remove(&self.room);
        self.memory.end_wait();
    }
}
