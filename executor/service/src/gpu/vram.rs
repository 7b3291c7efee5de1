//! What a device's memory holds of objects.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use drawloom_model::{JobKey, ObjectKey};

use super::expected::When;
use crate::store::Resident;

/// Objects and copies of objects on one device, and which of them was used last.
#[derive(Default)]
pub(super) struct Vram {
    held: HashMap<ObjectKey, Held>,
    bytes: u64,
    uses: u64,
}

struct Held {
    resident: Arc<Resident>,
    standing: Standing,
    used: u64,
}

/// What an object on a device is to the executor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It was just made, and the store does not refer to it yet.
    New,
    /// It is nowhere else on the executor; the store refers to it.
    Alone,
    /// A copy of what is in the store, too.
    Copy,
    /// A copy of what came with an assignment. The scheduler says nothing of its release: it goes
    /// with its job.
    Sent,
}

impl Vram {
    /// The object, if it is here.
    pub(super) fn find(&mut self, object: ObjectKey) -> Option<Arc<Resident>> {
        self.uses += 1;
        let held = self.held.get_mut(&object)?;
        held.used = self.uses;
        Some(Arc::clone(&held.resident))
    }

    /// Keeps an object, in place of an earlier copy.
    pub(super) fn keep(&mut self, object: ObjectKey, resident: Arc<Resident>, standing: Standing) {
        self.uses += 1;
        self.bytes += resident.size_bytes();
        let held = Held { resident, standing, used: self.uses };
        if let Some(earlier) = self.held.insert(object, held) {
            self.bytes -= earlier.resident.size_bytes();
        }
    }

    /// The store refers to what was just made, or does not want it.
    pub(super) fn settle(&mut self, object: ObjectKey, is_kept: bool) {
        match self.held.get_mut(&object) {
            Some(held) if held.standing == Standing::New && is_kept => {
                held.standing = Standing::Alone;
            }
            Some(held) if held.standing == Standing::New => self.forget(object),
            Some(_) | None => {}
        }
    }

    /// Forgets an object.
    pub(super) fn forget(&mut self, object: ObjectKey) {
        if let Some(held) = self.held.remove(&object) {
            self.bytes -= held.resident.size_bytes();
        }
    }

    /// Forgets what came with the assignments of a job.
    pub(super) fn forget_sent(&mut self, job: JobKey) {
        let bytes = &mut self.bytes;
        self.held.retain(|object, held| {
            let goes = object.job == job && held.standing == Standing::Sent;
            if goes {
                *bytes -= held.resident.size_bytes();
            }
            !goes
        });
    }

    /// Bytes of everything here.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What could go so that so many bytes come free, and that nothing uses now. First what nobody is
    /// known to want here: copies before what is here alone, and of these what was used longest ago.
    /// Then what is wanted here, latest what is wanted next: so who runs next always has all the
    /// room that there is, however much all together want.
    pub(super) fn victims(
        &self,
        wanted_bytes: u64,
        next_use: impl Fn(ObjectKey) -> Option<When>,
    ) -> Vec<Victim> {
        let idle = self.held.iter().filter(|(_, held)| held.is_idle());
        let mut idle: Vec<_> = idle
            .map(|(object, held)| {
                let wanted = next_use(*object).map(Reverse);
                let rank = (wanted, held.standing == Standing::Alone, held.used);
                (rank, *object, held)
            })
            .collect();
        idle.sort_unstable_by_key(|(rank, object, _)| (*rank, *object));
        let mut found_bytes = 0;
        let mut victims = Vec::new();
        for (_, object, held) in idle {
            if found_bytes >= wanted_bytes {
                break;
            }
            found_bytes += held.resident.size_bytes();
            let resident = Arc::clone(&held.resident);
            victims.push(Victim { object, resident, standing: held.standing });
        }
        victims
    }
}

/// An object that is to leave a device.
pub(super) struct Victim {
    pub object: ObjectKey,
    pub resident: Arc<Resident>,
    pub standing: Standing,
}

impl Held {
    /// Whether nobody has it but this device, and the store where it is nowhere else.
    fn is_idle(&self) -> bool {
        let owners = match self.standing {
            Standing::New => return false,
            Standing::Alone => 2,
            Standing::Copy | Standing::Sent => 1,
        };
        Arc::strong_count(&self.resident) <= owners
    }
}
