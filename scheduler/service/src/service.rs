//! The scheduler as a network service.

use std::future::Future;
use std::time::Duration;

use drawloom_proto::{FILE_DESCRIPTOR_SET, Listen, ListenError, MAX_MESSAGE_BYTES, Socket, v1};
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::driver::{self, DriverConfig};
use crate::handle::Handle;
use crate::latency::Latencies;
use crate::rpc::{Clients, ExecutorLink, Stores};

/// Settings of the service.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Settings of the driver.
    pub driver: DriverConfig,
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// Bounds on what clients send.
    pub limits: RequestLimits,
}

/// Bounds on what clients send, beside the 16 MiB that one message may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestLimits {
    /// The most bytes of one graph or addition.
    pub graph_bytes: usize,
    /// The most bytes of one put object.
    pub object_bytes: u64,
}

impl Default for RequestLimits {
    fn default() -> Self {
        RequestLimits { graph_bytes: 1 << 30, object_bytes: 64 << 30 }
    }
}

/// Why the service cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The reflection service does not take the protocol's descriptors.
    #[error("cannot set up reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A server has failed.
    #[error("the server failed: {0}")]
    Server(#[from] tonic::transport::Error),
    /// A socket cannot tell its address.
    #[error("a socket failed: {0}")]
    Socket(#[from] std::io::Error),
}

/// How long connections that stay open may delay the end.
const GRACE: Duration = Duration::from_secs(2);
/// How long a peer may be silent before it is asked whether it lives.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(10);
/// Bytes on their way before a sender waits, per stream and per connection.
pub(crate) const WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// The scheduler, listening.
#[derive(Debug)]
pub struct Service {
    sockets: Vec<Socket>,
    addresses: Vec<Listen>,
    handle: Handle,
    limits: RequestLimits,
    heartbeat_timeout: Duration,
}

impl Service {
    /// Listens and starts the driver on the current runtime. Clients are served once
    /// [`Service::run`] is polled.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn bind(config: Config) -> Result<Self, ServiceError> {
        let heartbeat_timeout = config.driver.core.heartbeat_timeout;
        let (sockets, addresses) = bind(&config.listen).await?;
        let handle = driver::start(config.driver);
        Ok(Service { sockets, addresses, handle, limits: config.limits, heartbeat_timeout })
    }

    /// Listens for a driver that runs already; [`Service::run`] ends with it, too.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn beside(
        handle: Handle,
        listen: &[Listen],
        limits: RequestLimits,
    ) -> Result<Self, ServiceError> {
        let (sockets, addresses) = bind(listen).await?;
        let heartbeat_timeout = drawloom_scheduler_core::Config::default().heartbeat_timeout;
        Ok(Service { sockets, addresses, handle, limits, heartbeat_timeout })
    }

    /// Where it listens, in the order of the settings, with the ports it was given.
    pub fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// A way to talk to the driver from this process.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Serves until `shutdown` comes, then ends streams and the driver.
    ///
    /// # Errors
    /// When a server fails.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServiceError> {
        let routes = self.routes().await?;
        let mut servers = JoinSet::new();
        for socket in self.sockets {
            servers.spawn(serve(socket, routes.clone(), self.handle.clone()));
        }
        tokio::select! {
            Some(ended) = servers.join_next() => report(ended)?,
            () = shutdown => {}
        }
        self.handle.stop().await;
        // Streams end with the driver; whoever does not let go of a connection is left behind.
        let rest = async {
            while let Some(ended) = servers.join_next().await {
                report(ended)?;
            }
            Ok(())
        };
        tokio::time::timeout(GRACE, rest).await.unwrap_or(Ok(()))
    }

    async fn routes(&self) -> Result<Routes, ServiceError> {
        let clients =
            Clients { handle: self.handle.clone(), limits: self.limits, stores: Stores::default() };
        let link =
            ExecutorLink { handle: self.handle.clone(), heartbeat_timeout: self.heartbeat_timeout };
        let clients = v1::scheduler_server::SchedulerServer::new(clients)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let link = v1::executor_link_server::ExecutorLinkServer::new(link)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_serving::<v1::scheduler_server::SchedulerServer<Clients>>().await;
        reporter.set_serving::<v1::executor_link_server::ExecutorLinkServer<ExecutorLink>>().await;
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .build_v1()?;
        let mut routes = RoutesBuilder::default();
        routes.add_service(clients).add_service(link).add_service(health).add_service(reflection);
        Ok(routes.routes())
    }
}

async fn bind(listen: &[Listen]) -> Result<(Vec<Socket>, Vec<Listen>), ServiceError> {
    let mut sockets = Vec::new();
    for listen in listen {
        sockets.push(Socket::bind(listen).await?);
    }
    let addresses = sockets.iter().map(Socket::address).collect::<Result<_, _>>()?;
    Ok((sockets, addresses))
}

fn report(
    ended: Result<Result<(), ServiceError>, tokio::task::JoinError>,
) -> Result<(), ServiceError> {
    match ended {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Ok(()),
    }
}

async fn serve(socket: Socket, routes: Routes, handle: Handle) -> Result<(), ServiceError> {
    let stopped = async move { handle.stopped().await };
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .layer(Latencies)
        .add_routes(routes);
    match socket {
        Socket::Tcp(listener) => {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            server.serve_with_incoming_shutdown(incoming, stopped).await?;
        }
        Socket::Unix(listener, path) => {
            let incoming = UnixListenerStream::new(listener);
            let served = server.serve_with_incoming_shutdown(incoming, stopped).await;
            // Whoever looks for the socket should not find one that nobody answers.
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(%error, path = %path.display(), "socket was not removed");
            }
            served?;
        }
    }
    Ok(())
}
