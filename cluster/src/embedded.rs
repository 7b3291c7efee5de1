//! Starting and stopping the cluster.

use std::sync::Arc;

use drawloom_client::Client;
use drawloom_executor::{ExecutorError, Handle as ExecutorHandle};
use drawloom_model::FromExecutor;
use drawloom_scheduler::{Attachment, DriverConfig, Handle, Stopped, driver};
use tokio::sync::mpsc;

use crate::local::Local;

/// Settings of an embedded cluster.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The scheduler's.
    pub scheduler: DriverConfig,
    /// The executor's. It needs no address: nobody fetches from it over a network.
    pub executor: drawloom_executor::Config,
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
}

/// A cluster inside this process. Dropping it ends it without waiting for what runs.
#[derive(Debug)]
pub struct Embedded {
    scheduler: Handle,
    executor: ExecutorHandle,
    client: Client,
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
        let executor = drawloom_executor::start(config.executor, outbox, inbox).await?;
        let attachment = scheduler.attach(executor.info.clone(), orders).await?;
        let id = attachment.executor();
        tokio::spawn(pass_on(news, attachment));
        let transport = Local::new(scheduler.clone(), executor.objects(), executor.actors(), id);
        let client = Client::with_transport(Arc::new(transport));
        Ok(Embedded { scheduler, executor, client })
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

/// Passes the executor's news on until either side has ended.
async fn pass_on(mut news: mpsc::UnboundedReceiver<Vec<FromExecutor>>, attachment: Attachment) {
    while let Some(batch) = news.recv().await {
        if attachment.say(batch).await.is_err() {
            return;
        }
    }
}
