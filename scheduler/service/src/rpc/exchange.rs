//! Small objects in great numbers: puts, gets and releases over one stream, many in a message.

use std::collections::VecDeque;

use drawloom_model::{INLINE_LIMIT_BYTES, ObjectId, ObjectType, RequestId, Value};
use drawloom_proto::{Description, FieldError, Rejection, v1};
use drawloom_scheduler_core::{Event, Refusal, Reply, Scheduler};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::locate::{self, ObjectName};
use super::put::Home;
use super::{Clients, Sending, put, receive};
use crate::handle::{Answer, Handle, Stopped};
use crate::rejection;
use v1::object_reply::Reply as Wire;
use v1::object_request::Request;

/// How many batches of replies may wait for a client that does not read.
const REPLIES: usize = 16;

/// Answers every request of a stream, in the order of asking.
pub(super) fn exchange(
    clients: &Clients,
    mut stream: Streaming<v1::ObjectRequestBatch>,
) -> Sending<v1::ObjectReplyBatch> {
    let (replies, receiver) = mpsc::channel(REPLIES);
    let handle = clients.handle.clone();
    let limit_bytes = clients.limits.object_bytes;
    tokio::spawn(async move {
        let mut placements = Placements { limit_bytes, waiting: VecDeque::new() };
        loop {
            let batch = tokio::select! {
                batch = receive(&mut stream) => batch,
                () = handle.stopped() => Err(rejection::stopped(Stopped)),
            };
            let answered = match batch {
                Ok(Some(batch)) => answer(&handle, &mut placements, batch.requests).await,
                Ok(None) => return,
                Err(rejection) => Err(rejection),
            };
            let ended = answered.is_err();
            let answered = answered.map(|replies| v1::ObjectReplyBatch { replies });
            if replies.send(answered.map_err(Status::from)).await.is_err() || ended {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// A request whose answer is under way.
enum Pending {
    Put(ObjectId, oneshot::Receiver<Result<Reply, Refusal>>),
    Released(oneshot::Receiver<Result<Reply, Refusal>>),
    Get(ObjectName),
    Answered(Result<Wire, Rejection>),
}

/// Lets the driver see all requests before it waits for the first answer.
async fn answer(
    handle: &Handle,
    placements: &mut Placements,
    requests: Vec<v1::ObjectRequest>,
) -> Result<Vec<v1::ObjectReply>, Rejection> {
    let mut pending = Vec::with_capacity(requests.len());
    for request in requests {
        let begun = match request.request {
            Some(Request::Place(place)) => placements.place(handle, place).await,
            Some(Request::Commit(text)) => placements.commit(handle, &text).await,
            other => begin(handle, other).await?,
        };
        pending.push((request.number, begun));
    }
    let mut names = Vec::new();
    for (_, pending) in &mut pending {
        if let Pending::Get(name) = pending {
            names.push(std::mem::replace(name, ObjectName::Put(ObjectId(0))));
        }
    }
    let mut found = if names.is_empty() { Vec::new() } else { look(handle, names).await? };
    found.reverse();
    let mut replies = Vec::with_capacity(pending.len());
    for (number, pending) in pending {
        let reply = match pending {
            Pending::Put(object, answer) => {
                heard(answer).await?.map(|()| Wire::Put(object.to_string()))
            }
            Pending::Released(answer) => {
                heard(answer).await?.map(|()| Wire::Released(v1::Empty {}))
            }
            Pending::Get(_) => match found.pop() {
                Some(located) => located.map(Wire::Located),
                None => Err(rejection::stopped(Stopped)),
            },
            Pending::Answered(reply) => reply,
        };
        let reply = reply.unwrap_or_else(|rejection| Wire::Rejected(rejection.into()));
        replies.push(v1::ObjectReply { number, reply: Some(reply) });
    }
    Ok(replies)
}

async fn begin(handle: &Handle, request: Option<Request>) -> Result<Pending, Rejection> {
    let refused = |rejection| Pending::Answered(Err(rejection));
    Ok(match request {
        None | Some(Request::Place(_) | Request::Commit(_)) => {
            refused(FieldError::new("request", "must be set").into())
        }
        Some(Request::Put(value)) if value.data.len() > INLINE_LIMIT_BYTES => {
            let message = format!(
                "{} bytes are more than the {INLINE_LIMIT_BYTES} that go here; use PutObject",
                value.data.len()
            );
            refused(FieldError::new("put.data", message).into())
        }
        Some(Request::Put(value)) => match Value::try_from(value) {
            Ok(value) => {
                let object = ObjectId(fastrand::u128(..));
                let event = move |request| Event::ObjectPut { request, object, value };
                Pending::Put(object, ask(handle, event).await?)
            }
            Err(error) => refused(error.within("put").into()),
        },
        Some(Request::Release(text)) => match text.parse() {
            Ok(object) => {
                let event = move |request| Event::ObjectReleased { request, object };
                Pending::Released(ask(handle, event).await?)
            }
            Err(error) => refused(FieldError::new("release", error).into()),
        },
        Some(Request::Get(name)) => match ObjectName::of(Some(name)) {
            Ok(name) => Pending::Get(name),
            Err(rejection) => refused(rejection),
        },
    })
}

/// Asks the core without waiting for its answer.
async fn ask(
    handle: &Handle,
    event: impl FnOnce(RequestId) -> Event,
) -> Result<oneshot::Receiver<Result<Reply, Refusal>>, Rejection> {
    let (sender, answer) = oneshot::channel();
    let sent = handle.send_request(event, Answer::Plain(sender)).await;
    sent.map(|()| answer).map_err(rejection::stopped)
}

/// Objects that the client is about to hand to executors, the latest last.
struct Placements {
    limit_bytes: u64,
    waiting: VecDeque<(ObjectId, Home, ObjectType, u64)>,
}

impl Placements {
    /// How many may wait; clients that lay down objects hand over one at a time.
    const MOST: usize = 1024;

    async fn place(&mut self, handle: &Handle, place: v1::PlaceObject) -> Pending {
        Pending::Answered(self.try_place(handle, place).await)
    }

    async fn try_place(
        &mut self,
        handle: &Handle,
        place: v1::PlaceObject,
    ) -> Result<Wire, Rejection> {
        let v1::PlaceObject { r#type, size_bytes } = place;
        let mut described = v1::ObjectChunk { r#type, size_bytes, ..Default::default() };
        let Description { object_type, .. } = Description::of(&mut described, self.limit_bytes)?;
        let home = put::choose_home(handle, size_bytes).await?;
        let object = ObjectId(fastrand::u128(..));
        let placed = v1::PlacedObject {
            object: object.to_string(),
            key: Some(home.key.into()),
            address: home.address.to_string(),
        };
        if self.waiting.len() == Placements::MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back((object, home, object_type, size_bytes));
        Ok(Wire::Placed(placed))
    }

    async fn commit(&mut self, handle: &Handle, text: &str) -> Pending {
        Pending::Answered(self.try_commit(handle, text).await)
    }

    async fn try_commit(&mut self, handle: &Handle, text: &str) -> Result<Wire, Rejection> {
        let object: ObjectId = text.parse().map_err(|error| FieldError::new("commit", error))?;
        let found = self.waiting.iter().position(|(id, ..)| *id == object);
        let found = found.and_then(|place| self.waiting.remove(place));
        let unknown = || FieldError::new("commit", "was not placed over this stream");
        let (object, home, object_type, size_bytes) = found.ok_or_else(unknown)?;
        put::record(handle, object, home, object_type, size_bytes).await?;
        Ok(Wire::Committed(v1::Empty {}))
    }
}

async fn look(
    handle: &Handle,
    names: Vec<ObjectName>,
) -> Result<Vec<Result<v1::LocateObjectReply, Rejection>>, Rejection> {
    let look = move |scheduler: &mut Scheduler, _| {
        let located = |name: ObjectName| name.locate(scheduler).map(locate::reply);
        names.into_iter().map(located).collect()
    };
    handle.query(look).await.map_err(rejection::stopped)
}

/// The core's answer; the outer error means that there will be no more answers.
async fn heard(
    answer: oneshot::Receiver<Result<Reply, Refusal>>,
) -> Result<Result<(), Rejection>, Rejection> {
    let answer = answer.await.map_err(|_| rejection::stopped(Stopped))?;
    Ok(answer.map(|_| ()).map_err(|refusal| rejection::refused(&refusal)))
}
