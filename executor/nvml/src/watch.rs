//! How a device does, and what happens to it.

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, EventSet};

use crate::Library;

/// Throttling that says something: not that a device is idle or was told to be slow.
const THROTTLING: [(&str, ThrottleReasons); 5] = [
    ("power_cap", ThrottleReasons::SW_POWER_CAP),
    ("hardware", ThrottleReasons::HW_SLOWDOWN),
    ("thermal", ThrottleReasons::SW_THERMAL_SLOWDOWN),
    ("hardware_thermal", ThrottleReasons::HW_THERMAL_SLOWDOWN),
    ("power_brake", ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN),
];

/// A device that is watched.
pub struct Watch<'l> {
    device: Device<'l>,
    /// Errors that the kernel driver logs; none where it does not tell them.
    events: Option<EventSet<'l>>,
}

/// How a device does. What it does not tell is `None`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sample {
    /// The part of the time that kernels ran, lately.
    pub busy_percent: Option<u32>,
    /// Memory in use, by whomever.
    pub memory_used_bytes: Option<u64>,
    /// All of its memory.
    pub memory_bytes: Option<u64>,
    /// What it draws.
    pub power_watts: Option<f64>,
    /// How warm it is.
    pub temperature_celsius: Option<u32>,
    /// Each reason to be slow, and whether it holds.
    pub throttling: Vec<(&'static str, bool)>,
    /// Memory errors that were corrected, since the driver started.
    pub ecc_corrected: Option<u64>,
    /// Memory errors that were not.
    pub ecc_uncorrected: Option<u64>,
}

impl Sample {
    /// What it does not tell: because the device has none of it, or the driver is too old.
    pub fn untold(&self) -> Vec<&'static str> {
        let told = [
            ("load", self.busy_percent.is_some()),
            ("memory", self.memory_bytes.is_some()),
            ("power", self.power_watts.is_some()),
            ("temperature", self.temperature_celsius.is_some()),
            ("throttling", !self.throttling.is_empty()),
            ("memory errors", self.ecc_uncorrected.is_some()),
        ];
        told.into_iter().filter(|(_, is_told)| !is_told).map(|(what, _)| what).collect()
    }
}

impl Library {
    /// Watches a device, which is known by its uuid: a slice's too.
    ///
    /// # Errors
    /// The library does not know it.
    pub fn watch(&self, uuid: &str) -> Result<Watch<'_>, String> {
        let device = self.nvml.device_by_uuid(uuid).map_err(|error| error.to_string())?;
        let events = self.nvml.create_event_set().and_then(|set| {
            let xids = EventTypes::CRITICAL_XID_ERROR;
            device.register_events(xids, set).map_err(|error| error.error)
        });
        let failed = |why: &NvmlError| tracing::debug!(uuid, %why, "Xid events are not told");
        Ok(Watch { device, events: events.inspect_err(failed).ok() })
    }
}

impl Watch<'_> {
    /// Asks how it does.
    pub fn sample(&self) -> Sample {
        let device = &self.device;
        let memory = device.memory_info().ok();
        let throttling = device.current_throttle_reasons().map(|reasons| {
            THROTTLING.map(|(name, reason)| (name, reasons.intersects(reason))).to_vec()
        });
        let errors = |kind| device.total_ecc_errors(kind, EccCounter::Volatile).ok();
        Sample {
            busy_percent: device.utilization_rates().ok().map(|rates| rates.gpu),
            memory_used_bytes: memory.as_ref().map(|memory| memory.used),
            memory_bytes: memory.map(|memory| memory.total),
            power_watts: device.power_usage().ok().map(|milliwatts| f64::from(milliwatts) / 1e3),
            temperature_celsius: device.temperature(TemperatureSensor::Gpu).ok(),
            throttling: throttling.unwrap_or_default(),
            ecc_corrected: errors(MemoryError::Corrected),
            ecc_uncorrected: errors(MemoryError::Uncorrected),
        }
    }

    /// The errors (Xid) that the kernel driver has logged since the last call. Does not wait.
    pub fn xids(&self) -> Vec<u64> {
        let Some(events) = &self.events else { return Vec::new() };
        let mut xids = Vec::new();
        // A driver that tells events without end must not keep anybody here.
        while xids.len() < 64
            && let Ok(event) = events.wait(0)
        {
            xids.extend(event.event_data.map(|xid| match xid {
                XidError::Value(xid) => xid,
                XidError::Unknown => 999,
            }));
        }
        xids
    }
}
