//! The one long-lived stream over which every submission goes.

use std::sync::Arc;

use drawloom_proto::v1::scheduler_client::SchedulerClient;
use drawloom_proto::{split_graph, v1};
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::route::Routes;
use super::{GRAPH_PART_BYTES, error};
use crate::{Admission, Error, Submission};

/// How many parts may wait to be sent.
const PARTS: usize = 16;

/// Opens the stream when it is first needed, and again after it broke.
pub(super) struct Session {
    scheduler: SchedulerClient<Channel>,
    endpoint: Arc<str>,
    /// Held while a submission's parts are sent: they must follow each other.
    stream: Mutex<Option<Stream>>,
}

#[derive(Clone)]
struct Stream {
    parts: mpsc::Sender<v1::SubmitRequest>,
    routes: Routes,
}

impl Session {
    pub(super) fn new(scheduler: SchedulerClient<Channel>, endpoint: Arc<str>) -> Self {
        Session { scheduler, endpoint, stream: Mutex::new(None) }
    }

    pub(super) async fn submit(&self, submission: Submission) -> Result<Admission, Error> {
        let mut slot = self.stream.lock().await;
        let open = slot.clone().filter(|stream| !stream.parts.is_closed());
        let open = open.and_then(|stream| Some((stream.routes.open().ok()?, stream)));
        let (pending, stream) = match open {
            Some(open) => open,
            None => {
                let stream = slot.insert(self.open().await?).clone();
                (stream.routes.open()?, stream)
            }
        };
        for part in parts(pending.submission, submission) {
            if stream.parts.send(part).await.is_err() {
                break; // The reader answers every route when the stream breaks.
            }
        }
        drop(slot);
        let accepted = pending.answer.await.map_err(|_| self.broken("the stream has ended"))??;
        Ok(Admission {
            job: accepted.job,
            tasks: accepted.tasks,
            existing: accepted.existing,
            events: pending.events,
        })
    }

    async fn open(&self) -> Result<Stream, Error> {
        let (parts, outgoing) = mpsc::channel(PARTS);
        let replies = self.scheduler.clone().submit(ReceiverStream::new(outgoing)).await;
        let replies = replies.map_err(|status| error(&self.endpoint, &status))?.into_inner();
        let routes = Routes::default();
        tokio::spawn(read(replies, routes.clone(), Arc::clone(&self.endpoint)));
        Ok(Stream { parts, routes })
    }

    fn broken(&self, reason: &str) -> Error {
        Error::Unreachable { endpoint: self.endpoint.to_string(), reason: reason.to_owned() }
    }
}

/// Hands out replies until the stream ends.
async fn read(mut replies: Streaming<v1::SubmitReply>, routes: Routes, endpoint: Arc<str>) {
    let status = loop {
        match replies.message().await {
            Ok(Some(reply)) => routes.deliver(reply),
            Ok(None) => break Status::unavailable("the scheduler has ended the stream"),
            Err(status) => break status,
        }
    };
    routes.close_all(&error(&endpoint, &status));
}

fn parts(submission: u64, what: Submission) -> Vec<v1::SubmitRequest> {
    let chunks = split_graph(&what.graph, GRAPH_PART_BYTES);
    let last = chunks.len() - 1;
    let mut header = Some(v1::SubmitHeader {
        token: what.token.unwrap_or_default(),
        name: what.graph.name.clone(),
        options: Some((&what.graph.options).into()),
        watch: true,
    });
    let part = |(place, chunk)| v1::SubmitRequest {
        submission,
        header: header.take(),
        graph: Some(chunk),
        last: place == last,
    };
    chunks.into_iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;

    #[test]
    fn the_header_comes_first_and_only_once() {
        let mut graph = GraphBuilder::new("large");
        let name = "n".repeat(200);
        for index in 0..10_000 {
            graph.task("noop", Default::default()).name(format!("{name}{index}")).add();
        }
        let parts = parts(7, Submission { graph: Arc::new(graph.build()), token: None });
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.submission == 7));
        let headers = parts.iter().filter(|part| part.header.is_some()).count();
        assert!(parts[0].header.is_some() && headers == 1);
        let last = parts.iter().filter(|part| part.last).count();
        assert!(parts[parts.len() - 1].last && last == 1);
    }
}
