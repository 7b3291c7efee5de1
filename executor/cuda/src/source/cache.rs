//! Compiled texts on disk, a file each.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::prune::{Limits, prune};

/// A folder of texts. Executors of one user may share it: files appear whole, under their final names.
pub(super) struct Cache {
    folder: PathBuf,
    limits: Limits,
}

impl Cache {
    /// The texts in a folder, which is made when there is something to keep.
    pub(super) fn new(folder: PathBuf) -> Self {
        Cache { folder, limits: Limits::USUAL }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(key).with_extension("ptx")
    }

    /// The text of a key, where it is there and whole.
    pub(super) fn read(&self, key: &str) -> Option<String> {
        let path = self.path(key);
        let text = fs::read_to_string(&path);
        let text = text.inspect_err(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "a compiled text cannot be read");
            }
        });
        let text = text.ok()?;
        let whole = text.split_once('\n').filter(|(head, ptx)| *head == heading(ptx));
        if whole.is_none() {
            tracing::warn!(path = %path.display(), "a compiled text is damaged; it is made anew");
        }
        if whole.is_some() {
            note_use(&path);
        }
        whole.map(|(_, ptx)| ptx.to_owned())
    }

    /// Keeps a text. What goes wrong is told in the log: it is compiled again another time.
    pub(super) fn write(&self, key: &str, ptx: &str) {
        if let Err(error) = self.try_write(key, ptx) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "a compiled text cannot be kept");
        } else if let Err(error) = prune(&self.folder, self.limits, SystemTime::now()) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "compiled texts that nobody uses are not deleted");
        }
    }

    fn try_write(&self, key: &str, ptx: &str) -> io::Result<()> {
        // What is here is run on devices: nobody else may put something in its place.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let unfinished = self.folder.join(unfinished());
        let written =
            write_new(&unfinished, ptx).and_then(|()| fs::rename(&unfinished, self.path(key)));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished); // It may never have been there.
        }
        written
    }
}

/// What is used stays longer. A folder that cannot be written serves all the same.
fn note_use(path: &Path) {
    let file = OpenOptions::new().append(true).open(path);
    if let Err(error) = file.and_then(|file| file.set_modified(SystemTime::now())) {
        tracing::debug!(path = %path.display(), %error, "its use is not noted");
    }
}

fn write_new(path: &Path, ptx: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(heading(ptx).as_bytes())?;
    file.write_all(b"\n")?;
    file.write_all(ptx.as_bytes())
}

/// The first line of a file: a comment that tells whether the rest is whole.
fn heading(ptx: &str) -> String {
    format!("// drawloom {}", blake3::hash(ptx.as_bytes()).to_hex())
}

/// A name that no other thread or process uses.
fn unfinished() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(".{}.{count}.unfinished", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_and_damaged_ones_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().join("deep/ptx"));
        assert_eq!(cache.read("key"), None);
        cache.write("key", "text\nof two lines\n");
        assert_eq!(cache.read("key").as_deref(), Some("text\nof two lines\n"));
        let path = cache.path("key");
        let whole = fs::read_to_string(&path).expect("a file");
        for damaged in ["", "text", &whole[..whole.len() - 1], &whole.replace("two", "six")] {
            fs::write(&path, damaged).expect("written");
            assert_eq!(cache.read("key"), None, "{damaged:?}");
        }
        fs::write(&path, [0xff, 0xfe]).expect("written");
        assert_eq!(cache.read("key"), None);
        cache.write("key", "again");
        assert_eq!(cache.read("key").as_deref(), Some("again"));
        let files = fs::read_dir(path.parent().expect("a folder")).expect("a folder").count();
        assert_eq!(files, 1, "nothing unfinished is left");
    }

    #[test]
    fn what_is_used_stays_when_there_is_too_much() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut cache = Cache::new(folder.path().to_owned());
        let hour_ago = SystemTime::now() - std::time::Duration::from_secs(3600);
        for key in ["used", "unused"] {
            cache.write(key, &"x".repeat(1000));
            let file = OpenOptions::new().write(true).open(cache.path(key)).expect("a file");
            file.set_modified(hour_ago).expect("its time is set");
        }
        assert!(cache.read("used").is_some());
        cache.limits.bytes = 2500;
        cache.write("new", &"x".repeat(1000));
        assert!(cache.read("used").is_some() && cache.read("new").is_some());
        assert_eq!(cache.read("unused"), None);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_no_failure() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let cache = Cache::new(file.join("ptx"));
        cache.write("key", "text");
        assert_eq!(cache.read("key"), None);
    }
}
