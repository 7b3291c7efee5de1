//! Starting an executor inside a process.

use std::io;
use std::sync::Arc;

use drawloom_executor_core::{Config as CoreConfig, Event, Executor, RoomFor};
use drawloom_model::{DeviceUsage, ExecutorInfo, ObjectKey, ToExecutor, Value};
use drawloom_nvml::Library;
use drawloom_proto::ListenError;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::actor::{Actors, CallServer, LocalActors};
use crate::config::Config;
use crate::discover::{Machine, discover};
use crate::driver::{Driver, End, FromExecutorSender, News, Parts, ToExecutorReceiver};
use crate::gpu::{self, Devices};
use crate::leftovers;
use crate::local::LocalServer;
use crate::quarters::Quarters;
use crate::runner::Workers;
use crate::store::{Mover, NoRoom, SpillDirectory, Store};
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
    /// Objects cannot go to disk where they were told to.
    #[error("{0}; give another --spill-dir, or --spill-limit 0 to keep objects in memory alone")]
    Spill(String),
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
    /// It was told to end at once.
    #[error("ended before it was empty")]
    Abandoned,
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
    actors: LocalActors,
    devices: Arc<Devices>,
    loop_task: JoinHandle<End>,
    _server: Option<Server>,
    _local: Option<LocalServer>,
}

/// An executor's objects, for whoever shares its process.
#[derive(Clone, Debug)]
pub struct LocalObjects {
    store: Arc<Store>,
    news: mpsc::UnboundedSender<News>,
}

/// What an executor's objects take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// How many there are, small ones among them.
    pub objects: usize,
    /// Shared memory in use.
    pub memory_bytes: u64,
    /// Arenas, one for each job that has objects in shared memory or had some just before.
    pub arenas: usize,
    /// Bytes on disk.
    pub disk_bytes: u64,
}

impl LocalObjects {
    pub(crate) fn new(store: Arc<Store>, news: mpsc::UnboundedSender<News>) -> Self {
        LocalObjects { store, news }
    }

    /// The object, if it is here and in memory; its bytes are shared, not copied.
    pub fn get(&self, object: ObjectKey) -> Option<Value> {
        self.store.get(object)
    }

    /// The object, if it is here; one that is on disk or on a device is read from there.
    ///
    /// # Errors
    /// When it cannot be read back as it was.
    pub async fn read(&self, object: ObjectKey) -> Result<Option<Value>, String> {
        match self.store.find(object) {
            Some(kept) => kept.load().await.map(Some),
            None => Ok(None),
        }
    }

    /// Keeps an object until the scheduler releases it. Waits while others make room.
    ///
    /// # Errors
    /// When there is no room for it.
    pub async fn put(&self, object: ObjectKey, value: Value) -> Result<(), NoRoom> {
        let Value { object_type, data } = value;
        let data = self.store.settle(object.job, data, RoomFor::Client).await?;
        self.insert(object, Value { object_type, data });
        Ok(())
    }

    /// What its memory and disk hold at the moment.
    pub fn usage(&self) -> Usage {
        let memory = self.store.memory();
        Usage {
            objects: self.store.len(),
            memory_bytes: memory.used_bytes(),
            arenas: memory.arenas(),
            disk_bytes: self.store.disk().map_or(0, |disk| disk.used_bytes()),
        }
    }

    /// Whether the object is here.
    pub(crate) fn holds(&self, object: ObjectKey) -> bool {
        self.store.find(object).is_some()
    }

    /// Forgets objects that the scheduler never heard of.
    pub(crate) fn discard(&self, objects: Vec<ObjectKey>) {
        if !objects.is_empty() {
            let release = ToExecutor::Release { objects };
            let _ = self.news.send(News::Event(Event::Told(release)));
        }
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

    /// Its actors.
    pub fn actors(&self) -> LocalActors {
        self.actors.clone()
    }

    /// What its devices hold.
    pub fn devices(&self) -> Vec<DeviceUsage> {
        self.devices.usage()
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
    let (news_sender, news) = mpsc::unbounded_channel();
    let disk = spill_directory(&config)?;
    let can_spill = disk.is_some();
    let store = Store::new(arena_bytes, disk, news_sender.clone())
        .map_err(|source| ExecutorError::Arena { bytes: arena_bytes, source })?;
    let store = Arc::new(store);
    let (devices, library) = open_devices(&config, &store, &news_sender).await;
    (info.devices, info.capacity.devices) = (devices.infos().to_vec(), devices.capacities());
    info.compiles_cuda = devices.can_compile();
    gpu::watch(&devices, library);
    let objects = LocalObjects::new(Arc::clone(&store), news_sender.clone());
    let peers = Peers::new(Arc::clone(&store));
    let uuids = info.devices.iter().map(|device| device.uuid.clone()).collect();
    let quarters = Quarters::new(config.clone(), uuids);
    let actors = Actors::new(Arc::clone(&store), Arc::clone(&quarters));
    let server = match &config.listen {
        Some(listen) => {
            let calls = CallServer { actors: actors.clone(), peers: peers.clone() };
            let server = Server::start(listen, objects.clone(), calls).await;
            Some(server.map_err(ExecutorError::Listen)?)
        }
        None => None,
    };
    let local_actors = LocalActors::new(actors.clone(), Arc::clone(&store));
    info.address = server.as_ref().map(|server| server.address().to_string()).unwrap_or_default();
    if config.runs_processes {
        remove_leftovers(&config);
    }
    let core = Executor::new(CoreConfig { capacity: info.capacity.clone(), cores, can_spill });
    let (heartbeat, shares_memory) = (config.heartbeat, config.shares_memory);
    let workers = Workers::new(Arc::clone(&store), quarters);
    let mover = Mover::new(Arc::clone(&store), news_sender.clone());
    let parts = Parts {
        core,
        store,
        workers,
        devices: Arc::clone(&devices),
        actors,
        peers,
        mover,
        news,
        news_sender,
        inbox,
        outbox,
        heartbeat,
    };
    let loop_task = tokio::spawn(Driver::new(parts).run());
    let local = shares_memory.then(|| serve_local(&info.address, &objects)).flatten();
    Ok(Handle {
        info,
        objects,
        actors: local_actors,
        devices,
        loop_task,
        _server: server,
        _local: local,
    })
}

/// Where objects go when memory is short, unless that is not wanted. A place that was asked for
/// must do; that the usual one does not is told when it is needed.
fn spill_directory(config: &Config) -> Result<Option<Arc<SpillDirectory>>, ExecutorError> {
    if config.spill_limit_bytes == Some(0) {
        return Ok(None);
    }
    let place = config.spill.clone().unwrap_or_else(std::env::temp_dir);
    let limit_bytes = config.spill_limit_bytes.unwrap_or_else(|| {
        let free = rustix::fs::statvfs(&place).map(|system| system.f_bavail * system.f_frsize);
        // A place that is made later has no limit but its file system's.
        free.map_or(u64::MAX, |free| free / 2)
    });
    let directory = SpillDirectory::new(place, limit_bytes);
    if config.spill.is_some() {
        directory.prepare().map_err(|error| ExecutorError::Spill(error.to_string()))?;
    }
    Ok(Some(directory))
}

/// The GPUs that are to be offered. Drivers take their time to start.
async fn open_devices(
    config: &Config,
    store: &Arc<Store>,
    news: &mpsc::UnboundedSender<News>,
) -> (Arc<Devices>, Option<Library>) {
    let open = |is_wanted| {
        let (store, news) = (Arc::clone(store), news.clone());
        let grace = config.cancel_grace;
        move || Devices::open(is_wanted, grace, &store, &news)
    };
    if !config.offers_gpus {
        let (devices, library) = open(false)();
        return (Arc::new(devices), library);
    }
    let opened = tokio::task::spawn_blocking(open(true)).await;
    let (devices, library) = opened.unwrap_or_else(|_| open(false)());
    (Arc::new(devices), library)
}

/// Serves clients on this machine; without that they fetch objects as others do.
fn serve_local(address: &str, objects: &LocalObjects) -> Option<LocalServer> {
    if address.is_empty() {
        return None;
    }
    let started = LocalServer::start(address, objects.clone());
    let failed = |error: &io::Error| tracing::warn!(%error, "clients get no shared memory");
    started.inspect_err(failed).ok()
}

/// Goes on beside everything else, however much there is.
fn remove_leftovers(config: &Config) {
    let place = config.scratch_place();
    let thread = std::thread::Builder::new().name("drawloom-leftovers".to_owned());
    if let Err(error) = thread.spawn(move || leftovers::remove(&place)) {
        tracing::warn!(%error, "what dead executors left behind stays");
    }
}
