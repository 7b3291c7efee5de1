//! Rooms: what of each executor a gang could have, and which rooms share what its members would
//! like to share.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use drawloom_model::{
    Capacity, DeviceCapacity, DeviceIndex, ExecutorId, ExecutorInfo, LinkKind, MILLI,
    ResourceRequest, Shared,
};
use smallvec::SmallVec;

use super::plan::Member;

/// A part of an executor that a gang's members could have.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub executor: ExecutorId,
    pub info: Arc<ExecutorInfo>,
    pub free: Capacity,
    /// The account's version when it was looked at.
    pub version: u64,
    /// Expected work before all of it is free; 0 where it is free now.
    pub busy_nanos: u64,
    /// Bytes of the members' inputs that lie there.
    pub held_bytes: u64,
}

impl Room {
    /// Gives a member its place: the first variant that fits, and on which devices.
    pub fn seat(&mut self, member: &Member<'_>) -> Option<(u8, SmallVec<[DeviceIndex; 2]>)> {
        let (variant, devices) = self.place_for(member)?;
        self.free.take(&member.class.variants[usize::from(variant)].request, &devices);
        Some((variant, devices))
    }

    /// Where a member would sit.
    pub fn place_for(&self, member: &Member<'_>) -> Option<(u8, SmallVec<[DeviceIndex; 2]>)> {
        (0u8..).zip(&member.class.variants).find_map(|(index, variant)| {
            variant.eligible.binary_search(&self.executor).ok()?;
            Some((index, self.devices_for(&variant.request)?))
        })
    }

    /// The fullest devices that serve the request, none where it asks for none.
    fn devices_for(&self, request: &ResourceRequest) -> Option<SmallVec<[DeviceIndex; 2]>> {
        if !self.free.fits(request) {
            return None;
        }
        let Some(gpu) = &request.gpu else { return Some(SmallVec::new()) };
        let mut fitting: Vec<_> = self.free.devices_for(gpu).collect();
        fitting.sort_by_key(|(index, free)| (free.milli, free.vram_bytes, *index));
        Some(fitting.into_iter().take(gpu.devices.into()).map(|(index, _)| index).collect())
    }

    /// The order in which rooms are filled: soonest free, most inputs, then the tightest.
    pub fn tightest(&self) -> (u64, Reverse<u64>, u64, ExecutorId) {
        (self.busy_nanos, Reverse(self.held_bytes), self.free.cpu_milli, self.executor)
    }

    /// The order in which rooms are used one by one: soonest free, most inputs, then the widest.
    pub fn widest(&self) -> (u64, Reverse<u64>, Reverse<u64>, ExecutorId) {
        (self.busy_nanos, Reverse(self.held_bytes), Reverse(self.free.cpu_milli), self.executor)
    }

    /// The room with these devices only.
    fn with_devices(&self, kept: impl Fn(usize) -> bool) -> Room {
        let mut room = self.clone();
        for (index, device) in room.free.devices.iter_mut().enumerate() {
            if !kept(index) {
                *device = DeviceCapacity::default();
            }
        }
        room
    }
}

/// The sets of rooms that share it, the widest first.
pub(super) fn domains(rooms: &[Room], shared: &Shared) -> Vec<Vec<Room>> {
    let mut domains: Vec<Vec<Room>> = match shared {
        Shared::Label(label) => by_label(rooms, label),
        Shared::NumaNode => rooms.iter().flat_map(numa_nodes).map(|room| vec![room]).collect(),
        Shared::LinkedDevices => rooms.iter().flat_map(islands).map(|room| vec![room]).collect(),
    };
    // Stable, so that equals stay in the order of values, ids and indexes.
    domains.sort_by_key(|rooms| Reverse(rooms.iter().map(|room| room.free.cpu_milli).sum::<u64>()));
    domains
}

fn by_label(rooms: &[Room], label: &str) -> Vec<Vec<Room>> {
    let mut domains: BTreeMap<&str, Vec<Room>> = BTreeMap::new();
    for room in rooms {
        if let Some(value) = room.info.labels.get(label) {
            domains.entry(value).or_default().push(room.clone());
        }
    }
    domains.into_values().collect()
}

/// One room for each memory node: its devices, and at most as many cores as it has.
fn numa_nodes(room: &Room) -> impl Iterator<Item = Room> {
    room.info.numa_nodes.iter().map(|node| {
        let attached =
            |index: usize| room.info.devices.get(index).and_then(|d| d.numa_node) == Some(node.id);
        let mut part = room.with_devices(attached);
        part.free.cpu_milli = part.free.cpu_milli.min(node.cores.len() as u64 * MILLI);
        part.free.memory_bytes = part.free.memory_bytes.min(node.memory_bytes);
        part
    })
}

/// One room for each set of devices that links connect.
fn islands(room: &Room) -> impl Iterator<Item = Room> {
    let count = room.free.devices.len();
    let mut island_of: Vec<usize> = (0..count).collect();
    let links = room.info.devices.iter().enumerate().flat_map(|(index, device)| {
        let direct = device.links.iter().filter(|link| link.kind == LinkKind::NvLink);
        direct.map(move |link| (index, usize::from(link.to.0)))
    });
    for (a, b) in links {
        if a < count && b < count {
            let (kept, merged) = (island_of[a].min(island_of[b]), island_of[a].max(island_of[b]));
            for island in island_of.iter_mut().filter(|island| **island == merged) {
                *island = kept;
            }
        }
    }
    (0..count)
        .filter(|island| island_of[*island] == *island)
        .map(|island| room.with_devices(|index| island_of[index] == island))
        .collect::<Vec<_>>()
        .into_iter()
}
