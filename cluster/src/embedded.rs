//! Starting and stopping the cluster.

use std::sync::Arc;

use drawloom_client::Client;
use drawloom_executor::{ExecutorError, Handle as ExecutorHandle};
use drawloom_model::FromExecutor;
use drawloom_scheduler::{
    Attachment, DriverConfig, Handle, Listen, RequestLimits, Service, ServiceError, Stopped, driver,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::local::Local;

/// Settings of an embedded cluster.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The scheduler's.
    pub scheduler: DriverConfig,
    /// The executor's. It needs no address: nobody fetches from it over a network.
    pub executor: drawloom_executor::Config,
    /// Whether processes that the cluster runs can reach it, so that they can add tasks: over Unix
    /// sockets in a directory of their own.
    pub serves_processes: bool,
}

/// Why an embedded cluster cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The executor cannot.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// The runtime is being shut down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// There is no place for its sockets.
    #[error("no directory for sockets: {0}")]
    Directory(#[source] std::io::Error),
    /// It cannot be served.
    #[error(transparent)]
    Serve(#[from] ServiceError),
}

/// A cluster inside this process. Dropping it ends it without waiting for what runs.
#[derive(Debug)]
pub struct Embedded {
    scheduler: Handle,
    executor: ExecutorHandle,
    client: Client,
    /// Where its sockets are; removed with them.
    _directory: Option<TempDir>,
}

impl Embedded {
    /// Starts scheduler and executor as tasks of the current runtime.
    ///
    /// # Errors
    /// When the executor cannot start, such as for want of memory for its objects.
    pub async fn start(config: Config) -> Result<Embedded, StartError> {
        let scheduler = driver::start(config.scheduler);
        let (outbox, news) = mpsc::unbounded_channel();
        let (orders, inbox) = mpsc::unbounded_channel();
        let (mut directory, mut settings) = (None, config.executor);
        if config.serves_processes {
            let place = tempfile::Builder::new().prefix("drawloom-cluster-").tempdir();
            let place = directory.insert(place.map_err(StartError::Directory)?).path();
            let scheduler_socket = Listen::Unix(place.join("scheduler"));
            settings.endpoint = Some(scheduler_socket.to_string());
            settings.listen.get_or_insert(Listen::Unix(place.join("objects")));
            serve(scheduler.clone(), scheduler_socket).await?;
        }
        let executor = drawloom_executor::start(settings, outbox, inbox).await?;
        let attachment = scheduler.attach(executor.info.clone(), orders).await?;
        let id = attachment.executor();
        tokio::spawn(pass_on(news, attachment));
        let transport = Local::new(scheduler.clone(), executor.objects(), executor.actors(), id);
        let client = Client::with_transport(Arc::new(transport));
        Ok(Embedded { scheduler, executor, client, _directory: directory })
    }

    /// A client of this cluster.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The scheduler, for whoever wants to serve it to others, too.
    pub fn scheduler(&self) -> &Handle {
        &self.scheduler
    }

    /// Waits until the scheduler or the executor has ended by itself, which leaves nobody to run
    /// anything.
    pub async fn ended(&mut self) {
        tokio::select! {
            () = self.executor.ended() => {}
            () = self.scheduler.stopped() => {}
        }
    }

    /// Ends the cluster and whatever it runs, processes included.
    pub async fn stop(mut self) {
        self.executor.abandon();
        self.executor.ended().await;
        self.scheduler.stop().await;
        self.scheduler.stopped().await;
    }
}

/// Serves the scheduler until it ends.
async fn serve(scheduler: Handle, listen: Listen) -> Result<(), ServiceError> {
    let service = Service::beside(scheduler, &[listen], RequestLimits::default()).await?;
    tokio::spawn(async move {
        if let Err(error) = service.run(std::future::pending()).await {
            tracing::error!(%error, "processes cannot reach the cluster any more");
        }
    });
    Ok(())
}

/// Passes the executor's news on until either side has ended.
async fn pass_on(mut news: mpsc::UnboundedReceiver<Vec<FromExecutor>>, attachment: Attachment) {
    while let Some(batch) = news.recv().await {
        if attachment.say(batch).await.is_err() {
            return;
        }
    }
}
