//! The executor's objects by key.

use std::collections::HashMap;
use std::fs::File;
use std::hash::BuildHasherDefault;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use drawloom_executor_core::{FastHasher, RoomFor};
use drawloom_model::{INLINE_LIMIT_BYTES, JobKey, ObjectKey, Value};
use tokio::sync::mpsc;

use super::arrivals::Arrivals;
use super::buffer::Buffer;
use super::memory::{Draft, Memory, NoRoom};
use super::resident::Resident;
use super::room::Wishes;
use super::spill::{SpillDirectory, SpillError, SpilledObject};
use crate::driver::News;

/// Objects in memory, small ones on the heap, larger ones in their job's arena, and objects on
/// disk. Reading one takes a reference, not a copy, and it lives on for its readers after it was
/// removed.
pub(crate) struct Store {
    memory: Arc<Memory>,
    disk: Option<Arc<SpillDirectory>>,
    wishes: Wishes,
    arrivals: Arrivals,
    objects: Mutex<HashMap<ObjectKey, Kept, BuildHasherDefault<FastHasher>>>,
}

/// An object and where it is.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Memory(Value),
    Disk(Arc<SpilledObject>),
    Device(Arc<Resident>),
}

impl Kept {
    /// Its value, read from where it is; what is on disk or on a device is read to the heap.
    ///
    /// # Errors
    /// When it cannot be read back as it was.
    pub(crate) async fn load(self) -> Result<Value, String> {
        let reading = match self {
            Kept::Memory(value) => return Ok(value),
            Kept::Device(resident) => tokio::task::spawn_blocking(move || {
                resident.load().map_err(|error| error.to_string())
            }),
            Kept::Disk(spilled) => tokio::task::spawn_blocking(move || {
                spilled.load().map_err(|error| error.to_string())
            }),
        };
        reading.await.map_err(|error| error.to_string())?
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store of {} bytes", self.memory.limit_bytes())
    }
}

impl Store {
    /// An empty store of so many bytes. Who waits for memory is told of to `news`.
    ///
    /// # Errors
    /// When the system grants no such memory.
    pub(crate) fn new(
        limit_bytes: u64,
        disk: Option<Arc<SpillDirectory>>,
        news: mpsc::UnboundedSender<News>,
    ) -> io::Result<Self> {
        let memory = Memory::new(limit_bytes)?;
        let wishes = Wishes::new(&memory, news);
        Ok(Store { memory, disk, wishes, arrivals: Arrivals::default(), objects: Mutex::default() })
    }

    /// The memory of larger objects.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Where objects go when memory is short.
    pub(crate) fn disk(&self) -> Option<&Arc<SpillDirectory>> {
        self.disk.as_ref()
    }

    /// Those who wait for memory.
    pub(crate) fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// Objects that are being fetched.
    pub(crate) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    /// Memory for an object of the job. Waits while others are moved out of the way.
    ///
    /// # Errors
    /// When there is none and none will come free.
    pub(crate) async fn allocate(
        &self,
        job: JobKey,
        len: usize,
        purpose: RoomFor,
    ) -> Result<Draft, NoRoom> {
        let take = |memory: &Arc<Memory>| memory.allocate(job, len);
        match take(&self.memory) {
            Err(NoRoom::Full { .. }) => self.wishes.wait(&self.memory, len, purpose, take).await,
            other => other,
        }
    }

    /// The same on a thread that may block.
    ///
    /// # Errors
    /// As [`Store::allocate`].
    pub(crate) fn allocate_blocking(
        &self,
        job: JobKey,
        len: usize,
        purpose: RoomFor,
    ) -> Result<Draft, NoRoom> {
        let take = |memory: &Arc<Memory>| memory.allocate(job, len);
        match take(&self.memory) {
            Err(NoRoom::Full { .. }) => self.wishes.block(&self.memory, len, purpose, take),
            other => other,
        }
    }

    /// Memory where an object of this size belongs: a small one on the heap. Waits as
    /// [`Store::allocate`] does.
    ///
    /// # Errors
    /// As [`Store::allocate`].
    pub(crate) async fn buffer(
        &self,
        job: JobKey,
        len: usize,
        purpose: RoomFor,
    ) -> Result<Buffer, NoRoom> {
        if len <= INLINE_LIMIT_BYTES {
            return Ok(Buffer::on_heap(len));
        }
        self.allocate(job, len, purpose).await.map(Buffer::Arena)
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// When there is none now.
    pub(crate) fn buffer_now(&self, job: JobKey, len: usize) -> Result<Buffer, NoRoom> {
        if len <= INLINE_LIMIT_BYTES {
            return Ok(Buffer::on_heap(len));
        }
        self.memory.allocate(job, len).map(Buffer::Arena)
    }

    /// The same on a thread that may block.
    ///
    /// # Errors
    /// As [`Store::allocate`].
    pub(crate) fn buffer_blocking(
        &self,
        job: JobKey,
        len: usize,
        purpose: RoomFor,
    ) -> Result<Buffer, NoRoom> {
        if len <= INLINE_LIMIT_BYTES {
            return Ok(Buffer::on_heap(len));
        }
        self.allocate_blocking(job, len, purpose).map(Buffer::Arena)
    }

    /// Keeps a file in memory as it is, on a thread that may block. Waits while others are moved
    /// out of the way.
    ///
    /// # Errors
    /// As [`Store::allocate`], or somebody still has it mapped for writing.
    pub(crate) fn adopt_blocking(
        &self,
        file: File,
        len: usize,
        purpose: RoomFor,
    ) -> Result<Bytes, NoRoom> {
        let take = |memory: &Arc<Memory>| memory.adopt(&file, len);
        match take(&self.memory) {
            Err(NoRoom::Full { .. }) => self.wishes.block(&self.memory, len, purpose, take),
            other => other,
        }
    }

    /// Brings data to where objects of its size belong.
    ///
    /// # Errors
    /// As [`Store::allocate`].
    pub(crate) async fn settle(
        &self,
        job: JobKey,
        data: Bytes,
        purpose: RoomFor,
    ) -> Result<Bytes, NoRoom> {
        if data.len() <= INLINE_LIMIT_BYTES {
            return Ok(data);
        }
        let mut draft = self.allocate(job, data.len(), purpose).await?;
        draft.bytes_mut().copy_from_slice(&data);
        Ok(draft.freeze())
    }

    /// The same on a thread that may block.
    ///
    /// # Errors
    /// As [`Store::allocate`].
    pub(crate) fn settle_blocking(
        &self,
        job: JobKey,
        data: Bytes,
        purpose: RoomFor,
    ) -> Result<Bytes, NoRoom> {
        if data.len() <= INLINE_LIMIT_BYTES {
            return Ok(data);
        }
        let mut draft = self.allocate_blocking(job, data.len(), purpose)?;
        draft.bytes_mut().copy_from_slice(&data);
        Ok(draft.freeze())
    }

    /// The object, if it is here and in memory.
    pub(crate) fn get(&self, object: ObjectKey) -> Option<Value> {
        match self.objects().get(&object) {
            Some(Kept::Memory(value)) => Some(value.clone()),
            Some(Kept::Disk(_) | Kept::Device(_)) | None => None,
        }
    }

    /// The object, if it is here, wherever.
    pub(crate) fn find(&self, object: ObjectKey) -> Option<Kept> {
        self.objects().get(&object).cloned()
    }

    /// Keeps an object whose data is where it belongs already, see [`Store::settle`].
    pub(crate) fn insert(&self, object: ObjectKey, value: Value) {
        // What was there before is freed after the lock is.
        let _old = self.objects().insert(object, Kept::Memory(value));
    }

    /// Notes an object that is in a device's memory alone.
    pub(crate) fn insert_resident(&self, object: ObjectKey, resident: Arc<Resident>) {
        let _old = self.objects().insert(object, Kept::Device(resident));
    }

    /// Forgets an object.
    pub(crate) fn remove(&self, object: ObjectKey) {
        // Freed after the lock is.
        let _kept = self.objects().remove(&object);
    }

    /// Writes an object to disk and lets go of its memory; nothing happens where it is not here.
    ///
    /// # Errors
    /// When it cannot be written; then it stays as it is.
    pub(crate) fn spill(&self, object: ObjectKey) -> Result<(), SpillError> {
        let (Some(disk), Some(value)) = (&self.disk, self.get(object)) else { return Ok(()) };
        let spilled = disk.write(&value)?;
        let mut replaced = None;
        if let Some(kept) = self.objects().get_mut(&object)
            && matches!(kept, Kept::Memory(now) if now.data.as_ptr() == value.data.as_ptr())
        {
            replaced = Some(std::mem::replace(kept, Kept::Disk(Arc::new(spilled))));
        }
        drop(replaced);
        Ok(())
    }

    /// An object is back in memory; nothing happens where it was removed meanwhile.
    pub(crate) fn put_back(&self, object: ObjectKey, value: Value) {
        let mut replaced = None;
        if let Some(kept @ (Kept::Disk(_) | Kept::Device(_))) = self.objects().get_mut(&object) {
            replaced = Some(std::mem::replace(kept, Kept::Memory(value)));
        }
        drop(replaced);
    }

    /// Writes a device's object to disk, where there is no room for it in memory; nothing happens
    /// where it was removed meanwhile.
    ///
    /// # Errors
    /// When it cannot be written; then it stays where it is.
    pub(crate) fn put_on_disk(&self, object: ObjectKey, value: &Value) -> Result<(), SpillError> {
        let disk = self.disk.as_ref().ok_or(SpillError::Nowhere)?;
        let spilled = disk.write(value)?;
        let mut replaced = None;
        if let Some(kept @ Kept::Device(_)) = self.objects().get_mut(&object) {
            replaced = Some(std::mem::replace(kept, Kept::Disk(Arc::new(spilled))));
        }
        drop(replaced);
        Ok(())
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.objects().len()
    }

    /// Nothing is wanted any more: what is on disk goes.
    pub(crate) fn close(&self) {
        if let Some(disk) = &self.disk {
            disk.close();
        }
    }

    fn objects(&self) -> MutexGuard<'_, HashMap<ObjectKey, Kept, BuildHasherDefault<FastHasher>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
