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
    /// Whether the host does not have it.
    is_alone: bool,
}

impl Near {
    /// An attempt on the device is to make the object.
    pub fn expect(&mut self, object: ObjectKey, device: DeviceIndex) {
        let devices = [device].into_iter().collect();
        self.objects.insert(object, Presence { devices, is_coming: true, is_alone: true });
    }

    /// The object is there: made there, or copied for an attempt that takes it.
    pub fn note(&mut self, object: ObjectKey, device: DeviceIndex) {
        let presence = self.objects.entry(object).or_default();
        if !presence.devices.contains(&device) {
            presence.devices.push(device);
        }
    }

    /// Whether the host does not have the object, which is on a device.
    pub fn set_alone(&mut self, object: ObjectKey, is_alone: bool) {
        if let Some(presence) = self.objects.get_mut(&object) {
            presence.is_alone = is_alone;
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
        absent.map(|object| nanos_of(size_bytes(*object))).fold(0, u64::saturating_add)
    }

    /// What it takes to copy those of the objects to the host that devices alone have.
    pub fn fetch_nanos(
        &self,
        objects: &[ObjectKey],
        size_bytes: impl Fn(ObjectKey) -> Option<u64>,
    ) -> u64 {
        if self.objects.is_empty() {
            return 0;
        }
        let is_alone = |object: &ObjectKey| self.objects.get(object).is_some_and(|it| it.is_alone);
        let alone = objects.iter().filter(|object| is_alone(object));
        alone.map(|object| nanos_of(size_bytes(*object))).fold(0, u64::saturating_add)
    }

    /// Checks that only objects that are there, or that are being made, are known.
    #[cfg(test)]
    pub fn check(&self, is_held: impl Fn(&ObjectKey) -> bool) {
        for (object, presence) in &self.objects {
            assert!(presence.is_coming || is_held(object), "{object:?} is not there");
        }
    }
}

/// What one copy between a device and the host takes.
fn nanos_of(size_bytes: Option<u64>) -> u64 {
    COPY_NANOS + size_bytes.unwrap_or(UNKNOWN_BYTES) / BYTES_PER_NANO
}
