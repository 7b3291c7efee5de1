//! What the machine has.

use std::fs;
use std::path::Path;

use drawloom_model::{Capacity, ExecutorInfo, Labels, MILLI, NumaNode};

use crate::Config;
use crate::cgroup;

/// The part of the memory that objects may take where nothing else is told, in hundredths.
const ARENA_SHARE: u64 = 30;

/// What was found, and what was told instead.
#[derive(Clone, PartialEq, Debug)]
pub struct Machine {
    /// The announcement, without an address.
    pub info: ExecutorInfo,
    /// The indexes of the cores that this process may use.
    pub cores: Vec<u32>,
    /// The most memory that objects take.
    pub arena_bytes: u64,
}

/// Looks at the machine, and puts what the settings tell in its place.
pub fn discover(config: &Config) -> Machine {
    let mut cores = allowed_cores();
    let found = cores.len() as u64 * MILLI;
    let quota = cgroup::cpu_quota_milli().unwrap_or(found).max(1);
    let cpu_milli = config.cores.map_or(found.min(quota), |cores| u64::from(cores) * MILLI);
    if let Some(wanted) = config.cores {
        cores.truncate((wanted as usize).max(1));
    }
    let memory = memory_bytes();
    let arena_bytes = config.arena_bytes.unwrap_or(memory / 100 * ARENA_SHARE);
    let memory_bytes = config.memory_bytes.unwrap_or_else(|| memory.saturating_sub(arena_bytes));
    let hostname = hostname();
    let info = ExecutorInfo {
        name: config.name.clone().unwrap_or_else(|| hostname.clone()),
        address: String::new(),
        capacity: Capacity {
            cpu_milli,
            memory_bytes,
            devices: Vec::new(),
            custom: config.custom.clone(),
        },
        devices: Vec::new(),
        numa_nodes: numa_nodes(Path::new("/sys/devices/system/node"), &cores),
        labels: labels(hostname, &config.labels),
        taints: config.taints.clone(),
        kernels: drawloom_signature::catalogue().iter().map(|s| s.name.to_owned()).collect(),
        actors: config.actors.names().map(str::to_owned).collect(),
        runs_processes: config.runs_processes,
        compiles_cuda: false,
    };
    Machine { info, cores, arena_bytes }
}

fn labels(hostname: String, told: &Labels) -> Labels {
    let mut labels = Labels::from([
        ("arch".to_owned(), std::env::consts::ARCH.to_owned()),
        ("os".to_owned(), std::env::consts::OS.to_owned()),
        ("hostname".to_owned(), hostname),
    ]);
    labels.extend(told.clone());
    labels
}

/// The cores in this process's affinity mask.
fn allowed_cores() -> Vec<u32> {
    let mask = rustix::thread::sched_getaffinity(None).unwrap_or_else(|_| {
        let mut first = rustix::thread::CpuSet::new();
        first.set(0);
        first
    });
    let last = rustix::thread::CpuSet::MAX_CPU;
    (0..last).filter(|core| mask.is_set(*core)).map(|core| core as u32).collect()
}

/// The machine's memory, or the control group's limit where that is less.
fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    let total = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit));
    cgroup::memory_limit_bytes().map_or(total, |limit| limit.min(total))
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The memory nodes that have any of these cores; none where the system tells nothing.
fn numa_nodes(directory: &Path, cores: &[u32]) -> Vec<NumaNode> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let ids = names.filter_map(|name| name.strip_prefix("node")?.parse::<u32>().ok());
    let mut nodes = ids
        .filter_map(|id| numa_node(&directory.join(format!("node{id}")), id, cores))
        .collect::<Vec<_>>();
    nodes.sort_by_key(|node| node.id);
    nodes
}

fn numa_node(directory: &Path, id: u32, cores: &[u32]) -> Option<NumaNode> {
    let list = parse_list(&fs::read_to_string(directory.join("cpulist")).ok()?);
    let cores: Vec<u32> = list.into_iter().filter(|core| cores.contains(core)).collect();
    let meminfo = fs::read_to_string(directory.join("meminfo")).unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.split_once("MemTotal:"));
    let kib = total.and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<u64>().ok());
    (!cores.is_empty()).then(|| NumaNode { id, cores, memory_bytes: kib.unwrap_or(0) * 1024 })
}

/// Reads a list such as `0-3,8`.
fn parse_list(text: &str) -> Vec<u32> {
    let ranges = text.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_something() {
        let machine = discover(&Config::default());
        assert!(!machine.cores.is_empty());
        assert!(machine.info.capacity.cpu_milli > 0);
        assert!(machine.info.capacity.memory_bytes > 0);
        assert!(machine.arena_bytes > 0);
        assert_eq!(machine.info.labels["os"], std::env::consts::OS);
        assert!(machine.info.kernels.is_sorted());
    }

    #[test]
    fn what_is_told_goes_before_what_is_found() {
        let config = Config {
            name: Some("loom".into()),
            cores: Some(64),
            memory_bytes: Some(5),
            arena_bytes: Some(6),
            labels: Labels::from([("os".into(), "plan9".into())]),
            ..Config::default()
        };
        let machine = discover(&config);
        assert_eq!(machine.info.name, "loom");
        assert_eq!(machine.info.capacity.cpu_milli, 64_000);
        assert_eq!(machine.info.capacity.memory_bytes, 5);
        assert_eq!(machine.arena_bytes, 6);
        assert_eq!(machine.info.labels["os"], "plan9");
    }

    #[test]
    fn core_lists_are_read() {
        assert_eq!(parse_list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(parse_list("\n"), [] as [u32; 0]);
    }
}
