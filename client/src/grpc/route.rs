//! Which reply of the shared stream belongs to whom.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawloom_model::JobId;
use drawloom_proto::v1::submit_reply::Reply;
use drawloom_proto::{Rejection, v1};
use tokio::sync::{mpsc, oneshot};

use super::convert;
use crate::{EVENT_BATCHES, Error, EventBatch, EventReceiver, JobEvent};

/// The scheduler's first answer to a submission.
pub(super) struct Accepted {
    pub(super) job: JobId,
    pub(super) tasks: u32,
    pub(super) existing: bool,
}

/// The submissions that wait for replies, by number.
#[derive(Clone, Default)]
pub(super) struct Routes(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: u64,
    routes: HashMap<u64, Route>,
    /// How the stream has ended: nobody would answer a route made now.
    closed: Option<Error>,
}

struct Route {
    /// Gone once the submission is answered.
    answer: Option<oneshot::Sender<Result<Accepted, Error>>>,
    events: mpsc::Sender<Result<EventBatch, Error>>,
}

/// What a submission's sender waits for.
pub(super) struct Pending {
    pub(super) submission: u64,
    pub(super) answer: oneshot::Receiver<Result<Accepted, Error>>,
    pub(super) events: EventReceiver,
}

impl Routes {
    /// Numbers a submission and makes its route, unless the stream has ended.
    pub(super) fn open(&self) -> Result<Pending, Error> {
        let (answer, answered) = oneshot::channel();
        let (events, receiver) = mpsc::channel(EVENT_BATCHES);
        let mut table = self.lock();
        if let Some(error) = &table.closed {
            return Err(error.clone());
        }
        table.last += 1;
        let submission = table.last;
        table.routes.insert(submission, Route { answer: Some(answer), events });
        Ok(Pending { submission, answer: answered, events: receiver })
    }

    /// Hands a reply to whom it belongs.
    pub(super) fn deliver(&self, reply: v1::SubmitReply) {
        let mut table = self.lock();
        let Some(route) = table.routes.get_mut(&reply.submission) else { return };
        let keep = match reply.reply {
            Some(Reply::Accepted(accepted)) => route.accept(&accepted),
            Some(Reply::Rejected(rejected)) => {
                route.answer(Err(Rejection::from(rejected).into()));
                false
            }
            Some(Reply::Events(batch)) => route.pass_on(batch),
            None => true,
        };
        if !keep {
            table.routes.remove(&reply.submission);
        }
    }

    /// The stream has ended: nobody hears more over it.
    pub(super) fn close_all(&self, error: &Error) {
        let routes = {
            let mut table = self.lock();
            table.closed = Some(error.clone());
            std::mem::take(&mut table.routes)
        };
        // Every route gets the same, so the order does not matter.
        #[allow(clippy::iter_over_hash_type)]
        for mut route in routes.into_values() {
            route.answer(Err(error.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A route is never left half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Route {
    fn answer(&mut self, answer: Result<Accepted, Error>) {
        if let Some(sender) = self.answer.take() {
            // Whoever asked may have gone.
            let _ = sender.send(answer);
        }
    }

    fn accept(&mut self, accepted: &v1::SubmitAccepted) -> bool {
        let answer = accepted.job.parse().map_err(convert::bad_id).map(|job| Accepted {
            job,
            tasks: accepted.tasks,
            existing: accepted.existing,
        });
        let keep = answer.is_ok();
        self.answer(answer);
        keep
    }

    /// Whether more events are expected and wanted. A reader who is too slow must not hold up the
    /// others: its route is closed, and it goes on with a watch of its own.
    fn pass_on(&mut self, batch: v1::EventBatch) -> bool {
        let Ok(batch) = convert::event_batch(batch) else { return false };
        let last = matches!(batch.events.last(), Some(JobEvent::JobEnded { .. }));
        self.events.try_send(Ok(batch)).is_ok() && !last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_a_stream_that_has_ended() {
        let routes = Routes::default();
        let pending = routes.open().expect("the stream is open");
        routes.close_all(&Error::Stopped);
        let answer = pending.answer.await.expect("answered");
        assert!(matches!(answer, Err(Error::Stopped)));
        assert!(matches!(routes.open(), Err(Error::Stopped)));
    }
}
