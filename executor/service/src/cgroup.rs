//! Control groups, versions 1 and 2: this process's own limits, and groups for processes it runs.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::leftovers;
use crate::quarters::Reusable;

/// Processes and threads that an attempt may have at a time.
const PIDS_LIMIT: u64 = 4096;
/// The period of CPU quotas, in microseconds.
const PERIOD_US: u64 = 100_000;
/// Version 1 tells "no limit" by a number near the largest.
const UNLIMITED: u64 = 1 << 62;
/// How often a group's removal is tried, and how long to wait in between.
const REMOVALS: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);
/// How often a group's members are killed before it is left alone, and how long they have to go.
const KILLS: u32 = 100;
const KILL_PAUSE: Duration = Duration::from_millis(2);

/// The controllers of version 1 that are used.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// The directory where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// Thousandths of a core that this process may use.
pub(crate) fn cpu_quota_milli() -> Option<u64> {
    if let Some(v2) = own_v2() {
        let text = fs::read_to_string(v2.join("cpu.max")).ok();
        if let Some(milli) = text.and_then(|text| quota_milli(&text)) {
            return Some(milli);
        }
    }
    let cpu = own_v1("cpu")?;
    let quota = fs::read_to_string(cpu.join("cpu.cfs_quota_us")).ok()?;
    let period = fs::read_to_string(cpu.join("cpu.cfs_period_us")).ok()?;
    quota_milli(&format!("{} {}", quota.trim(), period.trim()))
}

/// Bytes that this process and its children may use.
pub(crate) fn memory_limit_bytes() -> Option<u64> {
    let v2 = own_v2().and_then(|group| read_number(&group.join("memory.max")));
    let v1 = || read_number(&own_v1("memory")?.join("memory.limit_in_bytes"));
    v2.or_else(v1).filter(|limit| *limit < UNLIMITED)
}

/// Reads `QUOTA PERIOD`, both in microseconds.
fn quota_milli(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    (period > 0).then(|| quota.saturating_mul(1000) / period)
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// This process's group in version 2, where it is mounted.
fn own_v2() -> Option<PathBuf> {
    // Looked up once: processes are begun by the thousand, and this one is hardly ever moved.
    static OWN: LazyLock<Option<PathBuf>> = LazyLock::new(find_v2);
    OWN.clone()
}

fn find_v2() -> Option<PathBuf> {
    let mounts = [Path::new(ROOT).to_owned(), Path::new(ROOT).join("unified")];
    let mount = mounts.into_iter().find(|path| path.join("cgroup.controllers").exists())?;
    own(mount, |line| line.strip_prefix("0::"))
}

/// Where this process makes groups.
pub(crate) fn parents() -> Vec<PathBuf> {
    own_v2().into_iter().chain(CONTROLLERS.into_iter().filter_map(own_v1)).collect()
}

/// This process's group of one of the controllers in version 1.
fn own_v1(controller: &str) -> Option<PathBuf> {
    static OWN: LazyLock<[Option<PathBuf>; 3]> = LazyLock::new(|| CONTROLLERS.map(find_v1));
    let place = CONTROLLERS.iter().position(|known| *known == controller)?;
    OWN[place].clone()
}

fn find_v1(controller: &str) -> Option<PathBuf> {
    let mount = Path::new(ROOT).join(controller);
    own(mount.is_dir().then_some(mount)?, |line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|name| name == controller).then_some(path)
    })
}

/// The group that `path_of` finds in this process's list; the mount itself where the path is not
/// to be seen from here, as in containers.
fn own(mount: PathBuf, path_of: impl Fn(&str) -> Option<&str>) -> Option<PathBuf> {
    let list = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = list.lines().find_map(path_of)?;
    let group = mount.join(path.trim_start_matches('/'));
    Some(if group.is_dir() { group } else { mount })
}

/// What a group of processes may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct GroupLimits {
    /// Bytes of memory; 0 for no limit.
    pub memory_bytes: u64,
    /// Thousandths of a core; 0 for no limit.
    pub cpu_milli: u64,
}

/// A control group for one attempt: one directory in version 2, one per controller in version 1.
/// Removed when dropped.
#[derive(Debug, Default)]
pub(crate) struct Group {
    directories: Vec<PathBuf>,
    /// The directory of version 2, in which processes can be born.
    birthplace: Option<PathBuf>,
    /// Whether the memory limit is in force.
    pub limits_memory: bool,
    /// Whether it was found without members, none of which had to be killed.
    is_as_new: AtomicBool,
}

impl Group {
    /// A group below this process's own, with as many of the limits as can be set; none where
    /// groups cannot be made here.
    pub(crate) fn create(limits: GroupLimits) -> Option<Group> {
        static GROUPS: AtomicU64 = AtomicU64::new(0);
        let number = GROUPS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}", leftovers::prefix());
        let group = Self::create_v2(&name, limits).or_else(|| Self::create_mixed(&name, limits))?;
        Some(group).filter(|group| !group.directories.is_empty())
    }

    fn create_v2(name: &str, limits: GroupLimits) -> Option<Group> {
        let parent = own_v2()?;
        let available = fs::read_to_string(parent.join("cgroup.controllers")).ok()?;
        if !available.split_whitespace().any(|controller| controller == "memory") {
            return None;
        }
        // Refused where the parent holds processes and is no root; then limits do not work here.
        let _ = fs::write(parent.join("cgroup.subtree_control"), "+memory +pids +cpu");
        let mut group = Group::default();
        let directory = group.add(parent.join(name))?;
        group.birthplace = Some(directory.clone());
        group.limits_memory = limit(&directory, "memory.max", limits.memory_bytes);
        if !group.limits_memory && limits.memory_bytes > 0 {
            return None;
        }
        if group.limits_memory {
            let _ = fs::write(directory.join("memory.swap.max"), "0");
        }
        limit(&directory, "pids.max", PIDS_LIMIT);
        if limits.cpu_milli > 0 {
            let quota = limits.cpu_milli * PERIOD_US / 1000;
            let _ = fs::write(directory.join("cpu.max"), format!("{quota} {PERIOD_US}"));
        }
        Some(group)
    }

    /// Limits by version 1, membership by version 2 where it is there too: to move a process costs
    /// milliseconds in either, and only in version 2 can it be born where it belongs.
    fn create_mixed(name: &str, limits: GroupLimits) -> Option<Group> {
        let mut group = Group::default();
        if limits.memory_bytes > 0
            && let Some(directory) = group.add(own_v1("memory")?.join(name))
        {
            group.limits_memory = limit(&directory, "memory.limit_in_bytes", limits.memory_bytes);
            // Only there when swap is counted.
            limit(&directory, "memory.memsw.limit_in_bytes", limits.memory_bytes);
        }
        if limits.cpu_milli > 0
            && let Some(directory) = own_v1("cpu").and_then(|own| group.add(own.join(name)))
        {
            limit(&directory, "cpu.cfs_quota_us", limits.cpu_milli * PERIOD_US / 1000);
        }
        let is_joined = !group.directories.is_empty();
        group.birthplace = own_v2().and_then(|own| group.add(own.join(name)));
        // Whoever joins a group of version 1 anyway joins another at no cost.
        if (is_joined || group.birthplace.is_none())
            && let Some(directory) = own_v1("pids").and_then(|own| group.add(own.join(name)))
        {
            limit(&directory, "pids.max", PIDS_LIMIT);
        }
        Some(group)
    }

    fn add(&mut self, directory: PathBuf) -> Option<PathBuf> {
        fs::create_dir(&directory).ok()?;
        self.directories.push(directory.clone());
        Some(directory)
    }

    /// Files to which a process writes `0` to join the group.
    pub(crate) fn entrances(&self) -> Vec<Entrance> {
        let open = |(place, directory): (usize, &PathBuf)| {
            let file = fs::OpenOptions::new().write(true).open(directory.join("cgroup.procs"));
            // The directory with the memory limit comes first.
            let limits_memory = self.limits_memory && place == 0;
            let is_birthplace = self.birthplace.as_ref() == Some(directory);
            let birthplace = is_birthplace.then(|| fs::File::open(directory).ok()).flatten();
            let birthplace = birthplace.map(OwnedFd::from);
            Some(Entrance { file: file.ok()?.into(), birthplace, limits_memory })
        };
        self.directories.iter().enumerate().filter_map(open).collect()
    }

    /// Whether the memory limit has killed a process of the group.
    pub(crate) fn has_oom_kill(&self) -> bool {
        if !self.limits_memory {
            return false;
        }
        let counts = |directory: &PathBuf| {
            ["memory.events", "memory.oom_control"].iter().any(|name| {
                let text = fs::read_to_string(directory.join(name)).unwrap_or_default();
                let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
                count.is_some_and(|count| count.trim() != "0")
            })
        };
        self.directories.iter().any(counts)
    }

    /// Kills every process in the group, also those that left their session.
    pub(crate) fn kill(&self) {
        // Whoever makes processes is a member itself.
        let is_empty = self.members().is_empty();
        self.is_as_new.store(is_empty, Ordering::Relaxed);
        if is_empty {
            return;
        }
        // Version 2 kills all of them at once, since Linux 5.14.
        let in_one = |directory: &PathBuf| write(directory, "cgroup.kill", "1");
        if !self.directories.iter().any(in_one) {
            // Who is killed while it makes another must not be followed by that one.
            for directory in &self.directories {
                write(directory, "pids.max", "0");
            }
        }
        for _ in 0..KILLS {
            let members = self.members();
            if members.is_empty() {
                return;
            }
            for member in members.into_iter().filter_map(Pid::from_raw) {
                let _ = rustix::process::kill_process(member, Signal::KILL);
            }
            std::thread::sleep(KILL_PAUSE);
        }
    }

    fn members(&self) -> BTreeSet<i32> {
        let mut members = BTreeSet::new();
        for directory in &self.directories {
            let list = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            members.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        members
    }
}

/// Where a process joins a group.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// It writes `0` to it.
    pub file: OwnedFd,
    /// The group's directory, where it can be born in the group instead.
    pub birthplace: Option<OwnedFd>,
    /// Whether that limits its memory.
    pub limits_memory: bool,
}

/// Removes a group that another process made, and kills its members; whether it is gone.
pub(crate) fn remove(directory: &Path) -> bool {
    let mut group = Group::default();
    group.directories.push(directory.to_owned());
    drop(group);
    !directory.exists()
}

impl Reusable for Group {
    fn is_as_new(&mut self) -> bool {
        *self.is_as_new.get_mut()
    }
}

impl Drop for Group {
    /// Waits a little for killed members to be gone: a group that has any cannot be removed.
    fn drop(&mut self) {
        self.kill();
        for _ in 0..REMOVALS {
            self.directories.retain(|directory| {
                let removed = fs::remove_dir(directory);
                removed.is_err_and(|error| error.kind() != ErrorKind::NotFound)
            });
            if self.directories.is_empty() {
                return;
            }
            std::thread::sleep(REMOVAL_PAUSE);
        }
        tracing::warn!(directories = ?self.directories, "control groups stay behind");
    }
}

/// Writes a limit; whether it is in force. 0 is no limit.
fn limit(directory: &Path, file: &str, value: u64) -> bool {
    value != 0 && write(directory, file, &value.to_string())
}

/// Writes to a file of a group; whether it took it.
fn write(directory: &Path, file: &str, text: &str) -> bool {
    // An absent file must not be created, as `fs::write` tries to.
    let file = fs::OpenOptions::new().write(true).open(directory.join(file));
    file.and_then(|mut file| file.write_all(text.as_bytes())).is_ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_group_of_processes_that_keep_making_others_is_killed() {
        let Some(group) = Group::create(GroupLimits::default()) else {
            eprintln!("no control groups can be made here");
            return;
        };
        let directories = group.directories.clone();
        let join = directories
            .iter()
            .map(|directory| format!("echo $$ > {}/cgroup.procs || exit;", directory.display()));
        // Each goes as soon as it has made the next, in a session of its own.
        let chain = "next() { (sleep 0.001; next) & }; next";
        let script = format!("{} {chain}", join.collect::<String>());
        let started = Command::new("setsid").args(["sh", "-c", &script]).status();
        assert!(started.expect("a shell").success());
        if group.members().is_empty() {
            eprintln!("control groups cannot be joined here");
            return;
        }
        group.kill();
        assert_eq!(group.members(), BTreeSet::new());
        drop(group);
        assert!(!directories.iter().any(|directory| directory.exists()));
    }

    #[test]
    fn quotas_are_read() {
        assert_eq!(quota_milli("150000 100000\n"), Some(1500));
        assert_eq!(quota_milli("max 100000"), None);
        assert_eq!(quota_milli("-1 100000"), None);
    }
}
