//! What devices are and how they are joined, from what CUDA and its management library tell.

use drawloom_cuda::Properties;
use drawloom_model::{DeviceIndex, DeviceInfo, DeviceKind, DeviceLink};
use drawloom_nvml::{Found, place_of};

/// The devices as they are announced, in CUDA's order. What the management library found is joined
/// with them by uuid or place on the bus, for it counts in another order and sees devices that
/// this process does not.
pub(super) fn describe(devices: &[&Properties], found: &[Found]) -> Vec<DeviceInfo> {
    let places: Vec<Option<usize>> =
        devices.iter().map(|device| place_of(found, &device.uuid, &device.pci)).collect();
    let device_at = |place: usize| {
        let index = places.iter().position(|known| *known == Some(place))?;
        Some(DeviceIndex(u16::try_from(index).ok()?))
    };
    let info = |(device, place): (&&Properties, &Option<usize>)| {
        let found = place.and_then(|place| found.get(place));
        let links = found.into_iter().flat_map(|found| &found.links);
        DeviceInfo {
            name: device.name.clone(),
            kind: DeviceKind::Cuda,
            is_simulated: device.is_simulated,
            // A slice's uuid has another prefix, which CUDA does not tell.
            uuid: found.map_or_else(|| device.uuid.clone(), |found| found.uuid.clone()),
            pci: device.pci.clone(),
            slice_of: found.and_then(|found| found.slice_of.clone()),
            memory_bytes: device.memory_bytes,
            numa_node: device.numa_node,
            links: links
                .filter_map(|(to, kind)| Some(DeviceLink { to: device_at(*to)?, kind: *kind }))
                .collect(),
        }
    };
    devices.iter().zip(&places).map(info).collect()
}

#[cfg(test)]
mod tests {
    use drawloom_model::LinkKind;

    use super::*;

    fn properties(uuid: &str, pci: &str) -> Properties {
        Properties {
            name: "H100".into(),
            uuid: uuid.into(),
            memory_bytes: 80 << 30,
            compute_capability: (9, 0),
            multiprocessors: 132,
            pci: pci.into(),
            numa_node: Some(1),
            is_simulated: false,
        }
    }

    fn found(uuid: &str, pci: &str, links: Vec<(usize, LinkKind)>) -> Found {
        Found { uuid: uuid.into(), pci: pci.into(), slice_of: None, links }
    }

    #[test]
    fn devices_keep_cuda_s_order_and_links_lead_to_those_that_are_offered() {
        let (first, second) =
            (properties("GPU-0a", "0000:01:00"), properties("GPU-1b", "0000:03:00"));
        let all = [
            found("GPU-ff", "0000:09:00", vec![(1, LinkKind::System)]),
            found("GPU-0a", "0000:01:00", vec![(0, LinkKind::System), (2, LinkKind::Node)]),
            Found {
                slice_of: Some("GPU-cc".into()),
                ..found("MIG-1b", "0000:03:00", vec![(1, LinkKind::Node)])
            },
        ];
        let infos = describe(&[&second, &first], &all);
        let link = |to| vec![DeviceLink { to: DeviceIndex(to), kind: LinkKind::Node }];
        assert_eq!((&*infos[0].uuid, &*infos[1].uuid), ("MIG-1b", "GPU-0a"));
        assert_eq!(infos[0].slice_of.as_deref(), Some("GPU-cc"));
        assert_eq!((&infos[0].links, &infos[1].links), (&link(1), &link(0)));
    }

    #[test]
    fn cuda_alone_tells_enough() {
        let infos = describe(&[&properties("GPU-0a", "0000:01:00")], &[]);
        assert_eq!((&*infos[0].uuid, infos[0].numa_node), ("GPU-0a", Some(1)));
        assert!(infos[0].links.is_empty());
    }
}
