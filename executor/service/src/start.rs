//! Starting an executor inside a process.

use std::io;
use std::sync::Arc;

use drawloom_executor_core::{Config as CoreConfig, Event, Executor};
use drawloom_model::{ExecutorInfo, ObjectKey, Value};
use drawloom_proto::ListenError;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::discover::{Machine, discover};
use crate::driver::{Driver, End, FromExecutorSender, News, Parts, ToExecutorReceiver};
use crate::leftovers;
use crate::runner::Workers;
use crate::store::{ArenaFull, Store};
use crate::transfer::{Peers, Server};

/// An executor could not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// There is no memory for objects.
    #[error("no shared memory for {bytes} bytes of objects: {source}")]
    Arena {
        /// How much was wanted.
        bytes: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// Its objects cannot be served there.
    #[error("cannot serve objects: {0}")]
    Listen(ListenError),
    /// The scheduler's address means nothing.
    #[error("{endpoint:?} is no scheduler's address: {reason}")]
    Endpoint {
        /// The address.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// No scheduler was reached.
    #[error("no scheduler at {endpoint}: {reason}; is `drawloom scheduler` running there?")]
    Unreachable {
        /// Where it was looked for.
        endpoint: String,
        /// The last answer.
        reason: String,
    },
    /// The connection to the scheduler was lost.
    #[error("the scheduler at {endpoint} is gone: {reason}")]
    Lost {
        /// Where it was.
        endpoint: String,
        /// What is known.
        reason: String,
    },
}

/// An executor that runs inside this process.
#[derive(Debug)]
pub struct Handle {
    /// What it says of itself.
    pub info: ExecutorInfo,
    objects: LocalObjects,
    loop_task: JoinHandle<End>,
    _server: Option<Server>,
}

/// An executor's objects, for whoever shares its process.
#[derive(Clone, Debug)]
pub struct LocalObjects {
    store: Arc<Store>,
    news: mpsc::UnboundedSender<News>,
}

impl LocalObjects {
    pub(crate) fn new(store: Arc<Store>, news: mpsc::UnboundedSender<News>) -> Self {
        LocalObjects { store, news }
    }

    /// The object, if it is here; its bytes are shared, not copied.
    pub fn get(&self, object: ObjectKey) -> Option<Value> {
        self.store.get(object)
    }

    /// Keeps an object until the scheduler releases it.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn put(&self, object: ObjectKey, value: Value) -> Result<(), ArenaFull> {
        let Value { object_type, data } = value;
        self.insert(object, Value { object_type, data: self.store.settle(data)? });
        Ok(())
    }

    /// Keeps an object whose data is where it belongs.
    pub(crate) fn insert(&self, object: ObjectKey, value: Value) {
        let size_bytes = value.data.len() as u64;
        self.store.insert(object, value);
        // Nobody hears of it any more when the loop has ended, and nobody needs to.
        let _ = self.news.send(News::Event(Event::ObjectPut { object, size_bytes }));
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }
}

impl Handle {
    /// Its objects.
    pub fn objects(&self) -> LocalObjects {
        self.objects.clone()
    }

    /// Asks it to leave: it tells the scheduler, goes on with what it has, and ends when the
    /// scheduler says so.
    pub fn drain(&self) {
        let _ = self.objects.news.send(News::Event(Event::DrainWanted));
    }

    /// Ends it at once, with whatever it runs.
    pub fn abandon(&self) {
        let _ = self.objects.news.send(News::Abandon);
    }

    /// Waits until it has ended: because the scheduler said so or is gone.
    pub async fn ended(&mut self) {
        if !self.loop_task.is_finished() {
            let _ = self.wait().await;
        }
    }

    pub(crate) async fn wait(&mut self) -> Option<End> {
        (&mut self.loop_task).await.ok()
    }
}

/// Starts an executor inside this process, on the current tokio runtime. It ends when the
/// scheduler says `Stop` or drops its ends of the channels.
///
/// # Errors
/// When there is no memory for objects, or they cannot be served where the settings say.
pub async fn start(
    config: Config,
    outbox: FromExecutorSender,
    inbox: ToExecutorReceiver,
) -> Result<Handle, ExecutorError> {
    let Machine { mut info, cores, arena_bytes } = discover(&config);
    let store = Store::new(arena_bytes)
        .map_err(|source| ExecutorError::Arena { bytes: arena_bytes, source })?;
    let store = Arc::new(store);
    let (news_sender, news) = mpsc::unbounded_channel();
    let objects = LocalObjects::new(Arc::clone(&store), news_sender.clone());
    let server = match &config.listen {
        Some(listen) => {
            Some(Server::start(listen, objects.clone()).await.map_err(ExecutorError::Listen)?)
        }
        None => None,
    };
    info.address = server.as_ref().map(|server| server.address().to_string()).unwrap_or_default();
    if config.runs_processes {
        remove_leftovers(&config);
    }
    let core = Executor::new(CoreConfig { capacity: info.capacity.clone(), cores });
    let heartbeat = config.heartbeat;
    let workers = Workers::new(Arc::clone(&store), config);
    let peers = Peers::new(Arc::clone(&store));
    let parts = Parts { core, store, workers, peers, news, news_sender, inbox, outbox, heartbeat };
    let loop_task = tokio::spawn(Driver::new(parts).run());
    Ok(Handle { info, objects, loop_task, _server: server })
}

/// Goes on beside everything else, however much there is.
fn remove_leftovers(config: &Config) {
    let place = config.scratch_place();
    let thread = std::thread::Builder::new().name("drawloom-leftovers".to_owned());
    if let Err(error) = thread.spawn(move || leftovers::remove(&place)) {
        tracing::warn!(%error, "what dead executors left behind stays");
    }
}
