//! Memory that devices see: their own, and what the host lends.
//!
//! Device addresses are made up: they lie in a range per device that no process uses, so a host that
//! follows one crashes as it would with a real device. Behind each range stands host memory that costs
//! nothing until it is touched.

pub mod arena;
pub mod device;
pub mod host;
pub mod table;

/// Where the first device's addresses start.
pub const DEVICE_BASE: u64 = 0x1000_0000_0000;

/// Each device's range is this long.
pub const DEVICE_SPAN_BITS: u32 = 40;

/// The device an address belongs to.
pub fn device_of(address: u64) -> Option<usize> {
    let at = address.checked_sub(DEVICE_BASE)? >> DEVICE_SPAN_BITS;
    (at < 64).then_some(at as usize)
}
