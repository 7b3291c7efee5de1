//! Figures and how they are printed.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// How scheduler, executor and client are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Three processes over gRPC.
    Remote,
    /// All in this process.
    Embedded,
}

impl Mode {
    /// Both.
    pub const ALL: [Mode; 2] = [Mode::Remote, Mode::Embedded];

    /// The name used in options and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Remote => "remote",
            Mode::Embedded => "embedded",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a value is measured in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Unit {
    /// Seconds; less is better.
    #[serde(rename = "s")]
    Seconds,
    /// Tasks per second; more is better.
    #[serde(rename = "tasks/s")]
    TasksPerSecond,
    /// Mebibytes; less is better.
    #[serde(rename = "MiB")]
    Mebibytes,
}

/// One bench in one mode.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Measurement {
    /// The bench's name.
    pub bench: &'static str,
    /// The mode.
    pub mode: Mode,
    /// The median of all runs.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
    /// How many runs.
    pub runs: usize,
    /// The least value of a run.
    pub min: f64,
    /// The greatest value of a run.
    pub max: f64,
    /// The 99th percentile, where `value` is a median of single waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// `tcp` or `unix`, in remote mode where both are measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<&'static str>,
    /// What the design asks for, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// The best figure known of another system, and whose; see the documentation of the benches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
}

/// Another system's figure for the same work.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Peer {
    /// The system.
    pub name: &'static str,
    /// Its figure, in the bench's unit.
    pub value: f64,
}

impl Measurement {
    /// The median, least and greatest of `values`, which must not be empty.
    pub(crate) fn of(bench: &'static str, mode: Mode, unit: Unit, mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Measurement {
            bench,
            mode,
            value: percentile(&values, 0.5),
            unit,
            runs: values.len(),
            min: values[0],
            max: values[values.len() - 1],
            p99: None,
            transport: None,
            target: None,
            peer: None,
        }
    }

    /// Whether the target is met, where there is one.
    pub fn meets_target(&self) -> Option<bool> {
        let target = self.target?;
        Some(match self.unit {
            Unit::TasksPerSecond => self.value >= target,
            Unit::Seconds | Unit::Mebibytes => self.value <= target,
        })
    }

    /// A value in the bench's unit, for people.
    pub fn display(&self, value: f64) -> String {
        match self.unit {
            Unit::Seconds => format!("{:.1?}", Duration::from_secs_f64(value)),
            Unit::TasksPerSecond => format!("{value:.0} tasks/s"),
            Unit::Mebibytes => format!("{value:.1} MiB"),
        }
    }
}

/// The value below which a share of the sorted `values` lies (nearest rank).
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let rank = (values.len() as f64 * share).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_the_fields_that_scripts_rely_on() {
        let values = vec![3.0, 1.0, 2.0];
        let measurement = Measurement::of("chain", Mode::Embedded, Unit::Seconds, values);
        let json = serde_json::to_string(&measurement).expect("it serializes");
        assert_eq!(
            json,
            r#"{"bench":"chain","mode":"embedded","value":2.0,"unit":"s","runs":3,"min":1.0,"max":3.0}"#
        );
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 50.0);
        assert_eq!(percentile(&values, 0.99), 99.0);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
    }
}
