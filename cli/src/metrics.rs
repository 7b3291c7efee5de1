//! The page at `/metrics`: what the parts of this process record, in Prometheus' text format.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::routing::get;
use drawloom_proto::{Listen, Socket};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::error::BadInput;

/// Bounds of the buckets of every histogram: from 1 us to 100 s, three in each power of ten.
const BUCKETS: [f64; 25] = [
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2,
    5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0,
];
/// How often samples that nobody has asked for are summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// A metrics page whose address is taken.
pub struct Page {
    socket: TcpListener,
    address: String,
    recorder: PrometheusHandle,
}

impl Page {
    /// Takes the address, and keeps what this process records from now on. `describe` tells what
    /// the metrics mean. Does nothing where no page is wanted.
    ///
    /// # Errors
    /// When it is no loopback TCP address, or is in use.
    pub async fn open(listen: Option<&Listen>, describe: fn()) -> Result<Option<Self>> {
        let Some(listen) = listen else { return Ok(None) };
        let socket = match Socket::bind(listen).await.context("cannot show metrics")? {
            Socket::Tcp(socket) => socket,
            Socket::Unix(_, path) => {
                let _ = std::fs::remove_file(path);
                let message = format!("cannot show metrics at {listen}: expected 127.0.0.1:PORT");
                return Err(BadInput(message).into());
            }
        };
        let address = format!("http://{}/metrics", socket.local_addr()?);
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
        describe();
        Ok(Some(Page { socket, address, recorder }))
    }

    /// Where it is shown.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Shows a page for as long as it is polled, each time after `refresh`. Never ends by itself, least
/// of all without a page.
///
/// # Errors
/// When the server fails.
pub async fn show<F>(
    page: Option<Page>,
    refresh: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> Result<Infallible>
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(Page { socket, recorder, .. }) = page else { return std::future::pending().await };
    let shown = recorder.clone();
    let render = move || {
        let (refreshed, shown) = (refresh(), shown.clone());
        async move {
            refreshed.await;
            shown.render()
        }
    };
    let upkeep = async {
        loop {
            tokio::time::sleep(UPKEEP).await;
            recorder.run_upkeep();
        }
    };
    tokio::select! {
        served = axum::serve(socket, Router::new().route("/metrics", get(render))) => {
            served?;
            anyhow::bail!("the metrics page has ended")
        }
        never = upkeep => never,
    }
}
