//! Identifiers: dense keys inside, 128-bit public ids at the edge.

use std::fmt;
use std::str::FromStr;

/// A job's place in the scheduler's slab. The generation tells a reused slot from its former
/// owner, so a late message about a forgotten job finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct JobKey {
    /// Index in the slab.
    pub slot: u32,
    /// How often the slot was handed out before.
    pub generation: u32,
}

impl JobKey {
    /// The key of the vault: not a job, but the home of objects that clients put.
    pub const VAULT: JobKey = JobKey { slot: u32::MAX, generation: 0 };

    /// The key packed into one integer, for the wire.
    pub const fn to_bits(self) -> u64 {
        ((self.generation as u64) << 32) | self.slot as u64
    }

    /// The inverse of [`JobKey::to_bits`].
    pub const fn from_bits(bits: u64) -> Self {
        JobKey { slot: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// A task: its job and its index there, in order of submission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TaskKey {
    /// The job it belongs to.
    pub job: JobKey,
    /// Its index in the job.
    pub index: u32,
}

/// One run of a task. Numbers start at 1 and rise with every placement; a result whose number is
/// not the current one is dropped (fencing).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AttemptId {
    /// The task that runs.
    pub task: TaskKey,
    /// Which run of it.
    pub number: u32,
}

/// A template within a job, see [`crate::Template`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TemplateKey {
    /// The job it belongs to.
    pub job: JobKey,
    /// Its index in the job.
    pub index: u32,
}

/// An immutable object: its home (a job or [`JobKey::VAULT`]) and its index there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ObjectKey {
    /// The job whose task makes it, or the vault.
    pub job: JobKey,
    /// Its index there.
    pub index: u32,
}

impl ObjectKey {
    /// The key packed into one integer, for tokens of lists.
    pub const fn to_bits(self) -> u128 {
        ((self.job.to_bits() as u128) << 32) | self.index as u128
    }

    /// The inverse of [`ObjectKey::to_bits`].
    pub const fn from_bits(bits: u128) -> Self {
        ObjectKey { job: JobKey::from_bits((bits >> 32) as u64), index: bits as u32 }
    }
}

/// An executor's session with the scheduler; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ExecutorId(pub u32);

/// A device's index on its executor (a GPU, or a slice of one).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DeviceIndex(pub u16);

/// A request of a client, named by the shell, so that the core's reply finds its way back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RequestId(pub u64);

/// A job's public id: random, 128 bits, printed as `job-` and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct JobId(pub u128);

/// A put object's public id: random, 128 bits, printed as `obj-` and 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ObjectId(pub u128);

/// The text is not an id of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind} id: expected `{kind}-` and 32 hexadecimal digits")]
pub struct ParseIdError {
    kind: &'static str,
    text: String,
}

macro_rules! public_id {
    ($name:ident, $kind:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, "-{:032x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.strip_prefix(concat!($kind, "-"))
                    .filter(|digits| digits.len() == 32 && !digits.starts_with('+'))
                    .and_then(|digits| u128::from_str_radix(digits, 16).ok())
                    .map($name)
                    .ok_or_else(|| ParseIdError { kind: $kind, text: text.to_owned() })
            }
        }
    };
}

public_id!(JobId, "job");
public_id!(ObjectId, "obj");

impl fmt::Debug for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == JobKey::VAULT {
            return f.write_str("vault");
        }
        write!(f, "j{}.{}", self.slot, self.generation)
    }
}

impl fmt::Debug for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/t{}", self.job, self.index)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}#{}", self.task, self.number)
    }
}

impl fmt::Debug for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/p{}", self.job, self.index)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/o{}", self.job, self.index)
    }
}

macro_rules! short_id {
    ($name:ident, $letter:literal) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($letter, "{}"), self.0)
            }
        }
    };
}

short_id!(ExecutorId, "e");
short_id!(DeviceIndex, "d");
short_id!(RequestId, "r");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_ids_survive_their_text_form() {
        let id = JobId(0xfeed_beef);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("job-12".parse::<JobId>().is_err());
        assert!(id.to_string().parse::<ObjectId>().is_err());
        assert!("job-+0000000000000000000000000000000".parse::<JobId>().is_err());
    }

    #[test]
    fn job_keys_survive_packing() {
        let key = JobKey { slot: 7, generation: 3 };
        assert_eq!(JobKey::from_bits(key.to_bits()), key);
        assert_eq!(JobKey::from_bits(JobKey::VAULT.to_bits()), JobKey::VAULT);
        let object = ObjectKey { job: key, index: 9 };
        assert_eq!(ObjectKey::from_bits(object.to_bits()), object);
    }
}
