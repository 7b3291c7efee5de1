//! How everyone else talks to the driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use drawloom_model::{
    ExecutorId, ExecutorInfo, FromExecutor, JobId, JobKey, Limits, RequestId, Time, ToExecutor,
};
use drawloom_scheduler_core::{Event, Refusal, Reply, Scheduler};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::log::{JobLog, Logs, OutputTypes};
use crate::metrics::Sampled;

/// What the driver owns and queries may look at.
pub(crate) struct Shell {
    pub scheduler: Scheduler,
    pub logs: Logs,
    pub sampled: Sampled,
}

pub(crate) type Query = Box<dyn FnOnce(&mut Shell, Time) + Send>;

/// What the driver hears.
pub(crate) enum Input {
    /// Something to be answered by the core.
    Ask { event: Event, request: RequestId, answer: Answer },
    /// An executor joins; orders for it go there. It sits for as long as `seat` is kept.
    Attach {
        executor: ExecutorId,
        info: Arc<ExecutorInfo>,
        orders: OrderSender,
        seat: watch::Sender<()>,
    },
    /// An executor says something.
    Said { executor: ExecutorId, messages: Vec<FromExecutor> },
    /// An executor's connection has ended.
    Detach { executor: ExecutorId },
    /// A look at the state, after the round.
    Query(Query),
    /// Nothing more is wanted.
    Stop,
}

/// Where the core's answer goes.
pub(crate) enum Answer {
    Plain(oneshot::Sender<Result<Reply, Refusal>>),
    /// A submission also wants the job's log, which gets the types of what the tasks make.
    Job {
        types: OutputTypes,
        sender: oneshot::Sender<Result<Admitted, Refusal>>,
    },
}

/// Orders for one executor. Unbounded, since the driver waits for nobody: the core sends only so
/// far ahead, and an executor that does not read is soon lost.
pub type OrderSender = mpsc::UnboundedSender<Vec<ToExecutor>>;

/// A job was admitted, or was before under the same token.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Its public id.
    pub job: JobId,
    /// Its key.
    pub key: JobKey,
    /// How many tasks it has.
    pub tasks: u32,
    /// Whether an earlier submission with the same token made it.
    pub existing: bool,
    /// What happens to it.
    pub log: Arc<JobLog>,
}

/// Why the driver did not do what it was asked to.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskError {
    /// The core refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The scheduler stops.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The scheduler stops; nothing can be asked of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the scheduler is stopping")]
pub struct Stopped;

/// A way to talk to the driver; cheap to clone. Its inputs queue up to a bound, so a flood of
/// them slows down who sends it.
#[derive(Clone, Debug)]
pub struct Handle {
    inputs: mpsc::Sender<Input>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    next_request: AtomicU64,
    next_executor: AtomicU32,
    clock: Clock,
    limits: Limits,
}

impl Handle {
    pub(crate) fn new(inputs: mpsc::Sender<Input>, clock: Clock, limits: Limits) -> Self {
        let (next_request, next_executor) = (AtomicU64::new(0), AtomicU32::new(1));
        Handle { inputs, shared: Arc::new(Shared { next_request, next_executor, clock, limits }) }
    }

    /// The service's clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Bounds on what is accepted in one job.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Ends the driver's loop after what it has been told so far.
    pub async fn stop(&self) {
        // An error means that it has ended already.
        let _ = self.inputs.send(Input::Stop).await;
    }

    /// Waits until the driver's loop has ended.
    pub async fn stopped(&self) {
        self.inputs.closed().await;
    }

    /// Asks the core; `event` makes the event from the id that the answer will carry.
    ///
    /// # Errors
    /// When the core refuses, or the scheduler stops.
    pub async fn ask(&self, event: impl FnOnce(RequestId) -> Event) -> Result<Reply, AskError> {
        let (sender, answer) = oneshot::channel();
        self.send_request(event, Answer::Plain(sender)).await?;
        Ok(answer.await.map_err(|_| Stopped)??)
    }

    pub(crate) async fn send_request(
        &self,
        event: impl FnOnce(RequestId) -> Event,
        answer: Answer,
    ) -> Result<(), Stopped> {
        let request = RequestId(self.shared.next_request.fetch_add(1, Ordering::Relaxed));
        self.send(Input::Ask { event: event(request), request, answer }).await
    }

    /// Looks at the core's state, after all that was said before has had its effect.
    ///
    /// # Errors
    /// When the scheduler stops.
    pub async fn query<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Scheduler, Time) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        self.inspect(|shell, now| look(&mut shell.scheduler, now)).await
    }

    pub(crate) async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Shell, Time) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, answer) = oneshot::channel();
        let query = move |shell: &mut Shell, now| {
            // Whoever asked may be gone.
            let _ = sender.send(look(shell, now));
        };
        self.send(Input::Query(Box::new(query))).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// The log of a job that is kept.
    ///
    /// # Errors
    /// When the scheduler stops.
    pub async fn job_log(&self, job: JobId) -> Result<Option<Arc<JobLog>>, Stopped> {
        self.inspect(move |shell, _| {
            let key = shell.scheduler.job_key(job)?;
            shell.logs.get(key).cloned()
        })
        .await
    }

    /// Lets an executor join. What it is told goes to `orders`, in order.
    ///
    /// # Errors
    /// When the scheduler stops.
    pub async fn attach(
        &self,
        info: ExecutorInfo,
        orders: OrderSender,
    ) -> Result<Attachment, Stopped> {
        let executor = ExecutorId(self.shared.next_executor.fetch_add(1, Ordering::Relaxed));
        let (seat, sitting) = watch::channel(());
        self.send(Input::Attach { executor, info: Arc::new(info), orders, seat }).await?;
        let (present, gone) = oneshot::channel();
        tokio::spawn(self.clone().detach(executor, gone));
        Ok(Attachment { executor, handle: self.clone(), seat: sitting, _present: present })
    }

    /// Waits until an executor is gone, and then for a place in the queue to tell so, behind
    /// everything that it has said.
    async fn detach(self, executor: ExecutorId, gone: oneshot::Receiver<()>) {
        // Nothing is ever sent: an error tells that the other end is gone.
        let _ = gone.await;
        // A driver that has ended needs to know nothing.
        let _ = self.send(Input::Detach { executor }).await;
    }

    async fn send(&self, input: Input) -> Result<(), Stopped> {
        self.inputs.send(input).await.map_err(|_| Stopped)
    }
}

/// An executor's seat. The executor counts as lost when it is dropped.
#[derive(Debug)]
pub struct Attachment {
    executor: ExecutorId,
    handle: Handle,
    seat: watch::Receiver<()>,
    /// Tells, when dropped, that the executor is gone.
    _present: oneshot::Sender<()>,
}

impl Attachment {
    /// The executor's id.
    pub fn executor(&self) -> ExecutorId {
        self.executor
    }

    /// Waits until the scheduler has let go of the executor: it stops, or has heard nothing of it
    /// for too long.
    pub async fn released(&mut self) {
        // Nothing is ever sent: an error tells that the other end is gone.
        let _ = self.seat.changed().await;
    }

    /// The executor says something.
    ///
    /// # Errors
    /// When the scheduler stops.
    pub async fn say(&self, messages: Vec<FromExecutor>) -> Result<(), Stopped> {
        self.handle.send(Input::Said { executor: self.executor, messages }).await
    }
}
