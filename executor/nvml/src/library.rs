//! The library, and the devices it knows.

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::place::{Found, bus_address};
use crate::topology;

/// The library, as long as it is in use.
#[derive(Debug)]
pub struct Library {
    pub(crate) nvml: Nvml,
}

impl Library {
    /// Opens the library, unless it is missing or there is no driver; a line in the log says which.
    pub fn open() -> Option<Self> {
        match Nvml::init() {
            Ok(nvml) => Some(Library { nvml }),
            Err(why) => {
                tracing::warn!(%why, "GPUs are used without telemetry: there is no NVML");
                None
            }
        }
    }

    /// Every device with how it reaches the others, in the library's order; a device's slices (MIG)
    /// follow it.
    pub fn devices(&self) -> Vec<Found> {
        let (handles, mut found): (Vec<_>, Vec<_>) = self.known().into_iter().unzip();
        let links = topology::links(&handles, &found);
        for (found, links) in found.iter_mut().zip(links) {
            found.links = links;
        }
        found
    }

    /// Every device that answers.
    fn known(&self) -> Vec<(Device<'_>, Found)> {
        let mut known = Vec::new();
        for index in 0..self.nvml.device_count().unwrap_or_default() {
            match self.nvml.device_by_index(index).and_then(|device| describe(device, None)) {
                Ok((device, found)) => {
                    let slices = slices(&device, &found);
                    known.push((device, found));
                    known.extend(slices);
                }
                Err(why) => tracing::warn!(index, %why, "NVML does not tell what a GPU is"),
            }
        }
        known
    }
}

fn describe<'l>(
    device: Device<'l>,
    slice_of: Option<&Found>,
) -> Result<(Device<'l>, Found), NvmlError> {
    let found = Found {
        uuid: device.uuid()?,
        // A slice has no place of its own.
        pci: match slice_of {
            Some(whole) => whole.pci.clone(),
            None => bus_address(&device.pci_info()?.bus_id),
        },
        slice_of: slice_of.map(|whole| whole.uuid.clone()),
        links: Vec::new(),
    };
    Ok((device, found))
}

/// The slices of a device, where it is split.
fn slices<'l>(device: &Device<'l>, whole: &Found) -> Vec<(Device<'l>, Found)> {
    if !device.mig_mode().is_ok_and(|mode| mode.current != 0) {
        return Vec::new();
    }
    // There are gaps where slices were taken away.
    let slice = |index| device.mig_device_by_index(index).and_then(|it| describe(it, Some(whole)));
    (0..device.mig_device_count().unwrap_or_default()).filter_map(|at| slice(at).ok()).collect()
}
