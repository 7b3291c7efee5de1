//! Objects for clients on the same machine, in shared memory: nothing is copied on the way out,
//! and on the way in only by the client itself.
//!
//! What a client gets is shown by a descriptor for reading alone. What it puts, it writes to an
//! arena that is shared with this one connection; it could write there later, to what it has put
//! itself, and nowhere else.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use drawloom_executor_core::RoomFor;
use drawloom_model::{INLINE_LIMIT_BYTES, JobKey, ObjectKey, ObjectType, Value};
use drawloom_proto::v1::local_reply::Reply;
use drawloom_proto::v1::local_request::Request;
use drawloom_proto::{LocalStream, listen_local, v1};
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::start::LocalObjects;
use crate::store::{Draft, Place};

/// Serves clients on the same machine for as long as it lives.
#[derive(Debug)]
pub(crate) struct LocalServer {
    task: JoinHandle<()>,
}

impl LocalServer {
    /// Serves at the name that goes with the executor's address.
    pub(crate) fn start(address: &str, objects: LocalObjects) -> io::Result<Self> {
        let listener = listen_local(address)?;
        Ok(LocalServer { task: tokio::spawn(accept(listener, objects)) })
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        // The connections are the task's, and end with it.
        self.task.abort();
    }
}

async fn accept(listener: UnixListener, objects: LocalObjects) {
    /// Numbers of connections in this process; 0 is the vault's own generation.
    static CONNECTIONS: AtomicU32 = AtomicU32::new(1);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted.and_then(|(stream, _)| LocalStream::new(stream)) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a local client is turned away");
                // Where there are no descriptors left, some may come free.
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            }
        };
        let generation = CONNECTIONS.fetch_add(1, Ordering::Relaxed).max(1);
        let arena = JobKey { generation, ..JobKey::VAULT };
        let connection = Connection {
            objects: objects.clone(),
            arena,
            leases: HashMap::new(),
            next_lease: 0,
            unkept: HashSet::new(),
        };
        connections.spawn(connection.serve(stream));
    }
}

/// One client.
struct Connection {
    objects: LocalObjects,
    /// The arena of what it puts.
    arena: JobKey,
    leases: HashMap<u64, Lease>,
    next_lease: u64,
    /// Objects that it has put, but that the scheduler may not know of.
    unkept: HashSet<ObjectKey>,
}

enum Lease {
    Shown { _data: Bytes },
    Granted(Draft),
}

impl Connection {
    async fn serve(mut self, mut stream: LocalStream) {
        loop {
            match stream.receive::<v1::LocalRequest>().await {
                Ok(Some((request, _))) => {
                    let Some((reply, place)) = self.answer(request).await else { continue };
                    let descriptor = place.as_ref().map(|place| place.file.as_fd());
                    if stream.send(&reply, descriptor).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => return tracing::debug!(%error, "a local client is gone"),
            }
        }
    }

    /// The reply, where there is one, and the memory that goes with it.
    async fn answer(
        &mut self,
        request: v1::LocalRequest,
    ) -> Option<(v1::LocalReply, Option<Place>)> {
        let number = request.number;
        let result = match request.request {
            Some(Request::Get(key)) => self.show(key.into()),
            Some(Request::Grant(size_bytes)) => self.grant(size_bytes).await,
            Some(Request::Store(store)) => self.store(store).map(|reply| (reply, None)),
            Some(Request::Done(done)) => {
                for lease in done.leases {
                    self.leases.remove(&lease);
                }
                return None;
            }
            Some(Request::Keep(key)) => {
                self.unkept.remove(&key.into());
                return None;
            }
            None => Err("the request asks for nothing".to_owned()),
        };
        let (reply, place) = result.unwrap_or_else(|why| (Reply::Refused(why), None));
        Some((v1::LocalReply { number, reply: Some(reply) }, place))
    }

    fn show(&mut self, key: ObjectKey) -> Result<(Reply, Option<Place>), String> {
        let value = self.objects.get(key).ok_or("the object is not in this executor's memory")?;
        let place = self.objects.store().memory().place_of(&value.data);
        let place = place.ok_or("the object is not in shared memory")?;
        metrics::counter!("executor_shown_bytes_total").increment(value.data.len() as u64);
        let size_bytes = value.data.len() as u64;
        let lease = self.lease(Lease::Shown { _data: value.data });
        Ok((memory(&place, size_bytes, Some(&value.object_type), lease), Some(place)))
    }

    async fn grant(&mut self, size_bytes: u64) -> Result<(Reply, Option<Place>), String> {
        let len = usize::try_from(size_bytes).map_err(|error| error.to_string())?;
        if len <= INLINE_LIMIT_BYTES {
            return Err(format!("objects of {len} bytes do not go to shared memory"));
        }
        let store = self.objects.store();
        let draft = store.allocate(self.arena, len, RoomFor::Client).await;
        let draft = draft.map_err(|full| full.to_string())?;
        let place = store.memory().writable_place_of(self.arena, &draft);
        let place = place.map_err(|error| format!("the memory cannot be shared: {error}"))?;
        let lease = self.lease(Lease::Granted(draft));
        Ok((memory(&place, size_bytes, None, lease), Some(place)))
    }

    fn store(&mut self, store: v1::LocalStore) -> Result<Reply, String> {
        let key = ObjectKey::from(store.key.ok_or("key: must be set")?);
        let object_type = match store.r#type {
            Some(wire) => ObjectType::try_from(wire).map_err(|error| error.to_string())?,
            None => ObjectType::Blob,
        };
        let draft = match self.leases.remove(&store.lease) {
            Some(Lease::Granted(draft)) => draft,
            Some(shown @ Lease::Shown { .. }) => {
                self.leases.insert(store.lease, shown);
                return Err(format!("lease: {} is of an object, not of a grant", store.lease));
            }
            None => return Err(format!("lease: there is no grant {}", store.lease)),
        };
        let value = Value { object_type, data: draft.freeze() };
        if !value.is_consistent() {
            let (len, object_type) = (value.data.len(), &value.object_type);
            return Err(format!("type: {len} bytes do not go with {object_type}"));
        }
        if key.job != JobKey::VAULT {
            return Err(format!("key: {key:?} belongs to a job"));
        }
        if self.objects.holds(key) {
            return Err(format!("key: there is an object {key:?} already"));
        }
        self.objects.insert(key, value);
        self.unkept.insert(key);
        Ok(Reply::Stored(v1::Empty {}))
    }

    fn lease(&mut self, lease: Lease) -> u64 {
        self.next_lease += 1;
        self.leases.insert(self.next_lease, lease);
        self.next_lease
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.objects.discard(self.unkept.drain().collect());
    }
}

fn memory(place: &Place, size_bytes: u64, object_type: Option<&ObjectType>, lease: u64) -> Reply {
    Reply::Memory(v1::LocalMemory {
        file: place.number,
        offset: place.offset,
        size_bytes,
        r#type: object_type.and_then(drawloom_proto::wire_type),
        lease,
    })
}
