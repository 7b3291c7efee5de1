//! Files that are replaced whole.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// No file here is as large, unless it is damaged.
const MOST_BYTES: u64 = 1 << 30;
/// So many files are set aside before the last of them is replaced.
const ASIDE: u32 = 9;

/// Writes a file so that its name stands for the old bytes or the new ones, whatever happens.
pub(super) fn replace(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (path, new) = (directory.join(name), directory.join(format!("{name}.new")));
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, &path)?;
    // The name is on disk once its directory is.
    File::open(directory)?.sync_all()
}

/// The bytes of a file, as far as it is of a size to be expected.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Gives a file another name, which it answers.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let with = |end: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let numbered = (1..=ASIDE).map(|number| with(format!(".aside.{number}")));
    let mut names = std::iter::once(with(".aside".to_owned())).chain(numbered);
    let free = names.find(|name| !name.exists());
    let aside = free.unwrap_or_else(|| with(format!(".aside.{ASIDE}")));
    fs::rename(path, &aside)?;
    Ok(aside)
}
