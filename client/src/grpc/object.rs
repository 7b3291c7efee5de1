//! Getting objects: small ones from the scheduler, large ones from the executors that hold them.

use drawloom_model::{ObjectKey, Value};
use drawloom_proto::v1::object_store_client::ObjectStoreClient;
use drawloom_proto::{Assembly, MAX_MESSAGE_BYTES, v1};
use tonic::{Status, Streaming};

use super::{Grpc, channel, convert};
use crate::{Error, ObjectRef};

pub(super) async fn get(grpc: &Grpc, object: ObjectRef) -> Result<Value, Error> {
    let wanted = convert::object_ref(object);
    let request = v1::LocateObjectRequest { object: Some(wanted.clone()) };
    let located = grpc.client().locate_object(request).await;
    let located = located.map_err(|status| grpc.error(&status))?.into_inner();
    if let Some(inline) = located.inline {
        return Ok(Value::try_from(inline)?);
    }
    if let Some(key) = located.key {
        for address in &located.addresses {
            match fetch(address, key.into()).await {
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

async fn fetch(address: &str, key: ObjectKey) -> Result<Value, Error> {
    let store = ObjectStoreClient::new(channel::connect(address).await?);
    let mut store = store.max_decoding_message_size(MAX_MESSAGE_BYTES);
    let request = v1::FetchRequest { object: Some(key.into()) };
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
