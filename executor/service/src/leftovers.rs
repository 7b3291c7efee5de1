//! What executors leave behind when they are killed: control groups and scratch directories. Their
//! names tell whose they were.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, getuid, test_kill_process};

use crate::cgroup;

/// How the names of everything begin that this process makes and removes.
pub(crate) fn prefix() -> String {
    format!("drawloom-{}-", std::process::id())
}

/// Removes what executors that live no longer have left in this place for scratch directories, and
/// beside this process's control groups.
pub(crate) fn remove(scratch: &Path) {
    for group in cgroup::parents().iter().flat_map(|parent| orphans(parent)) {
        // What its processes have started has outlived it.
        if cgroup::remove(&group) {
            tracing::info!(group = %group.display(), "removed a dead executor's control group");
        }
    }
    for directory in orphans(scratch) {
        match remove_all(&directory) {
            Ok(()) => {
                tracing::info!(directory = %directory.display(), "removed a dead executor's files");
            }
            Err(error) => {
                let directory = directory.display();
                tracing::warn!(%directory, %error, "a dead executor's files stay behind");
            }
        }
    }
}

/// Removes a directory with all that is in it, also where its owner may not write or look.
pub(crate) fn remove_all(directory: &Path) -> std::io::Result<()> {
    let removed = fs::remove_dir_all(directory);
    if removed.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        open_up(directory);
        return fs::remove_dir_all(directory);
    }
    removed
}

/// Lets the owner do everything in a directory and those below it; what cannot be changed stays.
fn open_up(directory: &Path) {
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

/// This user's directories here whose maker is dead.
fn orphans(place: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let is_orphan = |path: &PathBuf| {
        let is_own = fs::symlink_metadata(path)
            .is_ok_and(|found| found.is_dir() && found.uid() == getuid().as_raw());
        is_own && path.file_name().and_then(maker).is_some_and(|maker| !is_alive(maker))
    };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_orphan).collect()
}

/// The process in the name of what it made.
fn maker(name: &OsStr) -> Option<Pid> {
    let (pid, _) = name.to_str()?.strip_prefix("drawloom-")?.split_once('-')?;
    Pid::from_raw(pid.parse().ok().filter(|pid| *pid > 0)?)
}

fn is_alive(pid: Pid) -> bool {
    // Others' processes may not be signalled, but they are there.
    test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_what_the_dead_have_made_is_removed() {
        let mut child = Command::new("true").spawn().expect("an executable");
        let dead = child.id();
        child.wait().expect("it ends");
        let place = tempfile::tempdir().expect("a place");
        let make = |name: String| {
            let directory = place.path().join(name);
            fs::create_dir_all(directory.join("work")).expect("room");
            directory
        };
        let left = make(format!("drawloom-{dead}-x1"));
        let kept = [
            make(format!("{}x1", prefix())),
            make("drawloom-1-x1".to_owned()),
            make(format!("drawloom-{dead}")),
            make(format!("drawloom-x-{dead}")),
            make(format!("other-{dead}-x1")),
            make("drawloom--1-x1".to_owned()),
        ];
        let file = place.path().join(format!("drawloom-{dead}-file"));
        fs::write(&file, "a thread").expect("room");
        remove(place.path());
        assert!(!left.exists());
        assert!(kept.iter().chain([&file]).all(|path| path.exists()));
    }

    #[test]
    fn groups_of_the_dead_are_removed() {
        let mut child = Command::new("true").spawn().expect("an executable");
        let name = format!("drawloom-{}-0", child.id());
        child.wait().expect("it ends");
        let groups = cgroup::parents().into_iter().map(|parent| parent.join(&name));
        let groups: Vec<PathBuf> = groups.filter(|group| fs::create_dir(group).is_ok()).collect();
        remove(Path::new("/nowhere"));
        assert!(!groups.iter().any(|group| group.exists()));
    }
}
