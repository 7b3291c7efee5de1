//! An actor's mailbox: calls in order, run one at a time.
//!
//! Whoever holds the actor's body runs calls. That is the actor's own thread, or, for brief
//! methods while nothing else waits, the thread on which a call arrives. Either takes several
//! calls at a time, so the lock is taken per batch.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use drawloom_model::{AttemptId, CallFault, WhenFull};
use tokio::sync::Notify;

use super::body::{Body, Step};
use super::delivery::{Delivery, ReplyTo};
use crate::cancellation::Cancellation;

/// How many calls the actor's thread takes out of the queue at a time.
const BATCH: usize = 64;

/// An incarnation's mailbox.
pub(crate) struct Mailbox {
    pub incarnation: AttemptId,
    pub limit: u32,
    /// Heard by whatever the actor's thread waits in.
    pub cancellation: Arc<Cancellation>,
    state: Mutex<State>,
    wake: Condvar,
    /// Told when calls were taken out.
    room: Notify,
}

struct State {
    queue: VecDeque<Delivery>,
    /// The actor itself, while nobody runs it.
    body: Option<Body>,
    phase: Phase,
    /// Whether the actor's thread sleeps.
    sleeping: bool,
}

enum Phase {
    /// Takes calls; they are run once there is a body.
    Open,
    /// Takes no more, and ends when those it has were run.
    Stopping,
    /// The actor is gone, or is to go at once.
    Ended,
}

/// Why the actor's thread has nothing more to do.
pub(super) enum Over {
    /// It was stopped and has run what it had.
    Stopped(Box<Body>),
    /// It broke, or was killed.
    Broken(Box<Body>),
}

impl Mailbox {
    pub(super) fn new(incarnation: AttemptId, limit: u32, cancellation: Arc<Cancellation>) -> Self {
        let state =
            State { queue: VecDeque::new(), body: None, phase: Phase::Open, sleeping: false };
        Mailbox {
            incarnation,
            limit,
            cancellation,
            state: Mutex::new(state),
            wake: Condvar::new(),
            room: Notify::new(),
        }
    }

    /// Takes calls in, in their order. What is left waits for room, see [`Mailbox::room`].
    pub fn submit(&self, deliveries: &mut VecDeque<Delivery>) {
        let mut refused = Vec::new();
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open) {
            drop(state);
            return self.refuse(deliveries.drain(..));
        }
        let is_idle = state.queue.is_empty();
        if let Some(body) = state
            .body
            .take_if(|body| is_idle && deliveries.iter().all(|delivery| body.is_brief(delivery)))
        {
            drop(state);
            return self.run_here(body, deliveries);
        }
        while let Some(delivery) = deliveries.pop_front() {
            if delivery.is_bounded() && state.queue.len() >= self.limit as usize {
                if delivery.when_full == WhenFull::Wait {
                    deliveries.push_front(delivery);
                    break;
                }
                refused.push(delivery);
                continue;
            }
            state.queue.push_back(delivery);
        }
        let wake = std::mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        for delivery in refused {
            delivery.reply.fail(CallFault::MailboxFull { limit: self.limit });
        }
    }

    /// Waits until calls were taken out. Call it before [`Mailbox::submit`] is tried again, and
    /// `enable` it before it was tried first, so that nothing is missed.
    pub fn room(&self) -> tokio::sync::futures::Notified<'_> {
        self.room.notified()
    }

    /// Whether a call would find room.
    pub fn has_room(&self) -> bool {
        self.lock().queue.len() < self.limit as usize
    }

    fn run_here(&self, mut body: Body, deliveries: &mut VecDeque<Delivery>) {
        let mut step = Step::Goes;
        while let Some(delivery) = deliveries.pop_front() {
            step = body.run(delivery);
            if !matches!(step, Step::Goes) {
                break;
            }
        }
        self.put_back(body, step);
        if !deliveries.is_empty() {
            self.refuse(deliveries.drain(..));
        }
    }

    /// Gives the body back after some calls, or lets the actor's thread see that it broke.
    fn put_back(&self, body: Body, step: Step) {
        let mut state = self.lock();
        match step {
            Step::Goes => state.body = Some(body),
            Step::Broke(failure) => {
                state.phase = Phase::Ended;
                state.body = Some(body.broken(failure));
            }
        }
        let work = !state.queue.is_empty() || !matches!(state.phase, Phase::Open);
        let wake = work && std::mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// The actor is there: calls are run from now on.
    pub(super) fn begin(&self, body: Body) {
        self.put_back(body, Step::Goes);
    }

    /// Runs calls until there is nothing more to do. For the actor's own thread.
    pub(super) fn serve(&self) -> Over {
        loop {
            let (mut body, mut batch) = match self.next_batch() {
                Ok(next) => next,
                Err(over) => return over,
            };
            let mut step = Step::Goes;
            while let Some(delivery) = batch.pop_front() {
                step = body.run(delivery);
                if !matches!(step, Step::Goes) || self.cancellation.is_cancelled() {
                    break;
                }
            }
            self.return_unbegun(batch);
            self.put_back(body, step);
        }
    }

    /// Waits for calls and takes some out.
    fn next_batch(&self) -> Result<(Body, VecDeque<Delivery>), Over> {
        let mut state = self.lock();
        loop {
            if let Some(body) = state.body.take() {
                if matches!(state.phase, Phase::Ended) {
                    return Err(Over::Broken(Box::new(body)));
                }
                if !state.queue.is_empty() {
                    let count = state.queue.len().min(if body.is_quick() { BATCH } else { 1 });
                    let batch = state.queue.drain(..count).collect();
                    drop(state);
                    self.room.notify_waiters();
                    return Ok((body, batch));
                }
                if matches!(state.phase, Phase::Stopping) {
                    return Err(Over::Stopped(Box::new(body)));
                }
                state.body = Some(body);
            }
            state.sleeping = true;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeping = false;
        }
    }

    /// Lets the actor run what it has and end.
    pub fn stop(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open) {
            state.phase = Phase::Stopping;
        }
        state.sleeping = false;
        drop(state);
        self.wake.notify_one();
    }

    /// Ends the actor as soon as the call at hand has ended.
    pub fn kill(&self) {
        self.cancellation.cancel();
        self.abandon();
    }

    /// Ends the actor although no call broke it: it was killed, or its process has exited.
    pub(super) fn abandon(&self) {
        let mut state = self.lock();
        state.phase = Phase::Ended;
        state.sleeping = false;
        drop(state);
        self.wake.notify_one();
    }

    /// Drops queued calls for whom this holds, with a fault.
    pub fn withdraw(&self, is_wanted: impl Fn(&ReplyTo) -> bool, fault: &CallFault) {
        let mut state = self.lock();
        let before = state.queue.len();
        let mut kept = VecDeque::with_capacity(before);
        let mut withdrawn = Vec::new();
        for delivery in state.queue.drain(..) {
            if is_wanted(&delivery.reply) {
                withdrawn.push(delivery);
            } else {
                kept.push_back(delivery);
            }
        }
        state.queue = kept;
        drop(state);
        for delivery in withdrawn {
            delivery.reply.fail(fault.clone());
        }
    }

    /// Closes the mailbox; the calls that were never begun.
    pub(super) fn close(&self) -> VecDeque<Delivery> {
        let mut state = self.lock();
        state.phase = Phase::Ended;
        let left = std::mem::take(&mut state.queue);
        drop(state);
        self.room.notify_waiters();
        left
    }

    /// Puts calls that were taken out but not begun back to the front.
    fn return_unbegun(&self, mut batch: VecDeque<Delivery>) {
        if batch.is_empty() {
            return;
        }
        let mut state = self.lock();
        while let Some(delivery) = batch.pop_back() {
            state.queue.push_front(delivery);
        }
    }

    /// Tells callers that the incarnation is not here.
    fn refuse(&self, deliveries: impl Iterator<Item = Delivery>) {
        for delivery in deliveries {
            delivery.reply.fail(CallFault::NotHere { incarnation: self.incarnation });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a deadline has passed.
pub(super) fn is_late(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}
