//! A call on its way to an actor, and where its reply goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use drawloom_model::{AttemptId, Attributes, CallFault, Failure, FailureKind, Value, WhenFull};
use tokio::sync::{mpsc, oneshot};

use crate::cancellation::Cancellation;
use crate::driver::News;
use crate::runner::Completion;

/// How a call ended.
pub type CallResult = Result<Vec<Value>, CallFault>;

/// A call that is to be run.
pub(crate) struct Delivery {
    pub method: Arc<str>,
    pub attributes: Arc<Attributes>,
    pub arguments: Vec<Value>,
    /// When it is too late, and how long the caller was ready to wait.
    pub deadline: Option<(Instant, Duration)>,
    pub when_full: WhenFull,
    /// How a running call hears that it is no longer wanted.
    pub cancellation: Option<Arc<Cancellation>>,
    pub reply: ReplyTo,
}

/// Where a reply goes.
pub(crate) enum ReplyTo {
    /// To the driver: the call is a task.
    Task { attempt: AttemptId, news: mpsc::UnboundedSender<News> },
    /// To a caller in this process.
    Local(oneshot::Sender<CallResult>),
    /// To a caller's stream.
    Remote { id: u64, replies: mpsc::UnboundedSender<(u64, CallResult)> },
}

impl Delivery {
    /// Whether the mailbox's limit holds for it: the scheduler bounds calls that are tasks, and
    /// callers in this process that are to wait have done so before.
    pub(super) fn is_bounded(&self) -> bool {
        match self.reply {
            ReplyTo::Task { .. } => false,
            ReplyTo::Local(_) => self.when_full == WhenFull::Refuse,
            ReplyTo::Remote { .. } => true,
        }
    }
}

impl ReplyTo {
    /// Whether nobody waits for the reply any more.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            ReplyTo::Task { .. } => false,
            ReplyTo::Local(sender) => sender.is_closed(),
            ReplyTo::Remote { replies, .. } => replies.is_closed(),
        }
    }

    /// Whether it is the reply to this task's attempt.
    pub(crate) fn is_task(&self, wanted: AttemptId) -> bool {
        matches!(self, ReplyTo::Task { attempt, .. } if *attempt == wanted)
    }

    /// Whether it goes to this stream's call.
    pub(super) fn is_remote(
        &self,
        to: &mpsc::UnboundedSender<(u64, CallResult)>,
        ids: &[u64],
    ) -> bool {
        matches!(self, ReplyTo::Remote { id, replies } if replies.same_channel(to) && ids.contains(id))
    }

    /// Tells the caller that there is no result.
    pub(super) fn fail(self, fault: CallFault) {
        self.send(Err(fault), Duration::ZERO);
    }

    /// Tells the caller how the call ended.
    pub(super) fn send(self, result: CallResult, run_time: Duration) {
        // A caller that is gone need not know.
        match self {
            ReplyTo::Local(sender) => drop(sender.send(result)),
            ReplyTo::Remote { id, replies } => drop(replies.send((id, result))),
            ReplyTo::Task { attempt, news } => {
                let told = match result {
                    Ok(values) => {
                        News::Completed(Completion { attempt, result: Ok(values), run_time })
                    }
                    Err(CallFault::NotHere { .. } | CallFault::MailboxFull { .. }) => {
                        News::CallReturned { attempt }
                    }
                    Err(fault) => {
                        let result = Err(failure(fault));
                        News::Completed(Completion { attempt, result, run_time })
                    }
                };
                drop(news.send(told));
            }
        }
    }
}

/// A fault as a task's failure.
fn failure(fault: CallFault) -> Failure {
    let kind = match &fault {
        CallFault::Failed(failure) => return failure.clone(),
        CallFault::TimedOut { .. } => FailureKind::TimedOut,
        CallFault::Cancelled => FailureKind::Application,
        CallFault::Lost { .. } | CallFault::NotHere { .. } | CallFault::MailboxFull { .. } => {
            FailureKind::ActorLost
        }
    };
    Failure::new(kind, fault.to_string())
}
