//! Who runs tasks: processors, where they are, and what moving data between the places costs.

mod starpu;

use std::collections::BTreeMap;
use std::path::Path;

use drawloom_plan::Link;
pub(crate) use starpu::is_modelled;

use crate::SimError;

/// A link of 10 Gbit/s, as between servers.
const NETWORK: Link = Link { latency: 1e-4, seconds_per_byte: 1.0 / 1.25e9 };
/// The most processors of a platform that is given by its name.
const PROCESSORS_LIMIT: u32 = 1_000_000;

/// Processors that are alike, at one place.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Group {
    pub kind: u32,
    pub place: u32,
    pub count: u32,
}

/// Who runs tasks.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Platform {
    /// Its name.
    pub name: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) kinds: Vec<String>,
    pub(crate) places: u32,
    pub(crate) links: Vec<(u32, u32, Link)>,
    /// The place at which files lie that nobody makes.
    pub(crate) home: u32,
    /// Seconds of kernels by tile size, on each kind; infinite where it has none.
    pub(crate) measured: BTreeMap<(&'static str, u32), Vec<f64>>,
    /// What is modelled and not measured, in words.
    pub(crate) modelled: Option<&'static str>,
}

impl Platform {
    /// A platform by its name, such as `cpu:8x4`, or from a file.
    ///
    /// # Errors
    /// When there is none of that name, or the file is not as it must be.
    pub fn find(name: &str) -> Result<Self, SimError> {
        if let Some(size) = name.strip_prefix("cpu:") {
            return cpu(name, size);
        }
        let file = starpu::find(name).ok_or_else(|| {
            let message = format!(
                "there is no such platform: it is cpu:NxC (N machines of C cores), the JSON file of a \
                 StarPU model, or the name of one in a folder perfmodels/starpu ({})",
                names().join(", ")
            );
            SimError::bad(Path::new(name), "", message)
        })?;
        starpu::read(&file)
    }

    /// Processors each of its own kind and at its own place, between which data costs as many
    /// seconds as it has bytes.
    pub(crate) fn of_unlike_processors(count: usize) -> Self {
        let count = count as u32;
        let groups = (0..count).map(|index| Group { kind: index, place: index, count: 1 });
        let link = Link { latency: 0.0, seconds_per_byte: 1.0 };
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        Platform {
            name: format!("unlike:{count}"),
            groups: groups.collect(),
            kinds: (0..count).map(|index| format!("p{index}")).collect(),
            places: count,
            links: pairs.filter(|(from, to)| from != to).map(|(f, t)| (f, t, link)).collect(),
            home: 0,
            measured: BTreeMap::new(),
            modelled: None,
        }
    }
}

/// Names that platforms may have beside those of files.
pub fn names() -> Vec<&'static str> {
    vec!["cpu:8x4", "mirage", "attila", "sirocco"]
}

fn cpu(name: &str, size: &str) -> Result<Platform, SimError> {
    let (machines, cores) = size
        .split_once('x')
        .and_then(|(machines, cores)| Some((machines.parse().ok()?, cores.parse().ok()?)))
        .filter(|(machines, cores): &(u32, u32)| {
            let processors = machines.checked_mul(*cores);
            processors.is_some_and(|count| (1..=PROCESSORS_LIMIT).contains(&count))
        })
        .ok_or_else(|| {
            let message = format!("cpu:NxC is N machines of C cores, {PROCESSORS_LIMIT} at most");
            SimError::bad(Path::new(name), "", message)
        })?;
    // Home is a machine of its own that runs nothing.
    let places = machines + 1;
    let pairs = (0..places).flat_map(|from| (0..places).map(move |to| (from, to)));
    Ok(Platform {
        name: name.to_owned(),
        groups: (0..machines).map(|place| Group { kind: 0, place, count: cores }).collect(),
        kinds: vec!["core".to_owned()],
        places,
        links: pairs.filter(|(from, to)| from != to).map(|(f, t)| (f, t, NETWORK)).collect(),
        home: machines,
        measured: BTreeMap::new(),
        modelled: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_as_many_as_named() {
        let platform = Platform::find("cpu:3x4").expect("a platform");
        assert_eq!((platform.groups.len(), platform.places, platform.home), (3, 4, 3));
        for wrong in ["cpu:", "cpu:0x4", "cpu:4", "cpu:99999x99999", "nowhere"] {
            let error = Platform::find(wrong).expect_err(wrong).to_string();
            assert!(error.starts_with(wrong), "{error}");
        }
    }
}
