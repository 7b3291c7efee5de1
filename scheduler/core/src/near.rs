//! Which of an executor's devices have an object in their memory, or will have it: a guide for where
//! tasks go. It follows from what was sent there; that a device let go of a copy is not told.

use std::collections::BTreeMap;

use drawloom_model::{DeviceIndex, ObjectKey};
use smallvec::SmallVec;

/// What a copy to a device takes beyond its bytes: a launch and a trip over the bus.
const COPY_NANOS: u64 = 10_000;
/// What a bus moves, of the slower kinds in use (PCIe 4.0, 16 lanes, host memory that is not
/// pinned).
const BYTES_PER_NANO: u64 = 12;
/// The size of an object that is not made yet.
const UNKNOWN_BYTES: u64 = 64 << 10;

#[derive(Debug, Default)]
pub(crate) struct Near {
    objects: BTreeMap<ObjectKey, Presence>,
}

#[derive(Debug, Default)]
struct Presence {
    devices: SmallVec<[DeviceIndex; 2]>,
    /// Whether an attempt there is still to make it.
    is_coming: bool,
}

impl Near {
    /// An attempt on the device is to make the object.
    pub fn expect(&mut self, object: ObjectKey, device: DeviceIndex) {
        let devices = [device].into_iter().collect();
        self.objects.insert(object, Presence { devices, is_coming: true });
    }

    /// The object is there: made there, or copied for an attempt that takes it.
    pub fn note(&mut self, object: ObjectKey, device: DeviceIndex) {
        let presence = self.objects.entry(object).or_default();
        if !presence.devices.contains(&device) {
            presence.devices.push(device);
        }
    }

    pub fn forget(&mut self, object: ObjectKey) {
        if !self.objects.is_empty() {
            self.objects.remove(&object);
        }
    }

    pub fn knows(&self, object: ObjectKey) -> bool {
        self.objects.contains_key(&object)
    }

    /// The devices on which attempts make some of these objects.
    pub fn makers<'a>(
        &'a self,
        objects: &'a [ObjectKey],
    ) -> impl Iterator<Item = DeviceIndex> + 'a {
        let found = objects.iter().filter_map(|object| self.objects.get(object));
        found.filter(|presence| presence.is_coming).flat_map(|presence| presence.devices.clone())
    }

    /// What it takes to copy those of the objects to a device that it does not have.
    pub fn copy_nanos(
        &self,
        objects: &[ObjectKey],
        device: DeviceIndex,
        size_bytes: impl Fn(ObjectKey) -> Option<u64>,
    ) -> u64 {
        let absent = objects.iter().filter(|object| {
            self.objects.get(object).is_none_or(|presence| !presence.devices.contains(&device))
        });
        let nanos = |object: &ObjectKey| {
            COPY_NANOS + size_bytes(*object).unwrap_or(UNKNOWN_BYTES) / BYTES_PER_NANO
        };
        absent.map(nanos).fold(0, u64::saturating_add)
    }

    /// Checks that only objects that are there, or that are being made, are known.
    #[cfg(test)]
    pub fn check(&self, is_held: impl Fn(&ObjectKey) -> bool) {
        for (object, presence) in &self.objects {
            assert!(presence.is_coming || is_held(object), "{object:?} is not there");
        }
    }
}
