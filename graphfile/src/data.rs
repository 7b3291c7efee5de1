//! Data files: where they may be, and reading them within bounds.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;

use crate::error::{Checked, Fault, LoadError};

/// The largest data file taken; larger data belongs into storage that executors read themselves.
const DATA_LIMIT_BYTES: u64 = 1 << 30;
/// The largest graph file taken.
const TEXT_LIMIT_BYTES: u64 = 64 << 20;

/// A data file too large to travel inside the graph.
///
/// The client puts the bytes and then writes the object's id into `graph.externals[external]`,
/// where a placeholder stands until then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileObject {
    /// Its place in the graph's externals.
    pub external: u32,
    /// Where it was read.
    pub path: PathBuf,
    /// The name that the graph file gave.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// The directory that a graph file stands in, and whether data may come from elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub directory: PathBuf,
    pub allow_outside: bool,
}

impl Source {
    /// The real path of a file named in a graph file. Links are followed before it is checked to
    /// lie beside or below the graph file.
    pub fn locate(&self, name: &str) -> Checked<PathBuf> {
        let outside = || {
            Fault::new(format!(
                "{name:?} is outside {}; a graph file reads only what lies beside or below it",
                self.directory.display()
            ))
        };
        let joined = self.directory.join(name);
        if self.allow_outside {
            return joined.canonicalize().map_err(|error| missing(name, &error));
        }
        if !lexically_inside(Path::new(name)) {
            return Err(outside());
        }
        let real = joined.canonicalize().map_err(|error| missing(name, &error))?;
        let root = self.directory.canonicalize().map_err(|error| missing(name, &error))?;
        if real.starts_with(root) { Ok(real) } else { Err(outside()) }
    }

    /// The bytes of a data file.
    pub fn read(&self, path: &Path, name: &str) -> Checked<Bytes> {
        let bytes = read_limited(path, DATA_LIMIT_BYTES).map_err(|error| missing(name, &error))?;
        Ok(bytes.into())
    }
}

/// Whether `..` never leads above where the path starts.
fn lexically_inside(path: &Path) -> bool {
    let mut depth = 0i32;
    path.components().all(|part| {
        depth += match part {
            Component::Normal(_) => 1,
            Component::CurDir => 0,
            Component::ParentDir => -1,
            Component::RootDir | Component::Prefix(_) => return false,
        };
        depth >= 0
    })
}

fn missing(name: &str, error: &std::io::Error) -> Box<Fault> {
    Fault::new(format!("the file {name:?} cannot be read: {error}"))
}

fn read_limited(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::other(format!("it is larger than the limit of {limit} bytes")));
    }
    Ok(bytes)
}

/// What some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The text of a graph file.
pub(crate) fn read_text(path: &Path) -> Result<String, LoadError> {
    let mut bytes = read_limited(path, TEXT_LIMIT_BYTES)
        .map_err(|reason| LoadError::Unreadable { path: path.to_owned(), reason })?;
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let breaks = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count();
        LoadError::Invalid {
            path: path.to_owned(),
            line: Some(breaks as u32 + 1),
            field: String::new(),
            message: format!("the text is not UTF-8 (byte {valid} of the file)"),
        }
    })
}

/// The directory that `path` stands in.
pub(crate) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
