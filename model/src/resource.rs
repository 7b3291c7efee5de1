//! Resource vectors, in integers throughout.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::DeviceIndex;

/// Units of a whole core, a whole device or one of a custom resource.
pub const MILLI: u64 = 1000;

/// The name of a custom resource, such as `licence`.
pub type ResourceName = Arc<str>;

/// What one variant of a task needs while it runs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ResourceRequest {
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// Bytes of host memory, beside the objects it takes and makes.
    pub memory_bytes: u64,
    /// Devices, if any.
    pub gpu: Option<GpuRequest>,
    /// Thousandths of custom resources.
    pub custom: BTreeMap<ResourceName, u64>,
}

impl ResourceRequest {
    /// A request for whole cores and nothing else.
    pub fn cores(cores: u64) -> Self {
        ResourceRequest { cpu_milli: cores * MILLI, ..ResourceRequest::default() }
    }

    /// Whether it asks for one core or less, and for nothing else.
    pub fn is_one_core(&self) -> bool {
        self.cpu_milli <= MILLI
            && self.memory_bytes == 0
            && self.gpu.is_none()
            && self.custom.is_empty()
    }
}

/// GPUs wanted, all on one executor.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GpuRequest {
    /// How many devices.
    pub devices: u16,
    /// Thousandths of each device's compute: 1000 for a whole device.
    pub milli: u32,
    /// Bytes of memory on each device.
    pub vram_bytes: u64,
    /// The least compute capability, as major * 10 + minor (75 for 7.5); 0 for any.
    pub min_compute_capability: u16,
}

/// What an executor offers, or what of it is free.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu_milli: u64,
    /// Bytes of host memory.
    pub memory_bytes: u64,
    /// Every device by itself.
    pub devices: Vec<DeviceCapacity>,
    /// Thousandths of custom resources.
    pub custom: BTreeMap<ResourceName, u64>,
}

/// What one device offers, or what of it is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeviceCapacity {
    /// Thousandths of the device's compute.
    pub milli: u32,
    /// Bytes of device memory.
    pub vram_bytes: u64,
    /// Compute capability, as major * 10 + minor; 0 while the device is out of service.
    pub compute_capability: u16,
}

impl DeviceCapacity {
    /// What a device offers that is out of service.
    pub const NONE: DeviceCapacity =
        DeviceCapacity { milli: 0, vram_bytes: 0, compute_capability: 0 };

    /// Whether it serves nobody, whatever is asked for.
    pub fn is_out_of_service(&self) -> bool {
        self.compute_capability == 0
    }

    /// Whether it serves the request, among others.
    pub fn fits(&self, request: &GpuRequest) -> bool {
        !self.is_out_of_service()
            && self.milli >= request.milli
            && self.vram_bytes >= request.vram_bytes
            && self.compute_capability >= request.min_compute_capability
    }
}

/// The first resource of which there is too little.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Shortfall {
    /// Its name: `cpu`, `memory`, `gpu`, or a custom resource's.
    pub resource: String,
    /// How much was asked for, with its unit.
    pub asked: String,
    /// How much there is, with its unit.
    pub available: String,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: asks for {}, has {}", self.resource, self.asked, self.available)
    }
}

impl Capacity {
    /// Whether `request` fits, whichever devices it gets.
    pub fn fits(&self, request: &ResourceRequest) -> bool {
        self.cpu_milli >= request.cpu_milli
            && self.memory_bytes >= request.memory_bytes
            && request.custom.iter().all(|(name, milli)| self.custom_milli(name) >= *milli)
            && request
                .gpu
                .as_ref()
                .is_none_or(|gpu| self.fitting_devices(gpu) >= gpu.devices.into())
    }

    /// What is missing for `request`, or `None` when it fits.
    pub fn shortfall(&self, request: &ResourceRequest) -> Option<Shortfall> {
        let short = |resource: &str, asked: String, available: String| {
            Some(Shortfall { resource: resource.to_owned(), asked, available })
        };
        if self.cpu_milli < request.cpu_milli {
            return short("cpu", cores(request.cpu_milli), cores(self.cpu_milli));
        }
        if self.memory_bytes < request.memory_bytes {
            return short(
                "memory",
                format!("{} bytes", request.memory_bytes),
                format!("{} bytes", self.memory_bytes),
            );
        }
        for (name, milli) in &request.custom {
            if self.custom_milli(name) < *milli {
                return short(name, units(*milli), units(self.custom_milli(name)));
            }
        }
        let gpu = request.gpu.as_ref()?;
        let fitting = self.fitting_devices(gpu);
        if fitting >= gpu.devices.into() {
            return None;
        }
        let asked = format!(
            "{} device(s) with {}/1000 compute and {} bytes VRAM each",
            gpu.devices, gpu.milli, gpu.vram_bytes
        );
        let largest = self.devices.iter().map(|device| device.vram_bytes).max();
        let hint = match largest {
            Some(largest) if largest < gpu.vram_bytes => {
                format!(", the largest with {largest} bytes VRAM")
            }
            Some(_) | None => String::new(),
        };
        short("gpu", asked, format!("{fitting} such of {}{hint}", self.devices.len()))
    }

    /// Takes `request` with these devices away. The caller has checked that it fits.
    pub fn take(&mut self, request: &ResourceRequest, devices: &[DeviceIndex]) {
        self.cpu_milli -= request.cpu_milli;
        self.memory_bytes -= request.memory_bytes;
        for (name, milli) in &request.custom {
            if let Some(free) = self.custom.get_mut(name) {
                *free -= milli;
            }
        }
        if let Some(gpu) = &request.gpu {
            for device in devices {
                let free = &mut self.devices[usize::from(device.0)];
                free.milli -= gpu.milli;
                free.vram_bytes -= gpu.vram_bytes;
            }
        }
    }

    /// Takes as much of `request` with these devices away as there is.
    pub fn withhold(&mut self, request: &ResourceRequest, devices: &[DeviceIndex]) {
        self.cpu_milli = self.cpu_milli.saturating_sub(request.cpu_milli);
        self.memory_bytes = self.memory_bytes.saturating_sub(request.memory_bytes);
        for (name, milli) in &request.custom {
            if let Some(left) = self.custom.get_mut(name) {
                *left = left.saturating_sub(*milli);
            }
        }
        let Some(gpu) = &request.gpu else { return };
        for device in devices {
            let left = &mut self.devices[usize::from(device.0)];
            left.milli = left.milli.saturating_sub(gpu.milli);
            left.vram_bytes = left.vram_bytes.saturating_sub(gpu.vram_bytes);
        }
    }

    /// Gives back what [`Capacity::take`] took.
    pub fn give_back(&mut self, request: &ResourceRequest, devices: &[DeviceIndex]) {
        self.cpu_milli += request.cpu_milli;
        self.memory_bytes += request.memory_bytes;
        for (name, milli) in &request.custom {
            if let Some(free) = self.custom.get_mut(name) {
                *free += milli;
            }
        }
        if let Some(gpu) = &request.gpu {
            for device in devices {
                let free = &mut self.devices[usize::from(device.0)];
                free.milli += gpu.milli;
                free.vram_bytes += gpu.vram_bytes;
            }
        }
    }

    /// Whether `request` fits with just these devices.
    pub fn fits_on(&self, request: &ResourceRequest, devices: &[DeviceIndex]) -> bool {
        self.cpu_milli >= request.cpu_milli
            && self.memory_bytes >= request.memory_bytes
            && request.custom.iter().all(|(name, milli)| self.custom_milli(name) >= *milli)
            && request.gpu.as_ref().is_none_or(|gpu| {
                devices.len() == usize::from(gpu.devices)
                    && devices.iter().all(|device| {
                        self.devices.get(usize::from(device.0)).is_some_and(|free| free.fits(gpu))
                    })
            })
    }

    /// The devices that could serve `gpu`, in order of their indexes.
    pub fn devices_for<'a>(
        &'a self,
        gpu: &'a GpuRequest,
    ) -> impl Iterator<Item = (DeviceIndex, &'a DeviceCapacity)> {
        self.devices
            .iter()
            .enumerate()
            .filter(|(_, device)| device.fits(gpu))
            .map(|(index, device)| (DeviceIndex(index as u16), device))
    }

    fn fitting_devices(&self, gpu: &GpuRequest) -> usize {
        self.devices_for(gpu).count()
    }

    fn custom_milli(&self, name: &ResourceName) -> u64 {
        self.custom.get(name).copied().unwrap_or(0)
    }
}

fn cores(milli: u64) -> String {
    format!("{} cores", units(milli))
}

fn units(milli: u64) -> String {
    format!("{}", milli as f64 / MILLI as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity() -> Capacity {
        let device = DeviceCapacity { milli: 1000, vram_bytes: 100, compute_capability: 80 };
        Capacity {
            cpu_milli: 2000,
            memory_bytes: 1000,
            devices: vec![device; 2],
            custom: BTreeMap::from([("licence".into(), 1000)]),
        }
    }

    fn gpu(devices: u16, milli: u32) -> ResourceRequest {
        let gpu = GpuRequest { devices, milli, vram_bytes: 10, min_compute_capability: 75 };
        ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() }
    }

    #[test]
    fn what_is_taken_comes_back() {
        let mut free = capacity();
        let mut request = gpu(1, 500);
        request.cpu_milli = 1500;
        request.custom.insert("licence".into(), 1000);
        free.take(&request, &[DeviceIndex(1)]);
        assert_eq!(free.devices[1].milli, 500);
        assert!(!free.fits(&request));
        free.give_back(&request, &[DeviceIndex(1)]);
        assert_eq!(free, capacity());
    }

    #[test]
    fn the_shortfall_names_the_resource() {
        let check = |request: &ResourceRequest, expected: &str| {
            assert_eq!(capacity().shortfall(request).expect("too much").to_string(), expected);
            assert!(!capacity().fits(request));
        };
        check(&ResourceRequest::cores(3), "cpu: asks for 3 cores, has 2 cores");
        let licences = BTreeMap::from([("gold".into(), 1000)]);
        check(
            &ResourceRequest { custom: licences, ..ResourceRequest::default() },
            "gold: asks for 1, has 0",
        );
        check(
            &gpu(3, 1000),
            "gpu: asks for 3 device(s) with 1000/1000 compute and 10 bytes VRAM each, has 2 such of 2",
        );
        let mut large = gpu(1, 500);
        large.gpu = large.gpu.map(|gpu| GpuRequest { vram_bytes: 101, ..gpu });
        check(
            &large,
            "gpu: asks for 1 device(s) with 500/1000 compute and 101 bytes VRAM each, has 0 such of 2, the largest with 100 bytes VRAM",
        );
        assert_eq!(capacity().shortfall(&gpu(2, 1000)), None);
    }
}
