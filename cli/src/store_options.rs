//! Where an executor's objects are kept: options of every command that starts one.

use std::path::PathBuf;

use clap::Args;

use crate::quantity::parse_bytes;

/// How much memory and disk objects may take.
#[derive(Debug, Clone, Default, Args)]
pub struct StoreOptions {
    /// The most memory that an executor's objects take [default: 30 % of its memory]
    #[arg(long, value_parser = parse_bytes)]
    pub object_memory: Option<u64>,
    /// Where objects go when that is not enough [default: the system's place for temporary files]
    #[arg(long, value_name = "DIR")]
    pub spill_dir: Option<PathBuf>,
    /// The most bytes of objects on disk; 0 for none [default: half of what is free there]
    #[arg(long, value_parser = parse_bytes)]
    pub spill_limit: Option<u64>,
}

impl StoreOptions {
    /// The same as arguments of another command; `object_memory` where none was given.
    pub fn to_arguments(&self, object_memory: u64) -> Vec<String> {
        let object_memory = self.object_memory.unwrap_or(object_memory);
        let mut arguments = vec!["--object-memory".to_owned(), object_memory.to_string()];
        if let Some(directory) = &self.spill_dir {
            arguments.extend(["--spill-dir".to_owned(), directory.display().to_string()]);
        }
        if let Some(limit) = self.spill_limit {
            arguments.extend(["--spill-limit".to_owned(), limit.to_string()]);
        }
        arguments
    }
}
