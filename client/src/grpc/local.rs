//! Objects in the shared memory of an executor on the same machine.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use drawloom_model::{ObjectKey, ObjectType, Value};
use drawloom_proto::v1::local_reply::Reply;
use drawloom_proto::v1::local_request::Request;
use drawloom_proto::{LocalStream, v1, wire_type};
use memmap2::{MmapOptions, MmapRaw};
use tokio::sync::{Mutex as AsyncMutex, Notify};

/// Connections to executors on this machine, by address.
#[derive(Clone, Default)]
pub(super) struct Locals(Arc<Mutex<HashMap<String, Option<Arc<Local>>>>>);

impl Locals {
    /// The executor at an address, if it is on this machine. Found out once.
    pub(super) fn at(&self, address: &str) -> Option<Arc<Local>> {
        let mut known = lock(&self.0);
        if let Some(known) = known.get(address)
            && known.as_ref().is_none_or(|local| !lock(&local.shared.state).broken)
        {
            return known.clone();
        }
        let connected = LocalStream::connect(address);
        let failed = |error: &io::Error| {
            tracing::debug!(address, %error, "no shared memory with this executor");
        };
        let local = connected.inspect_err(failed).ok().map(Local::new);
        known.insert(address.to_owned(), local.clone());
        local
    }
}

/// A connection to an executor on this machine.
pub(super) struct Local {
    stream: Arc<AsyncMutex<Stream>>,
    shared: Arc<Shared>,
}

struct Stream {
    stream: LocalStream,
    next: u64,
}

/// What values in use refer to.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    returned: Notify,
}

#[derive(Default)]
struct State {
    /// Leases to be given back.
    returned: Vec<u64>,
    /// Files that values in use show.
    shown: HashMap<u64, Weak<MmapRaw>>,
    /// The file to which objects are written, mapped for as long as it is the same, so that its
    /// pages are there already.
    written: Option<(u64, Arc<MmapRaw>)>,
    /// Whether the connection has ended.
    broken: bool,
}

/// Memory that the executor has granted or shown.
struct Granted {
    memory: v1::LocalMemory,
    file: File,
}

impl Local {
    fn new(stream: LocalStream) -> Arc<Self> {
        let stream = Arc::new(AsyncMutex::new(Stream { stream, next: 0 }));
        let shared = Arc::<Shared>::default();
        tokio::spawn(give_back(Arc::downgrade(&stream), Arc::downgrade(&shared)));
        Arc::new(Local { stream, shared })
    }

    /// The object, its bytes where they are; nothing where it is not in this executor's memory.
    pub(super) async fn get(&self, key: ObjectKey) -> Option<Value> {
        let granted = self.ask_memory(Request::Get(key.into())).await.ok()?;
        let object_type = match granted.memory.r#type.clone() {
            Some(wire) => ObjectType::try_from(wire).ok()?,
            None => ObjectType::Blob,
        };
        let lease = Lease { number: granted.memory.lease, shared: Arc::clone(&self.shared) };
        let map = self.map_shown(&granted).ok()?;
        let data = Shown::new(map, &granted.memory, lease)?;
        Some(Value { object_type, data: Bytes::from_owner(data) })
    }

    /// Writes an object straight into the executor's memory.
    pub(super) async fn put(&self, key: ObjectKey, value: Value) -> Result<(), String> {
        let Value { object_type, data } = value;
        let granted = self.ask_memory(Request::Grant(data.len() as u64)).await?;
        let lease = granted.memory.lease;
        let map = self.map_written(&granted).map_err(|error| error.to_string())?;
        let write = move || write(&map, &granted.memory, &data);
        let written =
            tokio::task::spawn_blocking(write).await.map_err(|error| error.to_string())?;
        written?;
        let r#type = wire_type(&object_type);
        let store = v1::LocalStore { key: Some(key.into()), r#type, lease };
        match self.ask(Request::Store(store)).await? {
            (Reply::Stored(_), _) => Ok(()),
            _ => Err("a store was answered by something else".to_owned()),
        }
    }

    /// The scheduler knows the object.
    pub(super) async fn keep(&self, key: ObjectKey) -> Result<(), String> {
        let request = v1::LocalRequest { number: 0, request: Some(Request::Keep(key.into())) };
        let sent = self.stream.lock().await.stream.send(&request, None).await;
        sent.map_err(|error| self.broke(&error))
    }

    async fn ask_memory(&self, request: Request) -> Result<Granted, String> {
        match self.ask(request).await? {
            (Reply::Memory(memory), Some(descriptor)) => {
                Ok(Granted { memory, file: File::from(descriptor) })
            }
            _ => Err("memory came without a descriptor".to_owned()),
        }
    }

    async fn ask(&self, request: Request) -> Result<(Reply, Option<OwnedFd>), String> {
        let mut stream = self.stream.lock().await;
        stream.next += 1;
        let number = stream.next;
        let request = v1::LocalRequest { number, request: Some(request) };
        stream.stream.send(&request, None).await.map_err(|error| self.broke(&error))?;
        loop {
            let received = stream.stream.receive::<v1::LocalReply>().await;
            let received = received.map_err(|error| self.broke(&error))?;
            let ended = || self.broke(&io::Error::other("the executor has hung up"));
            let (reply, descriptor) = received.ok_or_else(ended)?;
            match reply.reply {
                Some(Reply::Refused(why)) if reply.number == number => return Err(why),
                Some(answer) if reply.number == number => return Ok((answer, descriptor)),
                // Of somebody who has stopped waiting.
                Some(Reply::Memory(memory)) => self.shared.give_back(memory.lease),
                _ => {}
            }
        }
    }

    fn broke(&self, error: &io::Error) -> String {
        lock(&self.shared.state).broken = true;
        error.to_string()
    }

    fn map_shown(&self, granted: &Granted) -> io::Result<Arc<MmapRaw>> {
        let mut state = lock(&self.shared.state);
        let number = granted.memory.file;
        if let Some(map) = state.shown.get(&number).and_then(Weak::upgrade) {
            return Ok(map);
        }
        state.shown.retain(|_, map| map.strong_count() > 0);
        let len = file_len(&granted.file)?;
        let map = Arc::new(MmapOptions::new().len(len).map_raw_read_only(&granted.file)?);
        state.shown.insert(number, Arc::downgrade(&map));
        Ok(map)
    }

    fn map_written(&self, granted: &Granted) -> io::Result<Arc<MmapRaw>> {
        let mut state = lock(&self.shared.state);
        let number = granted.memory.file;
        if let Some((known, map)) = &state.written
            && *known == number
        {
            return Ok(Arc::clone(map));
        }
        let len = file_len(&granted.file)?;
        let map = Arc::new(MmapOptions::new().len(len).no_reserve_swap().map_raw(&granted.file)?);
        state.written = Some((number, Arc::clone(&map)));
        Ok(map)
    }
}

/// Tells the executor of leases that came back, until the connection goes.
async fn give_back(stream: Weak<AsyncMutex<Stream>>, shared: Weak<Shared>) {
    loop {
        let Some(waiting) = shared.upgrade() else { return };
        // Values may be the last to know of the connection: it must not live on for them.
        let leases = std::mem::take(&mut lock(&waiting.state).returned);
        if leases.is_empty() {
            let _ = tokio::time::timeout(PATIENCE, waiting.returned.notified()).await;
            if stream.strong_count() == 0 {
                return;
            }
            continue;
        }
        let Some(stream) = stream.upgrade() else { return };
        let done = Request::Done(v1::LocalLeases { leases });
        let request = v1::LocalRequest { number: 0, request: Some(done) };
        if stream.lock().await.stream.send(&request, None).await.is_err() {
            lock(&waiting.state).broken = true;
            return;
        }
    }
}

/// How often a connection that nobody uses any more is looked for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

impl Shared {
    fn give_back(&self, lease: u64) {
        lock(&self.state).returned.push(lease);
        self.returned.notify_one();
    }
}

/// The executor keeps the memory as it is until this is dropped.
struct Lease {
    number: u64,
    shared: Arc<Shared>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.give_back(self.number);
    }
}

/// Bytes in the executor's memory.
struct Shown {
    map: Arc<MmapRaw>,
    start: usize,
    len: usize,
    /// Given back after the last look at the bytes.
    _lease: Lease,
}

impl Shown {
    fn new(map: Arc<MmapRaw>, memory: &v1::LocalMemory, lease: Lease) -> Option<Self> {
        let (start, len) = range(&map, memory)?;
        Some(Shown { map, start, len, _lease: lease })
    }
}

impl AsRef<[u8]> for Shown {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `range` has checked that the bytes are inside the mapping, which lives as long
        // as `self` and whose file is sealed against being cut short; the executor leaves them as
        // they are while the lease lasts, and nobody else may write there. Every bit pattern is a
        // byte.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(self.start), self.len) }
    }
}

fn write(map: &MmapRaw, memory: &v1::LocalMemory, data: &[u8]) -> Result<(), String> {
    let outside = || "the executor granted memory that there is not".to_owned();
    let (start, len) = range(map, memory).ok_or_else(outside)?;
    if len != data.len() {
        return Err(outside());
    }
    // SAFETY: `range` has checked that the bytes are inside the mapping, whose file is sealed
    // against being cut short; the executor granted them to this call alone, so that nobody else
    // writes or reads them meanwhile.
    let place = unsafe { std::slice::from_raw_parts_mut(map.as_mut_ptr().add(start), len) };
    place.copy_from_slice(data);
    Ok(())
}

/// Where the memory is in the mapping, if it is inside.
fn range(map: &MmapRaw, memory: &v1::LocalMemory) -> Option<(usize, usize)> {
    let start = usize::try_from(memory.offset).ok()?;
    let len = usize::try_from(memory.size_bytes).ok()?;
    (start.checked_add(len)? <= map.len()).then_some((start, len))
}

fn file_len(file: &File) -> io::Result<usize> {
    usize::try_from(file.metadata()?.len()).map_err(io::Error::other)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
