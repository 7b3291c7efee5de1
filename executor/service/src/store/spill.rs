//! Objects on disk: a private directory of files, each with checksums.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drawloom_model::{ObjectType, Value};
use rustix::fs::FlockOperation;
use tempfile::TempDir;

/// What the directories of all executors are called, before a part that is unique.
const PREFIX: &str = "drawloom-spill-";
/// Held locked for as long as the directory's executor lives.
const LOCK: &str = "lock";
/// How long a directory may be without a lock: its executor is just making it.
const NEWBORN: Duration = Duration::from_secs(60);
/// What one checksum covers.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// An object could not be written to disk, or did not come back as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpillError {
    /// Nothing is to be written.
    #[error("objects are not to be written to disk")]
    Nowhere,
    /// It would take more than is allowed.
    #[error(
        "{wanted_bytes} bytes more would exceed the spill limit: {used_bytes} of {limit_bytes} are used (--spill-limit; half of what was free on the disk, unless given)"
    )]
    Limit { wanted_bytes: u64, used_bytes: u64, limit_bytes: u64 },
    /// The file system does not do it.
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// What was read is not what was written.
    #[error(
        "{} is damaged: bytes {start}.. have checksum {actual:#010x}, not {expected:#010x}",
        path.display()
    )]
    Damaged { path: PathBuf, start: u64, expected: u32, actual: u32 },
}

/// Where objects are written. The directory is made when the first one is, and goes with the
/// executor; those of executors that were killed are cleared away at the next start.
#[derive(Debug)]
pub(crate) struct SpillDirectory {
    place: PathBuf,
    limit_bytes: u64,
    used_bytes: AtomicU64,
    next: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
enum Open {
    #[default]
    NotYet,
    Yes {
        directory: TempDir,
        _lock: File,
    },
    NoMore,
}

impl SpillDirectory {
    /// A directory in `place` for at most so many bytes. Clears away what dead executors left.
    pub(crate) fn new(place: PathBuf, limit_bytes: u64) -> Arc<Self> {
        clear_stale(&place);
        Arc::new(SpillDirectory {
            place,
            limit_bytes,
            used_bytes: AtomicU64::new(0),
            next: AtomicU64::new(0),
            open: Mutex::default(),
        })
    }

    /// Makes the directory now, for who wants to know early whether it can be made.
    pub(crate) fn prepare(&self) -> Result<(), SpillError> {
        self.root().map(drop)
    }

    /// Bytes on disk.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Writes an object.
    pub(crate) fn write(self: &Arc<Self>, value: &Value) -> Result<SpilledObject, SpillError> {
        let size_bytes = value.data.len() as u64;
        self.reserve(size_bytes)?;
        // From here on the object's end gives the reserved bytes back.
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let mut object = SpilledObject {
            directory: Arc::clone(self),
            path: self.place.join(PREFIX),
            object_type: value.object_type.clone(),
            size_bytes,
            checksums: Vec::new(),
        };
        object.path = self.root()?.join(name);
        let mut write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&object.path)?;
            for piece in value.data.chunks(PIECE_BYTES) {
                object.checksums.push(crc32c::crc32c(piece));
                file.write_all(piece)?;
            }
            io::Result::Ok(())
        };
        let written = write();
        written.map_err(|source| io_error("cannot write spilled object", &object.path, source))?;
        Ok(object)
    }

    fn reserve(&self, wanted_bytes: u64) -> Result<(), SpillError> {
        let limit_bytes = self.limit_bytes;
        let more = |used: u64| used.checked_add(wanted_bytes).filter(|sum| *sum <= limit_bytes);
        let reserved = self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        reserved.map(|_| ()).map_err(|used_bytes| SpillError::Limit {
            wanted_bytes,
            used_bytes,
            limit_bytes,
        })
    }

    /// The directory; made at the first call.
    fn root(&self) -> Result<PathBuf, SpillError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let what = "cannot make a spill directory in";
        match &*open {
            Open::Yes { directory, .. } => return Ok(directory.path().to_owned()),
            Open::NoMore => {
                let gone = io::Error::other("the executor is ending");
                return Err(io_error(what, &self.place, gone));
            }
            Open::NotYet => {}
        }
        let make = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.place)?;
            // Only this user may enter it.
            let private = fs::Permissions::from_mode(0o700);
            let directory = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(private)
                .tempdir_in(&self.place)?;
            let lock = File::create(directory.path().join(LOCK))?;
            rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            io::Result::Ok((directory, lock))
        };
        let (directory, lock) = make().map_err(|source| io_error(what, &self.place, source))?;
        let root = directory.path().to_owned();
        *open = Open::Yes { directory, _lock: lock };
        Ok(root)
    }

    /// Removes the directory; nothing can be written any more.
    pub(crate) fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Open::NoMore;
    }
}

/// Removes directories whose executors live no more.
fn clear_stale(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    let user = rustix::process::getuid().as_raw();
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|data| data.is_dir() && data.uid() == user);
        if ours && is_stale(&path) {
            tracing::info!("removing {}, left behind by an executor", path.display());
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(%error, "{} cannot be removed", path.display());
            }
        }
    }
}

fn is_stale(directory: &Path) -> bool {
    match OpenOptions::new().write(true).open(directory.join(LOCK)) {
        Ok(lock) => rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(_) => {
            let modified = fs::metadata(directory).and_then(|data| data.modified());
            let age = modified.ok().and_then(|modified| modified.elapsed().ok());
            age.is_some_and(|age| age > NEWBORN)
        }
    }
}

/// An object on disk. Its file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct SpilledObject {
    directory: Arc<SpillDirectory>,
    path: PathBuf,
    pub object_type: ObjectType,
    pub size_bytes: u64,
    checksums: Vec<u32>,
}

impl SpilledObject {
    /// A copy on the heap, for those who need it once.
    ///
    /// # Errors
    /// As [`SpilledObject::read`].
    pub(crate) fn load(&self) -> Result<Value, SpillError> {
        let mut data = vec![0; self.size_bytes as usize];
        self.read(0, &mut data)?;
        Ok(Value { object_type: self.object_type.clone(), data: data.into() })
    }

    /// Reads the bytes from `start` on, which begins a piece, and checks them.
    pub(crate) fn read(&self, start: u64, bytes: &mut [u8]) -> Result<(), SpillError> {
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(start))?;
            io::Result::Ok(file)
        };
        let failed = |source| io_error("cannot read spilled object", &self.path, source);
        let mut file = read().map_err(failed)?;
        let first = start as usize / PIECE_BYTES;
        for (index, piece) in (first..).zip(bytes.chunks_mut(PIECE_BYTES)) {
            file.read_exact(piece).map_err(failed)?;
            let actual = crc32c::crc32c(piece);
            let expected = self.checksums.get(index).copied().unwrap_or_default();
            if actual != expected {
                let (path, start) = (self.path.clone(), (index * PIECE_BYTES) as u64);
                return Err(SpillError::Damaged { path, start, expected, actual });
            }
        }
        Ok(())
    }

    /// The checksum of all bytes.
    pub(crate) fn crc32c(&self) -> u32 {
        let mut left = self.size_bytes as usize;
        let mut whole = 0;
        for checksum in &self.checksums {
            let len = left.min(PIECE_BYTES);
            whole = crc32c::crc32c_combine(whole, *checksum, len);
            left -= len;
        }
        whole
    }
}

impl Drop for SpilledObject {
    fn drop(&mut self) {
        // It may never have been made, or have gone with its directory.
        let _ = fs::remove_file(&self.path);
        self.directory.used_bytes.fetch_sub(self.size_bytes, Ordering::Relaxed);
    }
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> SpillError {
    SpillError::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(len: usize) -> Value {
        Value::blob((0..len).map(|index| (index / 7) as u8).collect::<Vec<_>>())
    }

    #[test]
    fn objects_come_back_as_they_were() {
        let place = tempfile::tempdir().expect("a place");
        let directory = SpillDirectory::new(place.path().join("below"), 1 << 30);
        for len in [1, PIECE_BYTES, 2 * PIECE_BYTES + 5] {
            let value = value(len);
            let object = directory.write(&value).expect("written");
            let mut bytes = vec![0; len];
            object.read(0, &mut bytes).expect("read");
            assert!(bytes == value.data);
            assert_eq!(object.crc32c(), crc32c::crc32c(&value.data));
            let start = (len - 1) / PIECE_BYTES * PIECE_BYTES;
            object.read(start as u64, &mut bytes[start..]).expect("read");
            assert_eq!(directory.used_bytes(), len as u64);
        }
        assert_eq!(directory.used_bytes(), 0);
        let root = directory.root().expect("made");
        let names = |root: &Path| fs::read_dir(root).expect("a directory").count();
        assert_eq!(names(&root), 1, "the lock alone");
        assert_eq!(fs::metadata(&root).expect("made").mode() & 0o777, 0o700);
        directory.close();
        assert!(!root.exists());
        let error = directory.write(&value(1)).expect_err("closed").to_string();
        assert!(error.contains("the executor is ending"), "{error}");
    }

    #[test]
    fn damage_and_loss_are_told() {
        let place = tempfile::tempdir().expect("a place");
        let directory = SpillDirectory::new(place.path().to_owned(), 1 << 30);
        let object = directory.write(&value(3 * PIECE_BYTES)).expect("written");
        let mut bytes = vec![0; 3 * PIECE_BYTES];
        let file = OpenOptions::new().write(true).open(&object.path).expect("there");
        std::os::unix::fs::FileExt::write_at(&file, &[255], 2 << 20).expect("written");
        let error = object.read(0, &mut bytes).expect_err("damaged").to_string();
        assert!(error.contains("is damaged: bytes 2097152.. have checksum"), "{error}");
        file.set_len(10).expect("cut");
        let error = object.read(0, &mut bytes).expect_err("short").to_string();
        assert!(error.contains("cannot read spilled object"), "{error}");
        fs::remove_file(&object.path).expect("there");
        let error = object.read(0, &mut bytes).expect_err("gone").to_string();
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn limits_and_full_disks_are_told() {
        let place = tempfile::tempdir().expect("a place");
        let directory = SpillDirectory::new(place.path().to_owned(), 100);
        let first = directory.write(&value(60)).expect("written");
        let error = directory.write(&value(60)).expect_err("too much").to_string();
        assert_eq!(
            error,
            "60 bytes more would exceed the spill limit: 60 of 100 are used (--spill-limit; half of what was free on the disk, unless given)"
        );
        drop(first);
        directory.write(&value(60)).expect("written");
        let file = place.path().join("file");
        fs::write(&file, "").expect("written");
        let error = SpillDirectory::new(file, 100).write(&value(1)).expect_err("no directory");
        assert!(error.to_string().contains("cannot make a spill directory in"), "{error}");
    }

    #[test]
    fn what_dead_executors_left_is_cleared_away() {
        let place = tempfile::tempdir().expect("a place");
        let living = SpillDirectory::new(place.path().to_owned(), 100);
        let kept = living.write(&value(1)).expect("written");
        let stale = place.path().join(format!("{PREFIX}stale"));
        let newborn = place.path().join(format!("{PREFIX}newborn"));
        let other = place.path().join("other");
        for directory in [&stale, &newborn, &other] {
            fs::create_dir(directory).expect("made");
        }
        fs::write(stale.join(LOCK), "").expect("written");
        fs::write(stale.join("0"), "left").expect("written");
        SpillDirectory::new(place.path().to_owned(), 100);
        assert!(!stale.exists() && newborn.exists() && other.exists() && kept.path.exists());
    }
}
