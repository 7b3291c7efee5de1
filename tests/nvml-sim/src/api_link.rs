//! How devices are joined.

use std::ffi::c_uint;

use crate::api_device::{PciInfo, pci_info};
use crate::code::{Code, api, give};
use crate::state::{answering, device, index_of, machine};

/// Links a device can have.
const MAX_LINKS: c_uint = 18;

/// The device at the other end of a link.
fn other_end(handle: usize, link: c_uint) -> Result<Option<usize>, Code> {
    if link >= MAX_LINKS {
        return Err(Code::INVALID_ARGUMENT);
    }
    answering(handle)?;
    Ok(machine()?.neighbours(index_of(handle)?).get(link as usize).copied())
}

api! {
    /// Whether a link is up.
    fn nvmlDeviceGetNvLinkState(handle: usize, link: c_uint, active: *mut c_uint) {
        give(active, c_uint::from(other_end(handle, link)?.is_some()))
    }

    /// The version of a link.
    fn nvmlDeviceGetNvLinkVersion(handle: usize, link: c_uint, version: *mut c_uint) {
        other_end(handle, link)?.ok_or(Code::NOT_SUPPORTED)?;
        give(version, 3)
    }

    /// What a link can do.
    fn nvmlDeviceGetNvLinkCapability(handle: usize, link: c_uint, _which: c_uint, can: *mut c_uint) {
        give(can, c_uint::from(other_end(handle, link)?.is_some()))
    }

    /// What is at the other end of a link: a device.
    fn nvmlDeviceGetNvLinkRemoteDeviceType(handle: usize, link: c_uint, kind: *mut c_uint) {
        other_end(handle, link)?.ok_or(Code::NOT_SUPPORTED)?;
        give(kind, 0)
    }

    /// The PCI address at the other end of a link.
    fn nvmlDeviceGetNvLinkRemotePciInfo_v2(handle: usize, link: c_uint, info: *mut PciInfo) {
        let other = other_end(handle, link)?.ok_or(Code::NOT_SUPPORTED)?;
        give(info, pci_info(&machine()?.devices[other]))
    }

    /// Where two devices' ways to the processor meet: within a node at a bridge (30), otherwise in the
    /// system (50).
    fn nvmlDeviceGetTopologyCommonAncestor(a: usize, b: usize, level: *mut c_uint) {
        let same = device(a)?.numa == device(b)?.numa;
        give(level, if index_of(a)? == index_of(b)? { 0 } else if same { 30 } else { 50 })
    }

    /// How two devices reach each other; 0 means that they do.
    fn nvmlDeviceGetP2PStatus(a: usize, b: usize, index: c_uint, status: *mut c_uint) {
        let linked = machine()?.linked(index_of(a)?, index_of(b)?);
        // 2 asks for NVLink, the others for PCIe.
        give(status, if index == 2 && !linked { 3 } else { 0 })
    }
}
