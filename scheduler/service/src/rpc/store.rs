//! Connections to the stores of executors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drawloom_proto::{MAX_MESSAGE_BYTES, Rejection, v1};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::service::{KEEPALIVE, WINDOW_BYTES};

/// How long an executor has to accept a connection, and to answer whether it lives.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that are kept; beyond that they are made anew.
const CHANNELS: usize = 1024;

pub(super) type StoreClient = v1::object_store_client::ObjectStoreClient<Channel>;

/// Connections by address; they connect at first use and again when they broke.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stores {
    channels: Arc<Mutex<HashMap<Arc<str>, Channel>>>,
}

impl Stores {
    /// The store at an address.
    pub(super) fn at(&self, address: &Arc<str>) -> Result<StoreClient, Rejection> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = match channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let channel = connect(address)?;
                if channels.len() >= CHANNELS {
                    // Most are of executors that left: those that are still needed come back.
                    channels.clear();
                }
                channels.insert(Arc::clone(address), channel.clone());
                channel
            }
        };
        Ok(StoreClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }
}

fn connect(address: &str) -> Result<Channel, Rejection> {
    let bad = |error| {
        let message = format!("an executor's address {address:?} is no address: {error}");
        Rejection::new(Code::Internal, message)
    };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(bad)?;
    let endpoint = endpoint
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    Ok(endpoint.connect_lazy())
}
