//! How a device is joined to its host.

use crate::Library;

/// A device's bus, at its fastest: an idle device may run it slower.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bus {
    /// Of PCI Express.
    pub generation: u32,
    /// How many lanes.
    pub lanes: u32,
}

impl Library {
    /// The bus of the device that has this uuid, where it is told.
    pub fn bus(&self, uuid: &str) -> Option<Bus> {
        let device = self.nvml.device_by_uuid(uuid).ok()?;
        let generation = device.max_pcie_link_gen().ok()?;
        let lanes = device.max_pcie_link_width().ok()?;
        Some(Bus { generation, lanes })
    }
}
