//! Why a kernel stops.

/// A bad access.
#[derive(Clone, Debug)]
pub struct BadAccess {
    /// The address, as the kernel computed it.
    pub address: u64,
    /// Bytes accessed.
    pub bytes: u64,
    /// Whether it is a write.
    pub write: bool,
    /// What is wrong, in words.
    pub what: String,
    /// Whether it is only misaligned.
    pub misaligned: bool,
}

/// Why a warp stops before its end.
#[derive(Clone, Debug)]
pub enum Trap {
    /// A bad access, by this lane.
    Access(BadAccess, u32),
    /// `trap`.
    Trap,
    /// A failed assertion, in words.
    Assert(String),
    /// Threads wait for others that never come.
    Deadlock(String),
    /// Too many calls inside each other.
    StackOverflow,
    /// A race on shared memory, in words.
    Race(String),
    /// The device is gone or was reset.
    Aborted,
}

impl Trap {
    /// What it is, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Access(bad, _) => format!(
                "{} {} of {} bytes at {:#x}: {}",
                if bad.misaligned { "misaligned" } else { "invalid" },
                if bad.write { "write" } else { "read" },
                bad.bytes,
                bad.address,
                bad.what
            ),
            Self::Trap => "trap instruction".into(),
            Self::Assert(what) => format!("assertion failed: {what}"),
            Self::Deadlock(what) => format!("deadlock: {what}"),
            Self::StackOverflow => "the stack of local variables overflowed".into(),
            Self::Race(what) => format!("race on shared memory: {what}"),
            Self::Aborted => "aborted".into(),
        }
    }
}
