//! Connections, quick on both kinds of socket.

use std::error::Error as _;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::Error;

/// How much may be on its way unasked; large enough that graphs and objects flow.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to `http://HOST:PORT` or `unix:/PATH`.
pub(super) async fn connect(endpoint: &str) -> Result<Channel, Error> {
    let connected = match endpoint.strip_prefix("unix:") {
        Some(path) => connect_unix(path.to_owned()).await,
        None if endpoint.starts_with("http://") => {
            let configured = Endpoint::from_shared(endpoint.to_owned())
                .map_err(|error| bad(endpoint, &reason(&error)))?;
            configure(configured).connect().await
        }
        None => return Err(bad(endpoint, "neither of the known kinds")),
    };
    connected.map_err(|error| Error::Unreachable {
        endpoint: endpoint.to_owned(),
        reason: reason(&error),
    })
}

async fn connect_unix(path: String) -> Result<Channel, tonic::transport::Error> {
    // The address is never resolved; gRPC only wants one to name in its headers.
    let endpoint = configure(Endpoint::from_static("http://localhost"));
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connector).await
}

fn configure(endpoint: Endpoint) -> Endpoint {
    endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
}

fn bad(endpoint: &str, reason: &str) -> Error {
    Error::BadEndpoint { endpoint: endpoint.to_owned(), reason: reason.to_owned() }
}

/// The innermost cause says most: `Connection refused` rather than `transport error`.
fn reason(error: &tonic::transport::Error) -> String {
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}
