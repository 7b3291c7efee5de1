//! What was measured of every way to run something: by the class of the device that it ran on and
//! by the size of what it took and made.
//!
//! It outlives request classes, jobs and, where it is kept, the scheduler. Looking up what was
//! measured takes no longer the more there is: a template knows its ways by their indexes, a way has
//! a curve for each class of device it ran on, and a curve at most one cell for each power of two.

mod cell;
mod curve;
mod footprint;
mod logarithm;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use drawloom_model::{DeviceInfo, MeasuredCost, Template, Way};
use smallvec::SmallVec;

use cell::Cell;
pub(crate) use curve::Bucket;
use curve::{Curve, Told};
pub(crate) use footprint::Footprint;

/// A way's index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct WayId(u32);

/// The index of a class of devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct DeviceClassId(u16);

impl DeviceClassId {
    /// Whatever has no device.
    pub const CPU: DeviceClassId = DeviceClassId(0);
}

/// The name of what has no device.
const CPU_NAME: &str = "cpu";
/// So many classes of devices are told apart; what comes after shares the last one.
const DEVICE_CLASSES: usize = 256;
/// The class of devices that are not told apart.
const OTHER_NAME: &str = "other";
/// So many ways are kept beside those of templates in use.
const IDLE_LIMIT: usize = 4096;
/// So many samples of a variant are taken for the sample's sake: the first alone may tell of what is
/// loaded or compiled once.
pub(crate) const TRIES: u8 = 3;

/// The ways of a template's variants, in order; none for actors and calls.
pub(crate) type Ways = SmallVec<[Option<WayId>; 2]>;

/// An expected run time from measurements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Expected {
    pub nanos: u64,
    /// How often it was measured; `None` where it follows from other sizes.
    pub samples: Option<u64>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Costs {
    ways: Vec<Known>,
    by_way: BTreeMap<Way, WayId>,
    vacant: Vec<WayId>,
    /// Ways that no template in use has, by the time since when.
    idle: BTreeMap<u64, WayId>,
    idle_times: u64,
    device_classes: Vec<Box<str>>,
    /// How often something was measured.
    version: u64,
}

/// What is known of a way.
#[derive(Debug)]
struct Known {
    way: Way,
    /// How many templates in use have it.
    users: u32,
    idle_since: u64,
    curves: SmallVec<[(DeviceClassId, Curve); 1]>,
    /// What it took and made the last time.
    last: Option<Footprint>,
    /// What was expected of it after the last sample.
    last_nanos: Option<u64>,
}

impl Default for Costs {
    fn default() -> Self {
        Costs {
            ways: Vec::new(),
            by_way: BTreeMap::new(),
            vacant: Vec::new(),
            idle: BTreeMap::new(),
            idle_times: 0,
            device_classes: vec![CPU_NAME.into()],
            version: 0,
        }
    }
}

impl Costs {
    /// The ways of a template, each with one user more.
    pub fn hold(&mut self, template: &Template) -> Ways {
        let ways = template.variants.iter().map(|variant| Way::of(&variant.run, &variant.request));
        let ways: SmallVec<[Option<Way>; 2]> = ways.collect();
        ways.into_iter().map(|way| Some(self.hold_way(way?))).collect()
    }

    fn hold_way(&mut self, way: Way) -> WayId {
        let id = match self.by_way.get(&way) {
            Some(id) => *id,
            None => self.insert(way),
        };
        let known = &mut self.ways[id.0 as usize];
        if known.users == 0 {
            self.idle.remove(&known.idle_since);
        }
        known.users += 1;
        id
    }

    /// A new way, without users and not among the idle.
    fn insert(&mut self, way: Way) -> WayId {
        let known = Known {
            way: way.clone(),
            users: 0,
            idle_since: 0,
            curves: SmallVec::new(),
            last: None,
            last_nanos: None,
        };
        let id = match self.vacant.pop() {
            Some(id) => {
                self.ways[id.0 as usize] = known;
                id
            }
            None => {
                self.ways.push(known);
                WayId((self.ways.len() - 1) as u32)
            }
        };
        self.by_way.insert(way, id);
        id
    }

    /// One user fewer of each. Of those without users, the ones that had some last are kept.
    pub fn release(&mut self, ways: &Ways) {
        for id in ways.iter().flatten() {
            let known = &mut self.ways[id.0 as usize];
            known.users -= 1;
            if known.users == 0 {
                self.rest(*id);
            }
        }
    }

    /// The way has no users from now on.
    fn rest(&mut self, id: WayId) {
        self.idle_times += 1;
        self.ways[id.0 as usize].idle_since = self.idle_times;
        self.idle.insert(self.idle_times, id);
        if self.idle.len() > IDLE_LIMIT
            && let Some((_, evicted)) = self.idle.pop_first()
        {
            let known = &mut self.ways[evicted.0 as usize];
            self.by_way.remove(&known.way);
            known.curves.clear();
            self.vacant.push(evicted);
        }
    }

    /// The class of a device.
    pub fn class_of(&mut self, device: &DeviceInfo) -> DeviceClassId {
        let told = device.name.to_ascii_lowercase().contains("simulated");
        if device.is_simulated && !told {
            // What a stand-in takes tells nothing of the device whose name it has.
            return self.class_named(&format!("{} (simulated)", device.name));
        }
        self.class_named(&device.name)
    }

    fn class_named(&mut self, name: &str) -> DeviceClassId {
        let names = &mut self.device_classes;
        let place = names.iter().position(|known| **known == *name).unwrap_or_else(|| {
            if names.len() < DEVICE_CLASSES {
                let is_last = names.len() + 1 == DEVICE_CLASSES;
                names.push(if is_last { OTHER_NAME.into() } else { name.into() });
            }
            names.len() - 1
        });
        DeviceClassId(place as u16)
    }

    /// How long a way is expected to take on devices of that class for that size, if anything was
    /// measured that tells it.
    pub fn expected(&self, way: WayId, class: DeviceClassId, bytes: u64) -> Option<Expected> {
        let told = self.curve(way, class)?.at(Bucket::of(bytes))?;
        let (nanos, samples) = match told {
            Told::Measured(nanos, samples) => (nanos, Some(samples)),
            Told::Fitted(nanos) => (nanos, None),
        };
        Some(Expected { nanos: nanos as u64, samples })
    }

    fn curve(&self, way: WayId, class: DeviceClassId) -> Option<&Curve> {
        let curves = &self.ways[way.0 as usize].curves;
        curves.iter().find(|(of, _)| *of == class).map(|(_, curve)| curve)
    }

    fn cell_mut(&mut self, way: WayId, class: DeviceClassId, bytes: u64) -> &mut Cell {
        let curves = &mut self.ways[way.0 as usize].curves;
        let place = curves.iter().position(|(of, _)| *of == class).unwrap_or_else(|| {
            curves.push((class, Curve::default()));
            curves.len() - 1
        });
        curves[place].1.cell_mut(Bucket::of(bytes))
    }

    /// Whether a way should be tried there for the sample's sake: nothing tells what it takes, or
    /// its first samples are few, and it was not tried often already.
    pub fn wants_try(&self, way: WayId, class: DeviceClassId, bytes: u64) -> bool {
        let Some(curve) = self.curve(way, class) else { return true };
        match curve.cell(Bucket::of(bytes)) {
            Some(cell) if cell.samples >= TRIES.into() || cell.tries >= TRIES => false,
            Some(cell) if cell.is_measured() => true,
            _ => curve.at(Bucket::of(bytes)).is_none(),
        }
    }

    /// A way is tried for the sample's sake.
    pub fn tried(&mut self, way: WayId, class: DeviceClassId, bytes: u64) {
        let cell = self.cell_mut(way, class, bytes);
        cell.tries = cell.tries.saturating_add(1);
    }

    /// Learns from a task that succeeded.
    pub fn measured(&mut self, way: WayId, class: DeviceClassId, what: Footprint, nanos: u64) {
        let cell = self.cell_mut(way, class, what.bytes());
        cell.add(nanos);
        (cell.input_bytes, cell.output_bytes) = (what.input_bytes, what.output_bytes);
        let mean = cell.mean() as u64;
        let known = &mut self.ways[way.0 as usize];
        known.last = Some(what);
        known.last_nanos = Some(mean);
        self.version += 1;
    }

    /// What a way took and made the last time.
    pub fn last_footprint(&self, way: WayId) -> Option<Footprint> {
        self.ways[way.0 as usize].last
    }

    /// How long a way took of late, whatever its device and its size.
    pub fn last_nanos(&self, way: WayId) -> Option<u64> {
        self.ways[way.0 as usize].last_nanos
    }

    /// Rises with everything that is measured.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// At least `least` of what was measured, if there is so much, from the way at `from` on, and
    /// the place of the way after the last one, if there is more. What belongs to a way stays
    /// together.
    pub fn page(&self, from: usize, least: usize) -> (Vec<MeasuredCost>, Option<usize>) {
        let mut page = Vec::new();
        for (place, known) in self.ways.iter().enumerate().skip(from) {
            if page.len() >= least {
                return (page, Some(place));
            }
            for (class, curve) in &known.curves {
                let device_class = &self.device_classes[usize::from(class.0)];
                let cells = curve.measured();
                page.extend(cells.map(|(bucket, cell)| MeasuredCost {
                    way: known.way.clone(),
                    device_class: device_class.clone(),
                    size_bytes: bucket.least_bytes(),
                    input_bytes: cell.input_bytes,
                    output_bytes: cell.output_bytes,
                    mean_nanos: cell.mean().round() as u64,
                    deviation_nanos: cell.deviation().round() as u64,
                    samples: cell.samples,
                }));
            }
        }
        (page, None)
    }

    /// Takes over what was measured before; what is known already is kept.
    pub fn restore(&mut self, costs: &[MeasuredCost]) {
        for cost in costs.iter().filter(|cost| cost.samples > 0) {
            let id = match self.by_way.get(&cost.way) {
                Some(id) => *id,
                None => {
                    let id = self.insert(cost.way.clone());
                    self.rest(id);
                    id
                }
            };
            let class = self.class_named(&cost.device_class);
            let cell = self.cell_mut(id, class, cost.size_bytes);
            if cell.is_measured() {
                continue;
            }
            *cell = Cell::known(cost.mean_nanos, cost.deviation_nanos, cost.samples);
            let (input_bytes, output_bytes) = (cost.input_bytes, cost.output_bytes);
            (cell.input_bytes, cell.output_bytes) = (input_bytes, output_bytes);
            let known = &mut self.ways[id.0 as usize];
            known.last = Some(Footprint { input_bytes, output_bytes });
            known.last_nanos = Some(cost.mean_nanos);
        }
    }

    /// A check for tests: that every way has as many users as `of` tells.
    #[cfg(test)]
    pub fn assert_users(&self, of: impl Fn(WayId) -> usize) {
        for (index, known) in self.ways.iter().enumerate() {
            assert_eq!(known.users as usize, of(WayId(index as u32)), "users of {:?}", known.way);
        }
        let without = self.ways.iter().filter(|known| known.users == 0).count();
        assert_eq!(without, self.idle.len() + self.vacant.len());
        assert_eq!(self.by_way.len() + self.vacant.len(), self.ways.len());
    }
}
