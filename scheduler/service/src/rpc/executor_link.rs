//! The connections of executors.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use drawloom_model::{ExecutorId, ExecutorInfo, FromExecutor, ToExecutor};
use drawloom_proto::{FieldError, Rejection, TemplateSender, nanos, v1};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::receive;
use crate::handle::{Attachment, Handle};
use crate::rejection;

/// Lets executors join.
#[derive(Clone, Debug)]
pub(crate) struct ExecutorLink {
    pub handle: Handle,
    pub heartbeat_timeout: Duration,
}

#[tonic::async_trait]
impl v1::executor_link_server::ExecutorLink for ExecutorLink {
    type AttachStream = Orders;

    async fn attach(
        &self,
        request: Request<Streaming<v1::FromExecutorBatch>>,
    ) -> Result<Response<Orders>, Status> {
        Ok(Response::new(self.join(request.into_inner()).await?))
    }
}

impl ExecutorLink {
    async fn join(
        &self,
        mut stream: Streaming<v1::FromExecutorBatch>,
    ) -> Result<Orders, Rejection> {
        let first = receive(&mut stream).await?.unwrap_or_default();
        let join = first.join.ok_or_else(|| FieldError::new("join", "must come first"))?;
        let info = ExecutorInfo::try_from(join).map_err(|error| error.within("join"))?;
        let (sender, orders) = mpsc::unbounded_channel();
        let attachment = self.handle.attach(info, sender).await.map_err(rejection::stopped)?;
        let orders = Orders::new(attachment.executor(), self.heartbeat_timeout, orders);
        tokio::spawn(listen(attachment, first.messages, stream));
        Ok(orders)
    }
}

/// Passes on what an executor says until its stream ends, which counts as its loss.
async fn listen(
    mut attachment: Attachment,
    first: Vec<v1::FromExecutor>,
    mut stream: Streaming<v1::FromExecutorBatch>,
) {
    let executor = attachment.executor();
    let mut next = first;
    loop {
        let messages = next.into_iter().map(FromExecutor::try_from).collect::<Result<Vec<_>, _>>();
        match messages {
            Ok(messages) if messages.is_empty() => {}
            Ok(messages) => {
                if attachment.say(messages).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%executor, %error, "executor sent a message that means nothing");
                return;
            }
        }
        let received = tokio::select! {
            received = receive(&mut stream) => received,
            () = attachment.released() => return,
        };
        next = match received {
            Ok(Some(batch)) => batch.messages,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%executor, reason = error.message, "executor's stream broke");
                return;
            }
        };
    }
}

/// The orders for one executor as they go over the wire. Ends when the driver lets go.
pub(crate) struct Orders {
    welcome: Option<v1::Welcome>,
    inbox: mpsc::UnboundedReceiver<Vec<ToExecutor>>,
    templates: TemplateSender,
    /// Encoded, in order, and still to be sent.
    encoded: std::vec::IntoIter<v1::ToExecutor>,
}

/// The size beyond which a message has no more than one order.
const FULL_BYTES: usize = 1024 * 1024;

impl Orders {
    fn new(
        executor: ExecutorId,
        heartbeat_timeout: Duration,
        inbox: mpsc::UnboundedReceiver<Vec<ToExecutor>>,
    ) -> Self {
        let heartbeat_timeout_nanos = nanos(heartbeat_timeout);
        let welcome = Some(v1::Welcome { executor: executor.0, heartbeat_timeout_nanos });
        let (templates, encoded) = Default::default();
        Orders { welcome, inbox, templates, encoded }
    }

    /// The next message out of what is encoded.
    fn take_message(&mut self) -> v1::ToExecutorBatch {
        let mut bytes = 0;
        let mut messages = Vec::with_capacity(self.encoded.len().min(1024));
        while let Some(order) = self.encoded.as_slice().first() {
            bytes += order.encoded_len();
            if bytes > FULL_BYTES && !messages.is_empty() {
                break;
            }
            messages.extend(self.encoded.next());
        }
        v1::ToExecutorBatch { welcome: None, messages }
    }
}

impl Stream for Orders {
    type Item = Result<v1::ToExecutorBatch, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(welcome) = self.welcome.take() {
            let batch = v1::ToExecutorBatch { welcome: Some(welcome), messages: Vec::new() };
            return Poll::Ready(Some(Ok(batch)));
        }
        while self.encoded.len() == 0 {
            let Some(messages) = ready!(self.inbox.poll_recv(context)) else {
                return Poll::Ready(None);
            };
            let mut encoded = Vec::with_capacity(messages.len());
            for message in messages {
                self.templates.encode(message, &mut encoded);
            }
            self.encoded = encoded.into_iter();
        }
        Poll::Ready(Some(Ok(self.take_message())))
    }
}
