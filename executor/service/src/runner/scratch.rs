//! The directories of a process: where its inputs are put and its outputs are found.

use std::fs::{self, DirBuilder, File};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use drawloom_model::{Failure, FailureKind, INLINE_LIMIT_BYTES, ProcessSpec};
use rustix::process::getuid;

use crate::Config;
use crate::leftovers::{self, prefix};
use crate::quarters::{Lease, Quarters, Reusable};
use crate::store::{Draft, NoRoom};

/// The mode of directories that processes get.
const MODE: u32 = 0o700;

/// A directory with two others in it, which are removed when this is dropped.
pub(crate) struct Rooms {
    root: PathBuf,
    work: PathBuf,
    temporary: PathBuf,
}

impl Rooms {
    fn make(config: &Config) -> Result<Self, Failure> {
        let place = config.scratch_place();
        let make = || {
            let root = tempfile::Builder::new().prefix(&prefix()).tempdir_in(&place)?;
            let (work, temporary) = (root.path().join("work"), root.path().join("tmp"));
            for room in [&work, &temporary] {
                DirBuilder::new().mode(MODE).create(room)?;
            }
            // From here on it is removed by `Rooms`.
            std::io::Result::Ok(Rooms { root: root.keep(), work, temporary })
        };
        make().map_err(|error| {
            spawn_failure(format!("no scratch directory in {}: {error}", place.display()))
        })
    }
}

impl Drop for Rooms {
    /// Processes may have left what only its owner can open up, which this process is.
    fn drop(&mut self) {
        if let Err(error) = leftovers::remove_all(&self.root) {
            tracing::warn!(directory = %self.root.display(), %error, "files stay behind");
        }
    }
}

impl Reusable for Rooms {
    fn is_as_new(&mut self) -> bool {
        let is_empty = |room: &PathBuf| {
            let is_mine = fs::symlink_metadata(room).is_ok_and(|found| {
                found.is_dir() && found.mode() & 0o7777 == MODE && found.uid() == getuid().as_raw()
            });
            is_mine && fs::read_dir(room).is_ok_and(|mut entries| entries.next().is_none())
        };
        [&self.work, &self.temporary].into_iter().all(is_empty)
            && fs::read_dir(&self.root).is_ok_and(|entries| entries.count() == 2)
    }
}

/// A process's directories.
pub(crate) struct Scratch {
    rooms: Lease<Rooms>,
    /// The working directory.
    pub work: PathBuf,
}

impl Scratch {
    pub(crate) fn new(spec: &ProcessSpec, quarters: &Quarters) -> Result<Self, Failure> {
        let rooms = Lease::take(&quarters.rooms, || Rooms::make(&quarters.config))?;
        let work = match &spec.working_directory {
            Some(directory) => PathBuf::from(directory),
            None => rooms.work.clone(),
        };
        if spec.working_directory.is_some() && !work.is_dir() {
            let what = if work.exists() { "is no directory" } else { "does not exist" };
            let message = format!("working directory {} {what}", work.display());
            return Err(spawn_failure(message));
        }
        Ok(Scratch { rooms, work })
    }

    /// Where the process may put temporary files.
    pub(super) fn temporary(&self) -> &Path {
        &self.rooms.temporary
    }

    /// Writes an input.
    pub(super) fn write(&self, path: &str, data: &[u8]) -> Result<(), Failure> {
        let place = self.inside(path)?;
        let write = || {
            if let Some(directory) = place.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::write(&place, data)
        };
        write().map_err(|error| spawn_failure(format!("cannot write input file {path:?}: {error}")))
    }

    /// Reads an output; a large one to the `allocate`d place where it will stay.
    pub(super) fn read(
        &self,
        path: &str,
        limit_bytes: u64,
        allocate: impl FnOnce(usize) -> Result<Draft, NoRoom>,
    ) -> Result<Bytes, Failure> {
        let place = self.inside(path)?;
        let wrong = |what: String| {
            let message = format!("output file {path:?} {what}");
            Err(Failure::new(FailureKind::Application, message))
        };
        let size = match fs::metadata(&place) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return wrong("is not a regular file".to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return wrong("was not written".to_owned());
            }
            Err(error) => return wrong(format!("cannot be read: {error}")),
        };
        if size > limit_bytes {
            return wrong(format!("has {size} bytes, more than the limit of {limit_bytes}"));
        }
        let len = size as usize;
        match read_file(&place, len, allocate) {
            Ok(data) => data,
            Err(error) => wrong(format!("cannot be read: {error}")),
        }
    }

    /// The place of a path that must not lead out of the working directory.
    fn inside(&self, path: &str) -> Result<PathBuf, Failure> {
        if !ProcessSpec::holds_file(path) {
            let message =
                format!("file path {path:?} must be relative and stay in the working directory");
            return Err(spawn_failure(message));
        }
        Ok(self.work.join(path))
    }
}

/// Reads a file to where objects of its size belong; the inner error says that there is no room.
fn read_file(
    place: &Path,
    len: usize,
    allocate: impl FnOnce(usize) -> Result<Draft, NoRoom>,
) -> std::io::Result<Result<Bytes, Failure>> {
    let mut file = File::open(place)?;
    if len <= INLINE_LIMIT_BYTES {
        let mut data = vec![0; len];
        file.read_exact(&mut data)?;
        return Ok(Ok(data.into()));
    }
    match allocate(len) {
        Ok(mut draft) => {
            file.read_exact(draft.bytes_mut())?;
            Ok(Ok(draft.freeze()))
        }
        Err(full) => Ok(Err(Failure::new(FailureKind::OutOfMemory, full.to_string()))),
    }
}

fn spawn_failure(message: String) -> Failure {
    Failure::new(FailureKind::Spawn, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn paths_stay_inside() {
        let quarters = Quarters::new(Config::default(), Vec::new());
        let scratch = Scratch::new(&ProcessSpec::default(), &quarters).expect("a place");
        for path in ["../x", "/etc/passwd", "a/../../x", ""] {
            let failure = scratch.write(path, b"").expect_err(path);
            assert_eq!(failure.kind, FailureKind::Spawn);
            assert!(failure.message.contains("must be relative"), "{failure}");
        }
        let nothing = |wanted: usize| {
            let wanted_bytes = wanted as u64;
            Err(NoRoom::TooLarge { wanted_bytes, limit_bytes: 0 })
        };
        scratch.write("a/b.txt", b"warp").expect("inside");
        assert_eq!(scratch.read("./a/b.txt", 9, nothing), Ok(Bytes::from_static(b"warp")));
        let message = |path, limit| scratch.read(path, limit, nothing).expect_err(path).message;
        assert_eq!(message("c", 9), "output file \"c\" was not written");
        assert_eq!(message("a", 9), "output file \"a\" is not a regular file");
        assert_eq!(
            message("a/b.txt", 3),
            "output file \"a/b.txt\" has 4 bytes, more than the limit of 3"
        );
        let root = scratch.rooms.root.clone();
        drop(scratch);
        assert!(!root.exists());
    }

    #[test]
    fn rooms_are_used_again_only_where_nothing_was_left() {
        let quarters = Quarters::new(Config::default(), Vec::new());
        let scratch = || Scratch::new(&ProcessSpec::default(), &quarters).expect("a place");
        let first = scratch().work;
        assert_eq!(scratch().work, first);
        fs::write(scratch().temporary().join("left"), b"x").expect("written");
        let second = scratch();
        assert_ne!(second.work, first);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&second.work, mode).expect("changed");
        let opened = second.work.clone();
        drop(second);
        assert_ne!(scratch().work, opened);
        let kept = scratch().work;
        assert!(kept.is_dir());
        drop(quarters);
        assert!(!kept.exists());
    }
}
