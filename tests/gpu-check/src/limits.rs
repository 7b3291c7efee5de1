//! What a device could do at most, from what the driver and its management library tell.

use cudarc::driver::CudaContext;
use cudarc::driver::sys::CUdevice_attribute as Attribute;
use drawloom_nvml::Library;

/// What a device could do at most. What is not told is `None`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Limits {
    /// Multiprocessors.
    pub multiprocessors: Option<u32>,
    /// Their clock at most.
    pub clock_hertz: Option<f64>,
    /// Bytes per second of the device's memory: clock x 2 (both edges) x bus width.
    pub memory_bytes_per_second: Option<f64>,
    /// Bytes per second of the bus, each way.
    pub bus_bytes_per_second: Option<f64>,
    /// The bus in words.
    pub bus: Option<String>,
    /// Operations on f32 per second: multiprocessors x clock x 2 x lanes.
    pub f32_per_second: Option<f64>,
    /// Operations on f16 in tensor cores per second.
    pub f16_per_second: Option<f64>,
}

impl Limits {
    /// Asks the driver, and NVML where there is one.
    pub fn of(context: &CudaContext, uuid: &str, capability: (u32, u32)) -> Self {
        let ask = |attribute| {
            let told = context.attribute(attribute).ok();
            told.filter(|value| *value > 0).map(f64::from)
        };
        let multiprocessors = ask(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
        let clock_hertz = ask(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE).map(|kilo| kilo * 1e3);
        let memory_hertz =
            ask(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE).map(|kilo| kilo * 1e3);
        let bus_bits = ask(Attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
        let cycles = multiprocessors.zip(clock_hertz).map(|(count, clock)| count * clock);
        let per_second = |a_cycle: Option<u32>| {
            cycles.zip(a_cycle).map(|(cycles, operations)| cycles * f64::from(operations))
        };
        let bus = Library::open().and_then(|library| library.bus(uuid));
        Limits {
            multiprocessors: multiprocessors.map(|count| count as u32),
            clock_hertz,
            memory_bytes_per_second: memory_hertz
                .zip(bus_bits)
                .map(|(clock, bits)| clock * 2.0 * bits / 8.0),
            bus_bytes_per_second: bus.and_then(|bus| bus_rate(bus.generation, bus.lanes)),
            bus: bus.map(|bus| format!("PCIe {} x{}", bus.generation, bus.lanes)),
            f32_per_second: per_second(f32_a_cycle(capability)),
            f16_per_second: per_second(f16_a_cycle(capability)),
        }
    }
}

/// Operations on f32 that a multiprocessor does in a cycle: two for each of its lanes.
fn f32_a_cycle(capability: (u32, u32)) -> Option<u32> {
    match capability {
        (7, _) | (8, 0) => Some(2 * 64),
        (8, _) | (9, _) | (10, _) | (12, _) => Some(2 * 128),
        _ => None,
    }
}

/// Operations on f16 that a multiprocessor's tensor cores do in a cycle, without sparsity, from the
/// published rates of the fastest model of a kind; others of (8, 6), (8, 9) and (12, 0) do half.
fn f16_a_cycle(capability: (u32, u32)) -> Option<u32> {
    match capability {
        (7, _) => Some(1024),
        (8, 0) => Some(2048),
        (8, _) | (12, _) => Some(1024),
        (9, _) => Some(4096),
        (10, _) => Some(8192),
        _ => None,
    }
}

/// Bytes per second each way, after the line's coding.
fn bus_rate(generation: u32, lanes: u32) -> Option<f64> {
    let lane = match generation {
        1 => 0.25e9,
        2 => 0.5e9,
        3 => 0.985e9,
        4 => 1.969e9,
        5 => 3.938e9,
        6 => 7.563e9,
        _ => return None,
    };
    Some(lane * f64::from(lanes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data sheets: 19.5 and 312 TFLOP/s for 108 multiprocessors at 1.41 GHz (A100), 66.9 and 989 for
    /// 132 at about 1.83 GHz (H100 SXM at the clock of its tensor rate: 1.83; of f32: 1.98).
    #[test]
    fn rates_are_those_of_data_sheets() {
        let tera = |multiprocessors: f64, clock: f64, a_cycle: Option<u32>| {
            multiprocessors * clock * f64::from(a_cycle.expect("a rate")) / 1e12
        };
        let near = |got: f64, told: f64| assert!((got / told - 1.0).abs() < 0.01, "{got} {told}");
        near(tera(108.0, 1.41e9, f32_a_cycle((8, 0))), 19.5);
        near(tera(108.0, 1.41e9, f16_a_cycle((8, 0))), 312.0);
        near(tera(132.0, 1.98e9, f32_a_cycle((9, 0))), 66.9);
        near(tera(132.0, 1.83e9, f16_a_cycle((9, 0))), 989.0);
        near(bus_rate(4, 16).expect("a rate"), 31.5e9);
        assert_eq!(bus_rate(9, 16), None);
    }
}
