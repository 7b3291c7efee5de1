//! What an executor says of its devices: what CUDA and its management library tell, put together.

mod common;
#[path = "common/gpu.rs"]
mod gpu;

use drawloom_model::{DeviceIndex, DeviceLink, LinkKind};
use gpu::{simulate_machine, start};

const FOREIGN_BYTES: u64 = 48 << 20;

/// CUDA shows three of four devices, in another order than the management library.
const MACHINE: &[(&str, &str)] = &[
    ("DRAWLOOM_SIM_DEVICES", "4"),
    ("DRAWLOOM_SIM_MEMORY", "64M"),
    ("DRAWLOOM_SIM_CAPABILITY", "8.0,8.0,8.0,9.0"),
    ("DRAWLOOM_SIM_LINKS", "2-3"),
    ("DRAWLOOM_SIM_NUMA", "0,0,0,1"),
    ("CUDA_VISIBLE_DEVICES", "3,0,2"),
];

#[tokio::test]
async fn devices_are_told_with_what_joins_them() {
    let library = simulate_machine(MACHINE);
    // Somebody else has most of the first of those that CUDA shows.
    assert!(library.set_foreign_bytes(0, FOREIGN_BYTES));
    let loom = start().await;
    let info = &loom.handle.info;
    let uuids: Vec<&str> = info.devices.iter().map(|device| &*device.uuid).collect();
    let ends = ["03", "00", "02"];
    assert!(uuids.iter().zip(ends).all(|(uuid, end)| uuid.ends_with(end)), "{uuids:?}");
    let buses: Vec<&str> = info.devices.iter().map(|device| &*device.pci).collect();
    assert_eq!(buses, ["0000:13:00", "0000:10:00", "0000:12:00"]);
    assert!(info.devices.iter().all(|device| device.is_simulated && device.slice_of.is_none()));
    assert!(info.devices.iter().all(|device| device.memory_bytes == 64 << 20));
    let nodes: Vec<Option<u32>> = info.devices.iter().map(|device| device.numa_node).collect();
    assert_eq!(nodes, [Some(1), Some(0), Some(0)]);
    let link = |to, kind| DeviceLink { to: DeviceIndex(to), kind };
    let links = |index: usize| {
        let mut links = info.devices[index].links.clone();
        links.sort_by_key(|link| link.to);
        links
    };
    assert_eq!(links(0), [link(1, LinkKind::System), link(2, LinkKind::NvLink)]);
    assert_eq!(links(1), [link(0, LinkKind::System), link(2, LinkKind::Node)]);
    assert_eq!(links(2), [link(0, LinkKind::NvLink), link(1, LinkKind::Node)]);

    let offers = &info.capacity.devices;
    let capabilities: Vec<u16> = offers.iter().map(|offer| offer.compute_capability).collect();
    assert_eq!(capabilities, [90, 80, 80]);
    assert!(offers[0].vram_bytes <= (64 << 20) - FOREIGN_BYTES, "{offers:?}");
    assert!(offers[2].vram_bytes > (64 << 20) - FOREIGN_BYTES, "{offers:?}");
}
