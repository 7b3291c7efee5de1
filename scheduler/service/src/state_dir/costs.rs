//! Measured costs as a file: JSON, so that people can read it.

use drawloom_model::{MeasuredCost, RunKind, Way};
use serde::{Deserialize, Serialize};

/// The file's name.
pub(super) const FILE: &str = "costs.json";
/// What tells it from other files.
const FORMAT: &str = "drawloom-costs";
/// Rises when older schedulers cannot make sense of what newer ones write.
const VERSION: u32 = 1;

/// Why a file of costs makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum BadCosts {
    /// It is no JSON, or of another shape.
    #[error("it is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// It is JSON of something else.
    #[error("it has the format {0:?} instead of {FORMAT:?}")]
    Format(String),
    /// Another version wrote it.
    #[error("it has version {0}, this scheduler reads {VERSION}")]
    Version(u32),
    /// A value in it cannot be.
    #[error("it is damaged: entry {0} has a value that cannot be")]
    Value(usize),
}

/// What every version begins with.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Body {
    format: String,
    version: u32,
    costs: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    kind: String,
    cpu_milli: u64,
    devices: u16,
    device_milli: u32,
    device_class: String,
    size_bytes: u64,
    input_bytes: u64,
    output_bytes: u64,
    mean_nanos: u64,
    deviation_nanos: u64,
    samples: u64,
}

pub(super) fn to_bytes(costs: &[MeasuredCost]) -> Vec<u8> {
    let costs = costs.iter().map(Entry::from).collect();
    let body = Body { format: FORMAT.to_owned(), version: VERSION, costs };
    serde_json::to_vec_pretty(&body).expect("numbers and strings are JSON")
}

pub(super) fn from_bytes(bytes: &[u8]) -> Result<Vec<MeasuredCost>, BadCosts> {
    let Head { format, version } = serde_json::from_slice(bytes)?;
    if format != FORMAT {
        return Err(BadCosts::Format(format));
    }
    if version != VERSION {
        return Err(BadCosts::Version(version));
    }
    let Body { costs, .. } = serde_json::from_slice(bytes)?;
    let cost = |(place, entry): (usize, Entry)| entry.cost().ok_or(BadCosts::Value(place));
    costs.into_iter().enumerate().map(cost).collect()
}

impl From<&MeasuredCost> for Entry {
    fn from(cost: &MeasuredCost) -> Self {
        let way = &cost.way;
        Entry {
            name: way.name.to_string(),
            kind: way.kind.name().to_owned(),
            cpu_milli: way.cpu_milli,
            devices: way.devices,
            device_milli: way.device_milli,
            device_class: cost.device_class.to_string(),
            size_bytes: cost.size_bytes,
            input_bytes: cost.input_bytes,
            output_bytes: cost.output_bytes,
            mean_nanos: cost.mean_nanos,
            deviation_nanos: cost.deviation_nanos,
            samples: cost.samples,
        }
    }
}

impl Entry {
    fn cost(self) -> Option<MeasuredCost> {
        let way = Way {
            kind: RunKind::named(&self.kind)?,
            name: self.name.into(),
            cpu_milli: self.cpu_milli,
            devices: self.devices,
            device_milli: self.device_milli,
        };
        (self.samples > 0).then_some(MeasuredCost {
            way,
            device_class: self.device_class.into(),
            size_bytes: self.size_bytes,
            input_bytes: self.input_bytes,
            output_bytes: self.output_bytes,
            mean_nanos: self.mean_nanos,
            deviation_nanos: self.deviation_nanos,
            samples: self.samples,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cost() -> impl Strategy<Value = MeasuredCost> {
        let kind = prop::sample::select(RunKind::ALL.to_vec());
        let way = (".*", kind, any::<u64>(), any::<u16>(), any::<u32>());
        let numbers = (any::<[u64; 5]>(), 1u64..);
        (way, ".*", numbers).prop_map(|(way, device_class, (numbers, samples))| {
            let (name, kind, cpu_milli, devices, device_milli) = way;
            let [size_bytes, input_bytes, output_bytes, mean_nanos, deviation_nanos] = numbers;
            MeasuredCost {
                way: Way { name: name.into(), kind, cpu_milli, devices, device_milli },
                device_class: device_class.into(),
                size_bytes,
                input_bytes,
                output_bytes,
                mean_nanos,
                deviation_nanos,
                samples,
            }
        })
    }

    proptest! {
        #[test]
        fn costs_survive(costs in prop::collection::vec(cost(), 0..9)) {
            prop_assert_eq!(from_bytes(&to_bytes(&costs)).expect("as written"), costs);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            costs in prop::collection::vec(cost(), 1..3),
            place in any::<prop::sample::Index>(),
            with in any::<u8>(),
            cut in any::<bool>(),
        ) {
            let mut bytes = to_bytes(&costs);
            let place = place.index(bytes.len());
            bytes[place] = with;
            if cut {
                bytes.truncate(place);
            }
            // What counts is that it ends, and how: with costs or with a reason.
            if let Err(why) = from_bytes(&bytes) {
                prop_assert!(!why.to_string().is_empty());
            }
        }
    }

    #[test]
    fn other_versions_are_told_by_their_number_alone() {
        let newer = br#"{"format": "drawloom-costs", "version": 2, "curves": {}}"#;
        assert!(matches!(from_bytes(newer), Err(BadCosts::Version(2))));
        let other = br#"{"format": "loom", "version": 1}"#;
        assert!(matches!(from_bytes(other), Err(BadCosts::Format(_))));
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        let text = r#"{"format": "drawloom-costs", "version": 1, "costs": [{"name": "n",
            "kind": "actor", "cpu_milli": 1, "devices": 0, "device_milli": 0,
            "device_class": "cpu", "size_bytes": 0, "input_bytes": 0, "output_bytes": 0,
            "mean_nanos": 1, "deviation_nanos": 0, "samples": 1}]}"#;
        assert!(matches!(from_bytes(text.as_bytes()), Err(BadCosts::Value(0))));
        let negative = text.replace("actor", "kernel").replace("\"samples\": 1", "\"samples\": -1");
        assert!(matches!(from_bytes(negative.as_bytes()), Err(BadCosts::Damaged(_))));
        let kernel = text.replace("actor", "kernel");
        assert_eq!(from_bytes(kernel.as_bytes()).map(|costs| costs.len()).ok(), Some(1));
    }
}
