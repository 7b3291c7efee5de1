//! Objects that clients put: they belong to no job.

use std::collections::BTreeMap;

use drawloom_model::{JobKey, ObjectId, ObjectKey, ObjectReport};

use super::{Effects, Object};

#[derive(Clone, Debug, Default)]
pub(crate) struct Vault {
    /// The index that the next object gets. Not compared: reservations are not durable.
    next: u32,
    objects: BTreeMap<u32, Entry>,
    by_id: BTreeMap<ObjectId, u32>,
}

#[derive(Clone, PartialEq, Debug)]
struct Entry {
    id: ObjectId,
    object: Object,
}

impl PartialEq for Vault {
    fn eq(&self, other: &Self) -> bool {
        self.objects == other.objects && self.by_id == other.by_id
    }
}

impl Vault {
    pub fn reserve(&mut self) -> ObjectKey {
        let index = self.next;
        self.next += 1;
        ObjectKey { job: JobKey::VAULT, index }
    }

    /// Takes in an object, pinned until its client releases it.
    pub fn put(&mut self, key: ObjectKey, id: ObjectId, report: ObjectReport) {
        self.next = self.next.max(key.index + 1);
        let mut object = Object::available(report);
        object.pin();
        self.objects.insert(key.index, Entry { id, object });
        self.by_id.insert(id, key.index);
    }

    /// Ends the client's claim on an object; tasks that take it keep it until they end.
    pub fn release(&mut self, key: ObjectKey, effects: &mut Effects) {
        let Some(entry) = self.objects.get_mut(&key.index) else { return };
        self.by_id.remove(&entry.id);
        if std::mem::take(&mut entry.object.pinned) {
            entry.object.references -= 1;
        }
        self.drop_if_unused(key, effects);
    }

    /// Forgets an object that nothing needs.
    pub fn drop_if_unused(&mut self, key: ObjectKey, effects: &mut Effects) {
        let Some(entry) = self.objects.get_mut(&key.index) else { return };
        if entry.object.drop_if_unused() {
            self.objects.remove(&key.index);
            effects.dropped.push(key);
        }
    }

    pub fn key(&self, id: ObjectId) -> Option<ObjectKey> {
        self.by_id.get(&id).map(|index| ObjectKey { job: JobKey::VAULT, index: *index })
    }

    /// Every key from an index on, in order.
    pub fn keys_from(&self, index: u32) -> impl Iterator<Item = ObjectKey> + '_ {
        let key = |(index, _): (&u32, _)| ObjectKey { job: JobKey::VAULT, index: *index };
        self.objects.range(index..).map(key)
    }

    /// An object's id, and whether its client keeps it still.
    pub fn entry(&self, key: ObjectKey) -> Option<(ObjectId, bool)> {
        self.objects.get(&key.index).map(|entry| (entry.id, entry.object.pinned))
    }

    pub fn object(&self, index: u32) -> Option<&Object> {
        self.objects.get(&index).map(|entry| &entry.object)
    }

    pub fn object_mut(&mut self, index: u32) -> Option<&mut Object> {
        self.objects.get_mut(&index).map(|entry| &mut entry.object)
    }
}
