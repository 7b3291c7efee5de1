//! How devices reach each other.

use drawloom_model::LinkKind;
use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::TopologyLevel;

use crate::place::{Found, bus_address};

/// More links than any device has.
const LINKS_LIMIT: u32 = 32;

/// For each device how it reaches the others. Slices reach nobody: they cannot copy to peers.
pub(crate) fn links(devices: &[Device<'_>], found: &[Found]) -> Vec<Vec<(usize, LinkKind)>> {
    let far_ends: Vec<Vec<String>> = devices.iter().map(far_ends).collect();
    let whole = |place: &usize| found[*place].slice_of.is_none();
    let link = |a: usize, b: usize| {
        if is_nvlinked(found, &far_ends, a, b) {
            return Some(LinkKind::NvLink);
        }
        over_the_bus(&devices[a], &devices[b])
    };
    let of = |a: usize| {
        let others = (0..devices.len()).filter(|b| *b != a).filter(whole);
        others.filter_map(|b| Some((b, link(a, b)?))).collect()
    };
    (0..devices.len()).map(|a| if whole(&a) { of(a) } else { Vec::new() }).collect()
}

/// The places on the bus at the other ends of a device's NVLinks.
fn far_ends(device: &Device<'_>) -> Vec<String> {
    let links = (0..LINKS_LIMIT).map(|link| device.link_wrapper_for(link));
    let active = links.filter(|link| link.is_active().unwrap_or_default());
    active.filter_map(|link| Some(bus_address(&link.remote_pci_info().ok()?.bus_id))).collect()
}

/// Whether two devices are joined by NVLinks, directly or by way of switches. A far end that is
/// none of the devices is a switch, and a machine's switches join all devices that have links to
/// any.
fn is_nvlinked(found: &[Found], far_ends: &[Vec<String>], a: usize, b: usize) -> bool {
    let direct = far_ends[a].contains(&found[b].pci);
    let is_switch = |end: &String| found.iter().all(|found| found.pci != *end);
    let switched = |place: usize| far_ends[place].iter().any(is_switch);
    direct || (switched(a) && switched(b))
}

fn over_the_bus(a: &Device<'_>, b: &Device<'_>) -> Option<LinkKind> {
    // The handle is a number; asking for it again does not change the device.
    let b = b.nvml().device_by_index(b.index().ok()?).ok()?;
    match a.topology_common_ancestor(b).ok()? {
        TopologyLevel::Internal | TopologyLevel::Single | TopologyLevel::Multiple => {
            Some(LinkKind::Switch)
        }
        TopologyLevel::HostBridge | TopologyLevel::Node => Some(LinkKind::Node),
        TopologyLevel::System => Some(LinkKind::System),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_join_who_has_links_to_them() {
        let found = |pci: &str| Found {
            uuid: String::new(),
            pci: pci.into(),
            slice_of: None,
            links: Vec::new(),
        };
        let all = ["1", "2", "3", "4"].map(found);
        let ends = |ends: &[&str]| ends.iter().map(|end| (*end).to_owned()).collect::<Vec<_>>();
        let far_ends = [ends(&["2"]), ends(&["1", "9"]), ends(&["8"]), ends(&[])];
        let linked = |a, b| is_nvlinked(&all, &far_ends, a, b);
        assert!(linked(0, 1) && linked(1, 0), "directly");
        assert!(linked(1, 2) && linked(2, 1), "by a switch");
        assert!(!linked(0, 2) && !linked(0, 3) && !linked(3, 2));
    }
}
