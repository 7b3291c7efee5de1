//! What goes from a folder of compiled texts, so that it does not grow for ever.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Limits {
    /// Of all texts together. The one that was used last is kept, however long it is.
    pub bytes: u64,
    /// Since a text was used last.
    pub age: Duration,
}

impl Limits {
    /// A text is some ten kilobytes, so this is thousands of kernels.
    pub(super) const USUAL: Limits =
        Limits { bytes: 256 << 20, age: Duration::from_secs(90 * 86_400) };
}

struct Text {
    used: SystemTime,
    path: PathBuf,
    bytes: u64,
}

/// Deletes texts that were not used for long, then those used longest ago until the others fit, and
/// what writers that were ended have left. Other executors may do the same, and use what they find;
/// what is missing is compiled again. Files that have other names are nobody's to delete.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn prune(folder: &Path, limits: Limits, now: SystemTime) -> io::Result<()> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // One that another has deleted meanwhile is none.
        let Ok(meta) = entry.metadata() else { continue };
        let Ok(used) = meta.modified() else { continue };
        // Of a clock that was set back, nothing is known.
        let age = now.duration_since(used).unwrap_or_default();
        match path.extension().and_then(OsStr::to_str) {
            Some("ptx") if meta.is_file() && age <= limits.age => {
                texts.push(Text { used, path, bytes: meta.len() });
            }
            Some("ptx") if meta.is_file() => delete(&path),
            Some("unfinished") if meta.is_file() && age > DAY => delete(&path),
            _ => {}
        }
    }
    texts.sort_unstable_by(|a, b| (b.used, &b.path).cmp(&(a.used, &a.path)));
    let mut kept_bytes: u64 = 0;
    for (place, text) in texts.iter().enumerate() {
        kept_bytes = kept_bytes.saturating_add(text.bytes);
        if kept_bytes > limits.bytes && place > 0 {
            delete(&text.path);
        }
    }
    Ok(())
}

fn delete(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => tracing::debug!(path = %path.display(), "a compiled text is deleted"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a compiled text is not deleted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 1000, age: Duration::from_secs(100) };

    /// A file of so many bytes, that was used so many seconds before `now`.
    fn put(folder: &Path, name: &str, bytes: usize, now: SystemTime, ago: u64) {
        let path = folder.join(name);
        fs::write(&path, vec![b'x'; bytes]).expect("written");
        let file = fs::File::options().write(true).open(&path).expect("opened");
        file.set_modified(now - Duration::from_secs(ago)).expect("its time is set");
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file"));
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_was_not_used_for_long_goes_and_then_what_is_too_much() {
        let folder = tempfile::tempdir().expect("a folder");
        let (folder, now) = (folder.path(), SystemTime::now());
        for (name, bytes, ago) in [
            ("new.ptx", 400, 0),
            ("later.ptx", 400, 50),
            ("third.ptx", 400, 60),
            ("old.ptx", 1, 101),
            ("notes.txt", 5000, 1000),
            (".1.0.unfinished", 400, 3600),
            (".1.1.unfinished", 400, 90_000),
        ] {
            put(folder, name, bytes, now, ago);
        }
        prune(folder, LIMITS, now).expect("it can be read");
        assert_eq!(names(folder), [".1.0.unfinished", "later.ptx", "new.ptx", "notes.txt"]);
    }

    #[test]
    fn the_last_used_stays_however_long_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (folder, now) = (folder.path(), SystemTime::now());
        put(folder, "small.ptx", 10, now, 20);
        put(folder, "huge.ptx", 5000, now, 10);
        prune(folder, LIMITS, now).expect("it can be read");
        assert_eq!(names(folder), ["huge.ptx"]);
    }
}
