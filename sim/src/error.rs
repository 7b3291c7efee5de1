//! What can be wrong with workloads, platforms and policies.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where in which file something is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file, or the generator as it was given.
    pub file: PathBuf,
    /// The field, as a path from the top.
    pub field: String,
}

impl Place {
    /// A field of a file.
    pub fn new(file: &Path, field: impl Into<String>) -> Self {
        Place { file: file.to_owned(), field: field.into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        Ok(())
    }
}

/// Why no figure can be given.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A file cannot be read.
    #[error("{}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Something in a file, or in the name of a generator or platform, is not as it must be.
    #[error("{place}: {message}")]
    Bad {
        /// Where.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// The workload cannot run on the platform.
    #[error("{workload} on {platform}: {message}")]
    Unfit {
        /// The workload.
        workload: String,
        /// The platform.
        platform: String,
        /// What is wrong.
        message: String,
    },
    /// There is no such policy.
    #[error("there is no policy {name:?}{}", hint(nearest))]
    UnknownPolicy {
        /// The name given.
        name: String,
        /// The policy that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A policy made a schedule that cannot be: a fault of ours.
    #[error("{policy} made a schedule of {workload} on {platform} that cannot be: {message}")]
    Invalid {
        /// The policy.
        policy: String,
        /// The workload.
        workload: String,
        /// The platform.
        platform: String,
        /// The violation.
        message: String,
    },
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map(|name| format!("; is {name:?} meant?")).unwrap_or_default()
}

impl SimError {
    /// There is no policy of that name among those known.
    pub fn unknown_policy(name: &str, known: impl Iterator<Item = &'static str>) -> Self {
        let nearest = known.min_by_key(|known| strsim::levenshtein(known, name));
        SimError::UnknownPolicy { name: name.to_owned(), nearest }
    }

    /// Something in a file is not as it must be.
    pub fn bad(file: &Path, field: impl Into<String>, message: impl Into<String>) -> Self {
        SimError::Bad { place: Place::new(file, field), message: message.into() }
    }
}
