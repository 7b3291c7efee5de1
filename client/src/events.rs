//! A job's events as a stream, taken up again when their connection breaks.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use drawloom_model::JobId;
use tokio_stream::Stream;

use crate::reconnect::Waits;
use crate::{Client, Code, Error, EventBatch, EventReceiver, JobEvent};

/// A job's events with their numbers, in order and without gaps, up to `JobEnded`. When the
/// connection breaks, the stream goes on where it ended; see [`crate::Reconnect`].
///
/// Any number of streams may follow one job, each from where it likes:
///
/// ```
/// # use drawloom_client::{Attributes, GraphBuilder, JobEvent};
/// use tokio_stream::StreamExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cluster = drawloom_cluster::Embedded::start(Default::default()).await?;
/// # let client = cluster.client();
/// let mut graph = GraphBuilder::new("events");
/// graph.task("noop", Attributes::new()).add();
/// let job = client.submit(graph.build()).await?.share();
/// let mut events = job.events(0).await?;
/// while let Some(event) = events.next().await {
///     let (seq, event) = event?;
///     println!("{seq}: {event:?}");
/// }
/// # cluster.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct JobEvents {
    client: Client,
    job: JobId,
    source: Source,
    /// The number of the next event to come from the source.
    next_seq: u64,
    /// Events that have come and were not told yet.
    pending: VecDeque<JobEvent>,
    ended: bool,
    /// What was tried since events last came; nothing while they come.
    outage: Option<Outage>,
}

/// What was tried since events last came.
#[derive(Debug)]
struct Outage {
    waits: Waits,
    attempts: u32,
    /// Why the last attempt brought nothing, where that is known.
    error: Option<Error>,
}

/// Where events come from.
enum Source {
    Receiver(EventReceiver),
    /// Being taken up again. Nobody takes the lock: it lets threads share the whole.
    Resuming(Mutex<Pin<Box<dyn Future<Output = Resumed> + Send>>>),
}

struct Resumed {
    receiver: Result<EventReceiver, Error>,
    outage: Outage,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Receiver(_) => "Receiver",
            Source::Resuming(_) => "Resuming",
        })
    }
}

impl JobEvents {
    pub(crate) fn new(client: Client, job: JobId, receiver: EventReceiver, next_seq: u64) -> Self {
        JobEvents {
            client,
            job,
            source: Source::Receiver(receiver),
            next_seq,
            pending: VecDeque::new(),
            ended: false,
            outage: None,
        }
    }

    /// The same events from the first on.
    pub(crate) fn rewound(self) -> Self {
        if self.next_seq == self.pending.len() as u64 && !self.ended {
            return self; // None was told yet.
        }
        // Its sender is gone, so the first look watches anew.
        let (_, receiver) = tokio::sync::mpsc::channel(1);
        JobEvents::new(self.client, self.job, receiver, 0)
    }

    /// The next events, all that have come; `None` after the batch with `JobEnded`. Nothing is
    /// lost when the future is dropped.
    ///
    /// # Errors
    /// The scheduler cannot be reached any more, or no longer knows the job.
    pub async fn next_batch(&mut self) -> Result<Option<EventBatch>, Error> {
        std::future::poll_fn(|context| self.poll_batch(context)).await
    }

    /// The next event with its number; `None` after `JobEnded`. Nothing is lost when the future is
    /// dropped.
    ///
    /// # Errors
    /// The scheduler cannot be reached any more, or no longer knows the job.
    pub async fn next_event(&mut self) -> Result<Option<(u64, JobEvent)>, Error> {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    fn poll_event(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<(u64, JobEvent)>, Error>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                let seq = self.next_seq - self.pending.len() as u64 - 1;
                return Poll::Ready(Ok(Some((seq, event))));
            }
            let Some(batch) = ready!(self.poll_source(context))? else {
                return Poll::Ready(Ok(None));
            };
            self.pending.extend(batch.events);
        }
    }

    fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<EventBatch>, Error>> {
        if self.pending.is_empty() {
            return self.poll_source(context);
        }
        let events: Vec<JobEvent> = self.pending.drain(..).collect();
        let first_seq = self.next_seq - events.len() as u64;
        Poll::Ready(Ok(Some(EventBatch { first_seq, events })))
    }

    fn poll_source(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<EventBatch>, Error>> {
        while !self.ended {
            match &mut self.source {
                Source::Receiver(receiver) => match ready!(receiver.poll_recv(context)) {
                    Some(Ok(batch)) => {
                        if let Some(batch) = self.accept(batch) {
                            self.outage = None;
                            return Poll::Ready(Ok(Some(batch)));
                        }
                    }
                    Some(Err(error)) => self.outage().error = Some(error),
                    None => self.resume(),
                },
                Source::Resuming(resuming) => {
                    let resuming = resuming.get_mut().unwrap_or_else(PoisonError::into_inner);
                    let Resumed { receiver, outage } = ready!(resuming.as_mut().poll(context));
                    match receiver {
                        Ok(receiver) => {
                            // Kept until events come: a connection that breaks again at once is
                            // not the end of the outage.
                            self.outage = Some(outage);
                            self.source = Source::Receiver(receiver);
                        }
                        Err(error) => {
                            // Whoever asks again tries anew.
                            self.resume();
                            return Poll::Ready(Err(error));
                        }
                    }
                }
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Leaves out what was seen before; nothing is left of a batch that is all old.
    fn accept(&mut self, mut batch: EventBatch) -> Option<EventBatch> {
        // Told again to whoever has seen it and asks for more.
        self.ended = matches!(batch.events.last(), Some(JobEvent::JobEnded { .. }));
        let seen = self.next_seq.saturating_sub(batch.first_seq);
        let seen = usize::try_from(seen).unwrap_or(usize::MAX).min(batch.events.len());
        batch.events.drain(..seen);
        batch.first_seq = batch.first_seq.max(self.next_seq);
        self.next_seq = batch.first_seq + batch.events.len() as u64;
        (!batch.events.is_empty()).then_some(batch)
    }

    fn outage(&mut self) -> &mut Outage {
        let new = || Outage { waits: self.client.reconnect().waits(), attempts: 0, error: None };
        self.outage.get_or_insert_with(new)
    }

    fn resume(&mut self) {
        self.outage();
        let (client, job, from_seq) = (self.client.clone(), self.job, self.next_seq);
        if let Some(outage) = self.outage.take() {
            let resumed = resume(client, job, from_seq, outage);
            self.source = Source::Resuming(Mutex::new(Box::pin(resumed)));
        }
    }
}

impl Stream for JobEvents {
    type Item = Result<(u64, JobEvent), Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(context).map(Result::transpose)
    }
}

/// Watches again. The first attempt is made at once: mostly the reader was too slow, and the
/// scheduler is there.
async fn resume(client: Client, job: JobId, from_seq: u64, mut outage: Outage) -> Resumed {
    let receiver = loop {
        if outage.error.as_ref().is_some_and(|error| !error.is_transient())
            || !outage.goes_on().await
        {
            break Err(outage.reason());
        }
        match client.transport().watch(job, from_seq).await {
            Ok(receiver) => break Ok(receiver),
            Err(Error::Refused { code: Code::NotFound, .. }) => break Err(Error::JobLost { job }),
            Err(error) => {
                tracing::debug!(%job, %error, "its events cannot be followed");
                outage.error = Some(error);
            }
        }
    };
    Resumed { receiver, outage }
}

impl Outage {
    /// Whether it is tried again, after a while.
    async fn goes_on(&mut self) -> bool {
        self.attempts += 1;
        self.attempts == 1 || self.waits.wait().await
    }

    fn reason(&self) -> Error {
        let early = || Error::BadReply("the events ended before their job did".to_owned());
        self.error.clone().unwrap_or_else(early)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::{Reconnect, testing::Script};

    fn started(task: u32) -> JobEvent {
        JobEvent::TaskStarted { task, attempt: 1, executor: Default::default() }
    }

    fn batch(first_seq: u64, tasks: std::ops::Range<u32>) -> EventBatch {
        EventBatch { first_seq, events: tasks.map(started).collect() }
    }

    const ENDED: JobEvent = JobEvent::JobEnded { state: crate::JobState::Succeeded };

    fn events(client: Client) -> JobEvents {
        JobEvents::new(client, JobId(1), mpsc::channel(1).1, 0)
    }

    #[test]
    fn events_seen_before_are_left_out() {
        let mut events = events(Script::default().client());
        assert_eq!(events.accept(batch(0, 0..2)), Some(batch(0, 0..2)));
        assert_eq!(events.accept(batch(0, 0..2)), None);
        assert_eq!(events.accept(batch(1, 1..3)), Some(batch(2, 2..3)));
        assert_eq!(events.next_seq, 3);
        let again = EventBatch { first_seq: 2, events: vec![ENDED] };
        assert_eq!((events.accept(again), events.ended), (None, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_stream_goes_on_where_it_ended() {
        let script = Script::default();
        script.watch_answers(Ok(vec![batch(0, 0..2)]));
        script.watch_answers(Err(Error::unreachable("gone")));
        script.watch_answers(Ok(Vec::new()));
        script.watch_answers(Ok(vec![
            batch(0, 0..3),
            EventBatch { first_seq: 3, events: vec![ENDED] },
        ]));
        let mut events = events(script.client());
        let mut told = Vec::new();
        while let Some((seq, event)) = events.next_event().await.expect("it comes back") {
            told.push((seq, event));
        }
        assert_eq!(told, [(0, started(0)), (1, started(1)), (2, started(2)), (3, ENDED)]);
        assert_eq!(script.watched(), [0, 2, 2, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_and_the_next_call_tries_anew() {
        let script = Script::default();
        let mut events = events(script.client().with_reconnect(Reconnect {
            patience: std::time::Duration::from_secs(3),
            ..Reconnect::default()
        }));
        let error = events.next_batch().await.expect_err("nobody is there");
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        script.watch_answers(Ok(vec![EventBatch { first_seq: 0, events: vec![ENDED] }]));
        let last = events.next_batch().await.expect("there now").expect("the last event");
        assert_eq!(last.events, [ENDED]);
        assert_eq!(events.next_batch().await.expect("the end"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_brings_nothing_is_given_up() {
        let script = Script::default();
        let too_large = Error::refused(Code::OutOfRange, "the batch is too large");
        script.watch_ends(Err(too_large));
        let error = events(script.client()).next_batch().await.expect_err("it stays so");
        assert_eq!(
            (error.to_string().as_str(), script.watched().len()),
            ("the batch is too large", 1)
        );
        let silent = Script::default();
        (0..1000).for_each(|_| silent.watch_answers(Ok(Vec::new())));
        let error = events(silent.client()).next_batch().await.expect_err("nothing comes");
        assert!(error.to_string().contains("ended before their job did"), "{error}");
        // Half a minute of waits of two seconds, not a thousand attempts in a row.
        assert!((10..50).contains(&silent.watched().len()), "{}", silent.watched().len());
    }

    #[tokio::test]
    async fn a_scheduler_that_forgot_the_job_is_told_apart() {
        let script = Script::default();
        script.watch_answers(Err(Error::refused(Code::NotFound, "there is no job")));
        let error = events(script.client()).next_batch().await.expect_err("it is lost");
        assert!(matches!(error, Error::JobLost { job: JobId(1) }), "{error}");
        assert!(error.to_string().contains("restarted"), "{error}");
    }
}
