//! Watching a job.

use std::sync::Arc;

use drawloom_model::JobId;
use drawloom_proto::{Rejection, v1};
use drawloom_scheduler_core::{JobEvent, Refusal};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::submit::Replies;
use super::{Sending, job_id};
use crate::handle::Handle;
use crate::log::JobLog;
use crate::{rejection, wire};
use v1::submit_reply::Reply;

/// The most events in one message.
const BATCH: usize = 4096;

/// The log of a job that is kept.
pub(super) async fn log(handle: &Handle, job: JobId) -> Result<Arc<JobLog>, Rejection> {
    let log = handle.job_log(job).await.map_err(rejection::stopped)?;
    log.ok_or_else(|| rejection::refused(&Refusal::UnknownJob { job }))
}

/// Sends a job's events from a number on.
pub(super) async fn watch(
    handle: &Handle,
    request: v1::WatchRequest,
) -> Result<Sending<v1::EventBatch>, Rejection> {
    let log = log(handle, job_id(&request.job)?).await?;
    let seq = log.start(request.from_seq).map_err(rejection::beyond_events)?;
    let (sender, receiver) = mpsc::channel(1);
    let mut cursor = Cursor { log, seq, ended: false };
    tokio::spawn(async move {
        loop {
            let batch = tokio::select! {
                batch = cursor.next() => batch,
                () = sender.closed() => return,
            };
            let Some(batch) = batch else { return };
            if sender.send(batch).await.is_err() {
                return;
            }
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// Sends a submission's acceptance and then the job's events, from the first to the last, among a
/// stream's other replies. The acceptance goes with the first events, or when `alone` comes; its
/// place is free again once it is on its way.
pub(super) async fn forward(
    log: Arc<JobLog>,
    submission: u64,
    (accepted, place): (Reply, OwnedSemaphorePermit),
    alone: OwnedNotified,
    replies: Replies,
) {
    let mut cursor = Cursor { log, seq: 0, ended: false };
    let mut early = tokio::select! {
        biased;
        first = cursor.next() => Some(first),
        () = alone => None,
    };
    let reply = |reply| v1::SubmitReply { submission, reply: Some(reply) };
    if replies.send(Ok(reply(accepted))).await.is_err() {
        return;
    }
    drop(place);
    loop {
        let batch = match early.take() {
            Some(batch) => batch,
            None => tokio::select! {
                batch = cursor.next() => batch,
                () = replies.closed() => return,
            },
        };
        let Some(batch) = batch else { return };
        if replies.send(batch.map(|batch| reply(Reply::Events(batch)))).await.is_err() {
            return;
        }
    }
}

/// A watcher's place in a log.
struct Cursor {
    log: Arc<JobLog>,
    seq: u64,
    ended: bool,
}

impl Cursor {
    /// The next events; `None` after the last.
    async fn next(&mut self) -> Option<Result<v1::EventBatch, Status>> {
        if self.ended {
            return None;
        }
        match self.log.next(self.seq, BATCH).await {
            Some(events) => {
                let first_seq = self.seq;
                self.seq += events.len() as u64;
                self.ended = matches!(events.last(), Some(JobEvent::JobEnded { .. }));
                Some(Ok(wire::event_batch(first_seq, events)))
            }
            None => {
                self.ended = true;
                Some(Err(rejection::stopped(crate::Stopped).into()))
            }
        }
    }
}
