//! An account of resources: what there is and what of it is free.

use crate::{Capacity, DeviceCapacity, DeviceIndex, ResourceRequest};

/// A capacity with what is taken of it.
///
/// A device can come to offer less than is taken of it, for instance when it fails. What is missing
/// then is owed: what comes back of it is not free before the debt is paid.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Balance {
    capacity: Capacity,
    free: Capacity,
    /// For each device; mostly nothing.
    owed: Vec<Debt>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Debt {
    milli: u32,
    vram_bytes: u64,
}

impl Balance {
    /// One of which nothing is taken.
    pub fn new(capacity: Capacity) -> Self {
        let owed = vec![Debt::default(); capacity.devices.len()];
        Balance { free: capacity.clone(), capacity, owed }
    }

    /// Everything there is.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// What is not taken.
    pub fn free(&self) -> &Capacity {
        &self.free
    }

    /// Takes `request` with these devices. The caller has checked that it fits.
    pub fn take(&mut self, request: &ResourceRequest, devices: &[DeviceIndex]) {
        self.free.take(request, devices);
    }

    /// Gives back what [`Balance::take`] took.
    pub fn give_back(&mut self, request: &ResourceRequest, devices: &[DeviceIndex]) {
        self.free.give_back(request, devices);
        for device in devices {
            self.pay(usize::from(device.0));
        }
    }

    /// A device offers this from now on, whatever is taken of it.
    pub fn set_device(&mut self, device: DeviceIndex, offered: DeviceCapacity) {
        let index = usize::from(device.0);
        let taken = self.taken_of(index);
        let Some(capacity) = self.capacity.devices.get_mut(index) else { return };
        *capacity = offered;
        self.free.devices[index] = offered;
        self.owed[index] = taken;
        self.pay(index);
    }

    /// What is taken of everything.
    pub fn taken(&self) -> Capacity {
        let devices = (0..self.owed.len()).map(|index| {
            let Debt { milli, vram_bytes } = self.taken_of(index);
            DeviceCapacity { milli, vram_bytes, compute_capability: 0 }
        });
        let custom = self.capacity.custom.iter().map(|(name, milli)| {
            (name.clone(), milli - self.free.custom.get(name).copied().unwrap_or_default())
        });
        Capacity {
            cpu_milli: self.capacity.cpu_milli - self.free.cpu_milli,
            memory_bytes: self.capacity.memory_bytes - self.free.memory_bytes,
            devices: devices.collect(),
            custom: custom.collect(),
        }
    }

    fn taken_of(&self, index: usize) -> Debt {
        let (capacity, free) = (self.capacity.devices.get(index), self.free.devices.get(index));
        let (Some(capacity), Some(free)) = (capacity, free) else { return Debt::default() };
        let owed = self.owed[index];
        Debt {
            milli: capacity.milli - free.milli + owed.milli,
            vram_bytes: capacity.vram_bytes - free.vram_bytes + owed.vram_bytes,
        }
    }

    /// Pays what is owed of a device with what is free of it.
    fn pay(&mut self, index: usize) {
        let (Some(free), Some(owed)) = (self.free.devices.get_mut(index), self.owed.get_mut(index))
        else {
            return;
        };
        let (milli, vram_bytes) =
            (owed.milli.min(free.milli), owed.vram_bytes.min(free.vram_bytes));
        free.milli -= milli;
        owed.milli -= milli;
        free.vram_bytes -= vram_bytes;
        owed.vram_bytes -= vram_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GpuRequest;

    fn gpu(milli: u32, vram_bytes: u64) -> ResourceRequest {
        let gpu = GpuRequest { devices: 1, milli, vram_bytes, min_compute_capability: 0 };
        ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() }
    }

    fn device(milli: u32, vram_bytes: u64) -> DeviceCapacity {
        DeviceCapacity { milli, vram_bytes, compute_capability: 80 }
    }

    const FIRST: DeviceIndex = DeviceIndex(0);

    #[test]
    fn a_device_that_fails_owes_what_was_taken_of_it() {
        let devices = vec![device(1000, 100); 2];
        let mut balance = Balance::new(Capacity { devices, ..Capacity::default() });
        balance.take(&gpu(600, 50), &[FIRST]);
        balance.take(&gpu(300, 10), &[FIRST]);
        balance.set_device(FIRST, DeviceCapacity::default());
        assert_eq!(balance.free().devices, [DeviceCapacity::default(), device(1000, 100)]);
        assert!(!balance.free().fits_on(&gpu(0, 0), &[FIRST]), "not even for nothing");
        balance.give_back(&gpu(300, 10), &[FIRST]);
        assert_eq!(balance.free().devices[0], DeviceCapacity::default());
        // It comes back, smaller, while something of the time before goes on.
        balance.set_device(FIRST, device(1000, 40));
        assert_eq!(balance.free().devices[0], device(400, 0));
        assert_eq!(balance.taken().devices[0].vram_bytes, 50);
        balance.give_back(&gpu(600, 50), &[FIRST]);
        assert_eq!(balance.free(), balance.capacity());
    }

    #[test]
    fn there_is_no_such_device() {
        let mut balance = Balance::new(Capacity::default());
        balance.set_device(DeviceIndex(3), device(1000, 100));
        assert_eq!(balance, Balance::new(Capacity::default()));
    }
}
