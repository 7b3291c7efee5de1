//! Finding a device again that is known from elsewhere.

use drawloom_model::LinkKind;

/// A device as the library knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its own name, such as `GPU-01234567-89ab-cdef-0123-456789abcdef`; a slice's begins with
    /// `MIG-`.
    pub uuid: String,
    /// Its place on the bus, such as `0000:01:00`; a slice's is its device's.
    pub pci: String,
    /// The uuid of the device of which it is a slice.
    pub slice_of: Option<String>,
    /// How others are reached, by their places in the list.
    pub links: Vec<(usize, LinkKind)>,
}

/// Where in `found` the device is that has this uuid, or else this place on the bus.
///
/// A slice is found by its uuid alone: it shares its place with its device and other slices. Its
/// prefix does not count, for CUDA tells it without one.
pub fn place_of(found: &[Found], uuid: &str, pci: &str) -> Option<usize> {
    let same_uuid = |found: &Found| digits(&found.uuid) == digits(uuid);
    let same_place = |found: &Found| found.slice_of.is_none() && found.pci == pci;
    found.iter().position(same_uuid).or_else(|| found.iter().position(same_place))
}

fn digits(uuid: &str) -> String {
    let (_, rest) = uuid.split_once('-').unwrap_or(("", uuid));
    rest.to_ascii_lowercase()
}

/// A place on the bus as CUDA has it: the library's has more digits of the domain, and a function.
pub(crate) fn bus_address(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let text = text.split('.').next().unwrap_or_default();
    match text.split_once(':') {
        Some((domain, rest)) => {
            let domain = u32::from_str_radix(domain, 16).unwrap_or_default();
            format!("{domain:04x}:{rest}")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(uuid: &str, pci: &str, slice_of: Option<&str>) -> Found {
        let slice_of = slice_of.map(str::to_owned);
        Found { uuid: uuid.into(), pci: pci.into(), slice_of, links: Vec::new() }
    }

    #[test]
    fn devices_are_found_whatever_the_order() {
        let all = [
            found("GPU-0b", "0000:02:00", None),
            found("GPU-0a", "0000:01:00", None),
            found("MIG-1a", "0000:01:00", Some("GPU-0a")),
            found("MIG-2a", "0000:01:00", Some("GPU-0a")),
        ];
        let check = |uuid, pci, expected| assert_eq!(place_of(&all, uuid, pci), expected);
        check("GPU-0a", "0000:01:00", Some(1));
        check("GPU-0B", "0000:02:00", Some(0));
        // What CUDA calls a GPU is a slice of one.
        check("GPU-2a", "0000:01:00", Some(3));
        // A uuid that the library writes in another way: the place is the same.
        check("GPU-ff", "0000:02:00", Some(0));
        check("GPU-ff", "0000:07:00", None);
    }

    #[test]
    fn places_on_the_bus_are_written_alike() {
        assert_eq!(bus_address("00000000:3B:00.0"), "0000:3b:00");
        assert_eq!(bus_address("00010000:01:00.0"), "10000:01:00");
        assert_eq!(bus_address("nonsense"), "nonsense");
    }
}
