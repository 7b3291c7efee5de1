//! What an executor is told at its start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use drawloom_model::{Labels, ResourceName, Taint};
use drawloom_proto::Listen;

use crate::ActorTypes;

/// An executor's settings. What is not told is discovered.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// A name for people; the host's name where none is given.
    pub name: Option<String>,
    /// Cores to offer.
    pub cores: Option<u32>,
    /// Memory to offer to tasks.
    pub memory_bytes: Option<u64>,
    /// The most memory that objects take; 30 % of the memory where it is not given.
    pub arena_bytes: Option<u64>,
    /// Where objects go when that is not enough; the system's place for temporary files where none
    /// is given.
    pub spill: Option<PathBuf>,
    /// The most bytes of objects on disk, 0 for none; half of what is free there where it is not
    /// given.
    pub spill_limit_bytes: Option<u64>,
    /// Whether clients and executors of the same user on this machine may map its objects.
    pub shares_memory: bool,
    /// Labels beside `arch`, `os` and `hostname`.
    pub labels: Labels,
    /// Marks that keep tasks away.
    pub taints: Vec<Taint>,
    /// Custom resources, in thousandths.
    pub custom: BTreeMap<ResourceName, u64>,
    /// Where others reach its objects; nowhere when it is the only one, in the scheduler's process.
    pub listen: Option<Listen>,
    /// The types of native actors it can make.
    pub actors: ActorTypes,
    /// Whether it offers the GPUs of this machine.
    pub offers_gpus: bool,
    /// How long a kernel on a GPU may go on after its task was cancelled. Then its device is reset,
    /// and all that is there is lost.
    pub cancel_grace: Duration,
    /// Whether it runs processes.
    pub runs_processes: bool,
    /// Where processes that add tasks to their jobs reach the scheduler; nowhere where none is
    /// given.
    pub endpoint: Option<String>,
    /// Where processes get their scratch directories; the system's place where none is given.
    pub scratch: Option<PathBuf>,
    /// The most bytes that a process may write to an output.
    pub output_limit_bytes: u64,
    /// Whether processes are held to their limits by control groups, where those are writable;
    /// otherwise by resource limits.
    pub control_groups: bool,
    /// How often it tells the scheduler that it lives.
    pub heartbeat: Duration,
}

impl Config {
    /// Where processes get their scratch directories.
    pub(crate) fn scratch_place(&self) -> PathBuf {
        self.scratch.clone().unwrap_or_else(std::env::temp_dir)
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: None,
            cores: None,
            memory_bytes: None,
            arena_bytes: None,
            spill: None,
            spill_limit_bytes: None,
            shares_memory: true,
            labels: Labels::new(),
            taints: Vec::new(),
            custom: BTreeMap::new(),
            listen: None,
            actors: ActorTypes::default(),
            offers_gpus: true,
            cancel_grace: Duration::from_secs(10),
            runs_processes: true,
            endpoint: None,
            scratch: None,
            output_limit_bytes: 1 << 30,
            control_groups: true,
            heartbeat: Duration::from_secs(1),
        }
    }
}
