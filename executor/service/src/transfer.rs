//! Objects between executors: serving them and fetching them.

mod fetch;
mod neighbour;
mod receive;
mod serve;

use std::time::Duration;

use tonic::Status;
use tonic::transport::Endpoint;

pub(crate) use fetch::Peers;
pub(crate) use serve::Server;

/// How long a peer has to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a peer may be silent before it is asked whether it lives, and how long it has to answer
/// that.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes on their way before a sender waits, per stream and per connection.
const WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// An address as `http://IP:PORT`, `IP:PORT` or `unix:PATH`.
pub(crate) fn endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    let has_scheme = address.contains("://") || address.starts_with("unix:");
    let address = if has_scheme { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(address)?;
    Ok(endpoint
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES))
}

/// What the other end sends, unless that takes too long.
async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let late = |_| Err(Status::deadline_exceeded(format!("nothing came for {patience:?}")));
    tokio::time::timeout(patience, answer).await.unwrap_or_else(late)
}
