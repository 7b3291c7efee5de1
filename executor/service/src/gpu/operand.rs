//! Inputs of an attempt on a device, and where they are.

use std::sync::{Arc, Weak};

use drawloom_model::{ObjectKey, ObjectType};

use crate::store::{Kept, Resident, Store};

/// An input of an attempt that waits for its device.
///
/// One in a device's memory is not held there: the attempts that wait for devices may take more
/// together than the devices have. It is looked for again when the attempt's turn has come.
pub(crate) struct Operand {
    pub object: ObjectKey,
    pub object_type: ObjectType,
    pub size_bytes: u64,
    /// Whether it came with the assignment.
    pub was_sent: bool,
    place: OperandPlace,
}

enum OperandPlace {
    /// In memory, or on disk, where it stays.
    Host(Kept),
    Device(Weak<Resident>),
}

impl Operand {
    pub(crate) fn new(object: ObjectKey, kept: Kept, was_sent: bool) -> Self {
        let (object_type, size_bytes) = match &kept {
            Kept::Memory(value) => (value.object_type.clone(), value.data.len() as u64),
            Kept::Device(resident) => (resident.object_type.clone(), resident.size_bytes()),
            Kept::Disk(spilled) => (spilled.object_type.clone(), spilled.size_bytes),
        };
        let place = match kept {
            Kept::Device(resident) => OperandPlace::Device(Arc::downgrade(&resident)),
            kept => OperandPlace::Host(kept),
        };
        Operand { object, object_type, size_bytes, was_sent, place }
    }

    /// Where it is now; nothing where it has been released.
    pub(super) fn find(&self, store: &Store) -> Option<Kept> {
        match &self.place {
            OperandPlace::Host(kept) => Some(kept.clone()),
            // Who moves it notes where it goes before it leaves.
            OperandPlace::Device(resident) => {
                resident.upgrade().map(Kept::Device).or_else(|| store.find(self.object))
            }
        }
    }
}
