//! The machine as the environment describes it.

use std::collections::BTreeSet;

/// Most devices a machine has.
pub const MAX_DEVICES: usize = 64;

/// A simulated device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name; it contains `Simulated`.
    pub name: String,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Compute capability: major and minor.
    pub capability: (u32, u32),
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// The NUMA node it is nearest to.
    pub numa: u32,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Its number on the PCI bus.
    pub bus: u32,
}

/// A simulated machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its devices.
    pub devices: Vec<Device>,
    /// Pairs of devices with an NVLink between them, the lower number first.
    pub links: BTreeSet<(usize, usize)>,
}

/// A number of bytes such as `512M`, `80G` or `1024`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (digits, unit) = match text.char_indices().find(|(_, c)| c.is_ascii_alphabetic()) {
        Some((at, unit)) => (&text[..at], unit.to_ascii_uppercase()),
        None => (text, ' '),
    };
    let shift = match unit {
        ' ' => 0,
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn uuid_of(index: usize) -> [u8; 16] {
    let mut uuid = *b"drawloom-sim-\0\0\0";
    uuid[13] = 0;
    uuid[14] = (index >> 8) as u8;
    uuid[15] = index as u8;
    uuid
}

impl Device {
    /// Its UUID as NVIDIA writes it.
    pub fn uuid_text(&self) -> String {
        let hex: String = self.uuid.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "GPU-{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }

    /// Its PCI address.
    pub fn pci_text(&self) -> String {
        format!("00000000:{:02X}:00.0", self.bus)
    }
}

impl Machine {
    /// A machine of that many devices with these bytes of memory each, and no links.
    pub fn uniform(devices: usize, memory_bytes: u64) -> Self {
        let device = |index| Device {
            name: "Simulated GPU".into(),
            memory_bytes,
            capability: (8, 0),
            multiprocessors: 16,
            numa: 0,
            uuid: uuid_of(index),
            bus: 0x10 + index as u32,
        };
        Self {
            devices: (0..devices.min(MAX_DEVICES)).map(device).collect(),
            links: BTreeSet::new(),
        }
    }

    /// The machine that `look_up` describes; unreadable values are left at their defaults.
    pub fn described(look_up: impl Fn(&str) -> Option<String>) -> Self {
        let count = look_up("DRAWLOOM_SIM_DEVICES").and_then(|text| text.trim().parse().ok());
        let mut machine = Self::uniform(count.unwrap_or(1), 16 << 30);
        let list = |name: &str| -> Vec<String> {
            let text = look_up(name).unwrap_or_default();
            text.split(',')
                .map(|part| part.trim().to_owned())
                .filter(|part| !part.is_empty())
                .collect()
        };
        let of = |list: &[String], at: usize| list.get(at).or(list.last()).cloned();
        let (memory, capability) = (list("DRAWLOOM_SIM_MEMORY"), list("DRAWLOOM_SIM_CAPABILITY"));
        let (names, processors) =
            (list("DRAWLOOM_SIM_NAMES"), list("DRAWLOOM_SIM_MULTIPROCESSORS"));
        let numa = list("DRAWLOOM_SIM_NUMA");
        for (at, device) in machine.devices.iter_mut().enumerate() {
            if let Some(bytes) = of(&memory, at).and_then(|text| parse_bytes(&text)) {
                device.memory_bytes = bytes;
            }
            if let Some(text) = of(&capability, at)
                && let Some((major, minor)) = text.split_once('.')
                && let (Ok(major), Ok(minor)) = (major.parse(), minor.parse())
            {
                device.capability = (major, minor);
            }
            if let Some(name) = of(&names, at) {
                let known = name.contains("Simulated");
                device.name = if known { name } else { format!("{name} (Simulated)") };
            }
            if let Some(count) = of(&processors, at).and_then(|text| text.parse().ok()) {
                device.multiprocessors = count;
            }
            if let Some(node) = of(&numa, at).and_then(|text| text.parse().ok()) {
                device.numa = node;
            }
        }
        machine.links =
            links(&look_up("DRAWLOOM_SIM_LINKS").unwrap_or_default(), machine.devices.len());
        machine
    }

    /// The machine that this process's environment describes.
    pub fn from_env() -> Self {
        Self::described(|name| std::env::var(name).ok())
    }

    /// The variables that describe this machine.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let list = |f: &dyn Fn(&Device) -> String| -> String {
            self.devices.iter().map(f).collect::<Vec<_>>().join(",")
        };
        let links: Vec<_> = self.links.iter().map(|(a, b)| format!("{a}-{b}")).collect();
        vec![
            ("DRAWLOOM_SIM_DEVICES", self.devices.len().to_string()),
            ("DRAWLOOM_SIM_MEMORY", list(&|device| device.memory_bytes.to_string())),
            (
                "DRAWLOOM_SIM_CAPABILITY",
                list(&|d| format!("{}.{}", d.capability.0, d.capability.1)),
            ),
            ("DRAWLOOM_SIM_NAMES", list(&|device| device.name.clone())),
            ("DRAWLOOM_SIM_MULTIPROCESSORS", list(&|d| d.multiprocessors.to_string())),
            ("DRAWLOOM_SIM_NUMA", list(&|device| device.numa.to_string())),
            ("DRAWLOOM_SIM_LINKS", if links.is_empty() { "none".into() } else { links.join(",") }),
        ]
    }

    /// Whether two devices have an NVLink between them.
    pub fn linked(&self, a: usize, b: usize) -> bool {
        self.links.contains(&(a.min(b), a.max(b)))
    }

    /// The devices linked with one, in order.
    pub fn neighbours(&self, device: usize) -> Vec<usize> {
        (0..self.devices.len()).filter(|other| self.linked(device, *other)).collect()
    }
}

fn links(text: &str, devices: usize) -> BTreeSet<(usize, usize)> {
    let mut links = BTreeSet::new();
    match text.trim() {
        "pairs" => links.extend((0..devices / 2).map(|pair| (pair * 2, pair * 2 + 1))),
        "all" => links.extend((0..devices).flat_map(|a| (a + 1..devices).map(move |b| (a, b)))),
        list => {
            for link in list.split(',') {
                if let Some((a, b)) = link.trim().split_once('-')
                    && let (Ok(a), Ok(b)) = (a.parse::<usize>(), b.parse::<usize>())
                    && a != b
                    && a.max(b) < devices
                {
                    links.insert((a.min(b), a.max(b)));
                }
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_what_its_environment_says() {
        let mut machine = Machine::uniform(4, 1 << 30);
        machine.devices[1].memory_bytes = 80 << 30;
        machine.devices[2].capability = (9, 0);
        machine.links.insert((2, 3));
        let variables = machine.environment();
        let look_up = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        };
        assert_eq!(Machine::described(look_up), machine);
    }

    #[test]
    fn short_lists_go_on_and_names_say_what_they_are() {
        let machine = Machine::described(|name| {
            Some(match name {
                "DRAWLOOM_SIM_DEVICES" => "3".into(),
                "DRAWLOOM_SIM_MEMORY" => "1G,2G".into(),
                "DRAWLOOM_SIM_NAMES" => "H100".into(),
                "DRAWLOOM_SIM_LINKS" => "pairs".into(),
                _ => return None,
            })
        });
        let memory: Vec<_> =
            machine.devices.iter().map(|device| device.memory_bytes >> 30).collect();
        assert_eq!(memory, [1, 2, 2]);
        assert_eq!(machine.devices[2].name, "H100 (Simulated)");
        assert!(machine.linked(1, 0) && !machine.linked(1, 2));
        assert_eq!(parse_bytes("512MiB"), Some(512 << 20));
    }
}
