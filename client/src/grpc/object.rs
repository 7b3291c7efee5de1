//! Objects: small ones over the shared stream, large ones straight from the executors that hold
//! them.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawloom_model::{INLINE_LIMIT_BYTES, ObjectId, ObjectKey, Value};
use drawloom_proto::v1::object_reply::Reply;
use drawloom_proto::v1::object_request::Request;
use drawloom_proto::v1::object_store_client::ObjectStoreClient;
use drawloom_proto::{Assembly, MAX_MESSAGE_BYTES, v1, wire_type};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::{Grpc, channel, convert};
use crate::{Error, ObjectRef};

/// Connections to executors, by address.
#[derive(Clone, Default)]
pub(super) struct Stores(Arc<Mutex<HashMap<String, Channel>>>);

impl Stores {
    async fn at(&self, address: &str) -> Result<ObjectStoreClient<Channel>, Error> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(address).cloned();
        let channel = match known {
            Some(channel) => channel,
            None => {
                let channel = channel::connect(address).await?;
                let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                channels.insert(address.to_owned(), channel.clone());
                channel
            }
        };
        Ok(ObjectStoreClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }
}

/// Where objects are that this client has put into shared memory, so that it need not ask.
#[derive(Default)]
pub(super) struct Put(Mutex<HashMap<ObjectId, (ObjectKey, String)>>);

impl Put {
    /// Beyond so many the scheduler is asked.
    const MOST: usize = 4096;

    fn insert(&self, object: ObjectId, key: ObjectKey, address: String) {
        let mut put = self.lock();
        if put.len() < Put::MOST {
            put.insert(object, (key, address));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectId, (ObjectKey, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn put(grpc: &Grpc, value: Value) -> Result<ObjectId, Error> {
    if value.data.len() <= INLINE_LIMIT_BYTES {
        return match grpc.exchange.ask(Request::Put(value.into())).await? {
            Reply::Put(text) => text.parse().map_err(convert::bad_id),
            _ => Err(unexpected("put")),
        };
    }
    if let Some(object) = put_here(grpc, &value).await? {
        return Ok(object);
    }
    let pieces = tokio_stream::iter(drawloom_proto::split_object(None, value));
    let reply = grpc.client().put_object(pieces).await;
    let reply = reply.map_err(|status| grpc.error(&status))?.into_inner();
    reply.object.parse().map_err(convert::bad_id)
}

/// Puts an object into the memory of an executor on this machine; nothing where the one that was
/// chosen is elsewhere.
async fn put_here(grpc: &Grpc, value: &Value) -> Result<Option<ObjectId>, Error> {
    if grpc.elsewhere.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let (r#type, size_bytes) = (wire_type(&value.object_type), value.data.len() as u64);
    let place = v1::PlaceObject { r#type, size_bytes };
    let Reply::Placed(placed) = grpc.exchange.ask(Request::Place(place)).await? else {
        return Err(unexpected("placement"));
    };
    let Some(local) = grpc.locals.at(&placed.address) else {
        // Others may be here, but asking each time would cost more than that is worth.
        grpc.elsewhere.store(true, Ordering::Relaxed);
        return Ok(None);
    };
    let key: ObjectKey = placed.key.ok_or_else(|| convert::missing("an object's key"))?.into();
    let object: ObjectId = placed.object.parse().map_err(convert::bad_id)?;
    let address = &placed.address;
    let refused = |why: String| {
        let message = format!("the executor at {address} does not keep the object: {why}");
        Error::refused(Code::ResourceExhausted, message)
    };
    local.put(key, value.clone()).await.map_err(refused)?;
    grpc.exchange.ask(Request::Commit(placed.object.clone())).await?;
    local.keep(key).await.map_err(refused)?;
    grpc.put.insert(object, key, placed.address);
    Ok(Some(object))
}

pub(super) async fn release(grpc: &Grpc, object: ObjectId) -> Result<(), Error> {
    grpc.put.lock().remove(&object);
    grpc.exchange.ask(Request::Release(object.to_string())).await.map(drop)
}

pub(super) async fn get(grpc: &Grpc, object: ObjectRef) -> Result<Value, Error> {
    if let ObjectRef::Put(id) = &object {
        let known = grpc.put.lock().get(id).cloned();
        if let Some((key, address)) = known
            && let Some(local) = grpc.locals.at(&address)
            && let Some(value) = local.get(key).await
        {
            return Ok(value);
        }
    }
    let wanted = convert::object_ref(object);
    let Reply::Located(located) = grpc.exchange.ask(Request::Get(wanted.clone())).await? else {
        return Err(unexpected("get"));
    };
    if let Some(inline) = located.inline {
        return Ok(Value::try_from(inline)?);
    }
    if let Some(key) = located.key.map(ObjectKey::from) {
        for address in &located.addresses {
            if let Some(local) = grpc.locals.at(address)
                && let Some(value) = local.get(key).await
            {
                return Ok(value);
            }
        }
        for address in &located.addresses {
            match fetch(grpc, address, key).await {
                Ok(value) => return Ok(value),
                Err(error) => tracing::debug!(address, %error, "fetching from another place"),
            }
        }
    }
    // The scheduler reaches executors that this process cannot, and tells what is amiss.
    let request = v1::GetObjectRequest { object: Some(wanted) };
    let stream = grpc.client().get_object(request).await.map_err(|status| grpc.error(&status))?;
    collect(stream.into_inner(), |status| grpc.error(status)).await
}

fn unexpected(what: &str) -> Error {
    Error::BadReply(format!("a {what} was answered by something else"))
}

async fn fetch(grpc: &Grpc, address: &str, key: ObjectKey) -> Result<Value, Error> {
    let mut store = grpc.stores.at(address).await?;
    let request = v1::FetchRequest { object: Some(key.into()), offset: 0 };
    let stream = store.fetch(request).await.map_err(|status| super::error(address, &status))?;
    collect(stream.into_inner(), |status| super::error(address, status)).await
}

async fn collect(
    mut pieces: Streaming<v1::ObjectChunk>,
    error: impl Fn(&Status) -> Error,
) -> Result<Value, Error> {
    let damaged = |error: drawloom_proto::ChunkError| Error::BadReply(error.to_string());
    let first = pieces.message().await.map_err(|status| error(&status))?;
    let first = first.ok_or_else(|| Error::BadReply("an object without a piece".to_owned()))?;
    let mut object = Assembly::begin(first, u64::MAX).map_err(damaged)?;
    while let Some(piece) = pieces.message().await.map_err(|status| error(&status))? {
        object.add(&piece).map_err(damaged)?;
    }
    object.finish().map_err(damaged)
}
