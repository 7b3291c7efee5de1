//! What a scheduler keeps from one run to the next: an option of every command that starts one.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use drawloom_scheduler::{StateDir, StateDirError};

/// Where a scheduler keeps what it has learnt.
#[derive(Debug, Clone, Default, Args)]
pub struct StateOptions {
    /// Keep measured costs of kernels here from one run to the next [default: keep nothing]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

impl StateOptions {
    /// Locks and reads the directory, if one was named.
    ///
    /// # Errors
    /// It cannot be used, or another scheduler uses it.
    pub fn open(&self) -> Result<Option<Arc<StateDir>>, StateDirError> {
        self.state_dir.as_ref().map(|path| StateDir::open(path).map(Arc::new)).transpose()
    }
}
