//! What a scheduler keeps from one run to the next, in a directory of its own.
//!
//! One scheduler at a time has it: a lock that the system lets go of with the process. Files are
//! replaced whole, so whoever reads one without the lock finds the old or the new one.

mod costs;
mod file;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drawloom_model::MeasuredCost;

pub use costs::BadCosts;

/// The file whose lock tells that a scheduler has the directory.
const LOCK: &str = "lock";

/// A directory that this process has locked, and what was in it.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    costs: Arc<[MeasuredCost]>,
    /// Locked for as long as it is open.
    _lock: File,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Another scheduler has it.
    #[error("another scheduler uses the state directory {}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A file or the directory itself cannot be read or written.
    #[error("cannot use the state directory: {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl StateDirError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> StateDirError {
        let path = path.to_owned();
        move |source| StateDirError::Io { path, source }
    }
}

/// Why what was kept cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not there or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{}: {source}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: BadCosts,
    },
}

impl StateDir {
    /// Makes the directory where there is none, locks it and reads what is in it. A file that makes
    /// no sense is set aside with a warning: what it told can be measured again.
    ///
    /// # Errors
    /// Another scheduler has it, or it cannot be read or written.
    pub fn open(path: impl Into<PathBuf>) -> Result<StateDir, StateDirError> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(StateDirError::io(&path))?;
        let lock_path = path.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(StateDirError::io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateDirError::InUse { path }),
            Err(TryLockError::Error(source)) => {
                return Err(StateDirError::Io { path: lock_path, source });
            }
        }
        let costs = load_costs(&path)?.into();
        Ok(StateDir { path, costs, _lock: lock })
    }

    /// What was measured by the time that the directory was opened.
    pub(crate) fn costs(&self) -> &Arc<[MeasuredCost]> {
        &self.costs
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces what is kept of measured costs.
    pub(crate) fn save_costs(&self, costs: &[MeasuredCost]) -> io::Result<()> {
        file::replace(&self.path, costs::FILE, &costs::to_bytes(costs))
    }
}

/// What was measured, as the scheduler that has or had the directory kept it last.
///
/// # Errors
/// There is no such file, or it makes no sense.
pub fn read_costs(directory: &Path) -> Result<Vec<MeasuredCost>, ReadError> {
    let path = directory.join(costs::FILE);
    match file::read(&path) {
        Ok(bytes) => costs::from_bytes(&bytes).map_err(|source| ReadError::Bad { path, source }),
        Err(source) => Err(ReadError::Io { path, source }),
    }
}

fn load_costs(directory: &Path) -> Result<Vec<MeasuredCost>, StateDirError> {
    match read_costs(directory) {
        Ok(costs) => Ok(costs),
        Err(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        Err(ReadError::Io { path, source }) => Err(StateDirError::Io { path, source }),
        Err(ReadError::Bad { path, source }) => {
            let aside = file::set_aside(&path).map_err(StateDirError::io(&path))?;
            let (file, aside) = (path.display(), aside.display());
            tracing::warn!(%file, %aside, "set aside: {source}; costs are measured anew");
            Ok(Vec::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{RunKind, Way};

    use super::*;

    fn cost(name: &str, mean_nanos: u64) -> MeasuredCost {
        let (kind, cpu_milli) = (RunKind::Kernel, 1000);
        MeasuredCost {
            way: Way { name: name.into(), kind, cpu_milli, devices: 0, device_milli: 0 },
            device_class: "cpu".into(),
            size_bytes: 1024,
            input_bytes: 1500,
            output_bytes: 8,
            mean_nanos,
            deviation_nanos: 2,
            samples: 3,
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory");
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.expect("an entry").file_name().into_string().expect("UTF-8")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_saved_is_there_the_next_time() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("a/b");
        let state = StateDir::open(&path).expect("made");
        assert_eq!(**state.costs(), []);
        for mean_nanos in [1, 2] {
            state.save_costs(&[cost("sum", mean_nanos)]).expect("saved");
        }
        assert_eq!(read_costs(&path).expect("readable meanwhile"), [cost("sum", 2)]);
        drop(state);
        assert_eq!(**StateDir::open(&path).expect("free").costs(), [cost("sum", 2)]);
        assert_eq!(names(&path), [costs::FILE, LOCK], "nothing else is left");
    }

    #[test]
    fn one_at_a_time_has_it() {
        let place = tempfile::tempdir().expect("a directory");
        let first = StateDir::open(place.path()).expect("free");
        let second = StateDir::open(place.path());
        assert!(matches!(second, Err(StateDirError::InUse { .. })), "{second:?}");
        drop(first);
        StateDir::open(place.path()).expect("free again");
    }

    #[test]
    fn what_makes_no_sense_is_set_aside() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join(costs::FILE);
        for text in ["", "{", "[]", r#"{"format":"drawloom-costs","version":2,"costs":7}"#] {
            fs::write(&path, text).expect("written");
            let state = StateDir::open(place.path()).expect("it goes on");
            assert_eq!(**state.costs(), []);
            assert!(!path.exists(), "{text}");
        }
        let aside: Vec<_> = names(place.path()).into_iter().filter(|name| name != LOCK).collect();
        let expected = ["", ".1", ".2", ".3"].map(|end| format!("{}.aside{end}", costs::FILE));
        assert_eq!(aside, expected, "none replaces another");
    }

    #[test]
    fn a_directory_that_cannot_be_used_is_named() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("file");
        fs::write(&path, "").expect("written");
        let error = StateDir::open(path.join("inside")).expect_err("no directory").to_string();
        assert!(error.contains("file/inside"), "{error}");
        let missing = read_costs(place.path()).expect_err("nothing is there").to_string();
        assert!(missing.contains(costs::FILE), "{missing}");
        fs::create_dir(place.path().join(costs::FILE)).expect("made");
        let error = StateDir::open(place.path()).expect_err("no file").to_string();
        assert!(error.contains(costs::FILE), "{error}");
    }
}
