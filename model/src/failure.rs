//! How an attempt can fail, and which failures are worth another attempt.

use std::fmt;

/// What went wrong with an attempt, as far as a policy on retries needs to know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FailureKind {
    /// The task's own code failed: a kernel's error, an exit code other than 0.
    Application,
    /// The task could not be started: no such executable, no such kernel there.
    Spawn,
    /// The attempt ran longer than its timeout.
    TimedOut,
    /// The attempt needed more memory than it was given or than there was.
    OutOfMemory,
    /// The executor was lost while it had the attempt.
    ExecutorLost,
    /// An input could not be fetched.
    ObjectLost,
    /// A device failed while the attempt used it, and has been taken out of service.
    DeviceLost,
    /// The task or job did not end before its deadline.
    DeadlineExceeded,
    /// A task that this one needs did not succeed, so this one never ran.
    Upstream,
    /// The actor ended while it had the call, which may have had its effect.
    ActorLost,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [FailureKind; 10] = [
        FailureKind::Application,
        FailureKind::Spawn,
        FailureKind::TimedOut,
        FailureKind::OutOfMemory,
        FailureKind::ExecutorLost,
        FailureKind::ObjectLost,
        FailureKind::DeviceLost,
        FailureKind::DeadlineExceeded,
        FailureKind::Upstream,
        FailureKind::ActorLost,
    ];

    /// The name used in files, messages and errors.
    pub const fn name(self) -> &'static str {
        match self {
            FailureKind::Application => "application",
            FailureKind::Spawn => "spawn",
            FailureKind::TimedOut => "timed_out",
            FailureKind::OutOfMemory => "out_of_memory",
            FailureKind::ExecutorLost => "executor_lost",
            FailureKind::ObjectLost => "object_lost",
            FailureKind::DeviceLost => "device_lost",
            FailureKind::DeadlineExceeded => "deadline_exceeded",
            FailureKind::Upstream => "upstream",
            FailureKind::ActorLost => "actor_lost",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<FailureKind> {
        FailureKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an attempt failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What a policy needs to know.
    pub kind: FailureKind,
    /// What a person needs to know.
    pub message: String,
}

impl Failure {
    /// A failure with its message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Failure { kind, message: message.into() }
    }
}

impl Failure {
    /// The failure of a process: how it ended, such as `exit code 2`, and the end of what it wrote
    /// to its standard error, which may be nothing.
    pub fn of_process(kind: FailureKind, end: &str, stderr_tail: &str) -> Self {
        match stderr_tail {
            "" => Failure::new(kind, end),
            tail => Failure::new(kind, format!("{end}: {tail}")),
        }
    }

    /// The end of what a failed process wrote to its standard error, as
    /// [`Failure::of_process`] wrote it down.
    pub fn stderr_tail(&self) -> Option<&str> {
        let ends = ["exit code ", "killed by signal "];
        ends.iter().find(|end| self.message.starts_with(**end))?;
        let (_, mut tail) = self.message.split_once(": ")?;
        if self.kind == FailureKind::OutOfMemory {
            // How much it had asked for stands between.
            tail = tail.split_once(": ")?.1;
        }
        Some(tail)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

/// A set of failure kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FailureKinds(u16);

impl FailureKinds {
    /// No kind.
    pub const NONE: FailureKinds = FailureKinds(0);

    /// Failures that say nothing about the task itself.
    pub const SYSTEM: FailureKinds = FailureKinds::NONE
        .with(FailureKind::ExecutorLost)
        .with(FailureKind::ObjectLost)
        .with(FailureKind::DeviceLost);

    /// Every failure that another attempt could mend.
    pub const TRANSIENT: FailureKinds = FailureKinds::SYSTEM
        .with(FailureKind::Application)
        .with(FailureKind::Spawn)
        .with(FailureKind::TimedOut)
        .with(FailureKind::OutOfMemory)
        .with(FailureKind::ActorLost);

    /// This set and `kind`.
    pub const fn with(self, kind: FailureKind) -> Self {
        FailureKinds(self.0 | (1 << kind as u16))
    }

    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: FailureKind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }

    /// The kinds in the set.
    pub fn iter(self) -> impl Iterator<Item = FailureKind> {
        FailureKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<FailureKind> for FailureKinds {
    fn from_iter<I: IntoIterator<Item = FailureKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(FailureKinds::NONE, FailureKinds::with)
    }
}

impl fmt::Debug for FailureKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_said_last_is_found_again() {
        use FailureKind::{Application, OutOfMemory, Upstream};
        let tail = |kind, end: &str, tail: &str| {
            Failure::of_process(kind, end, tail).stderr_tail().map(ToOwned::to_owned)
        };
        let said = "line 1: no\nline 2: never".to_owned();
        assert_eq!(tail(Application, "exit code 3", &said), Some(said.clone()));
        assert_eq!(tail(Application, "killed by signal 6 (SIGABRT)", &said), Some(said.clone()));
        assert_eq!(tail(OutOfMemory, "exit code 1: needed more than 5 bytes", &said), Some(said));
        assert_eq!(tail(Application, "exit code 3", ""), None);
        assert_eq!(tail(OutOfMemory, "exit code 1: needed more than 5 bytes", ""), None);
        assert_eq!(Failure::new(Upstream, "task 3 failed: no").stderr_tail(), None);
    }
}
