//! A figure and how it came about.

use serde::Serialize;

/// How the parts of the system are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Three processes over gRPC.
    Remote,
    /// Everything in one process.
    Embedded,
}

impl Mode {
    /// The name used on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Remote => "remote",
            Mode::Embedded => "embedded",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Mode> {
        [Mode::Remote, Mode::Embedded].into_iter().find(|mode| mode.name() == name)
    }
}

/// How processes reach the scheduler.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP on loopback.
    Tcp,
    /// A Unix socket.
    Unix,
}

impl Transport {
    /// The name used on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Unix => "unix",
        }
    }
}

/// What one run measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// The figure.
    pub value: f64,
    /// The 99th percentile, where the figure is a median of many.
    pub p99: Option<f64>,
}

impl Sample {
    /// A figure alone.
    pub fn new(value: f64) -> Self {
        Sample { value, p99: None }
    }
}

/// A figure over several runs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Record {
    /// The bench.
    pub bench: &'static str,
    /// How the parts were joined.
    pub mode: Mode,
    /// How client and executor reached the scheduler, where that was varied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// The median of the runs.
    pub value: f64,
    /// `s`, `MiB`, `B/task`, a number a second such as `tasks/s`, or `ratio`: the speed in parts of what the
    /// machine does in the same run without the system.
    pub unit: &'static str,
    /// How many runs there were.
    pub runs: usize,
    /// The least of the runs.
    pub min: f64,
    /// The largest of the runs.
    pub max: f64,
    /// The median of the runs' 99th percentiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// How many tasks a run has; none where kernels are called by themselves.
    pub tasks: u32,
    /// What the project asks of itself on two cores, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// The same of the 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_target: Option<f64>,
    /// Whether every target is met.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
    /// What else is told of a kernel.
    #[serde(flatten)]
    pub kernel: Option<KernelFigures>,
}

/// What a kernel did, beside the ratio.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct KernelFigures {
    /// The kernel, where the bench is of all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<&'static str>,
    /// What it is held against: `memory copy`, `gemm`, or NumPy with its version.
    pub against: String,
    /// How long a call takes, the median of the runs.
    pub seconds: f64,
    /// Bytes of inputs and outputs.
    pub bytes_per_second: f64,
    /// Arithmetic operations, by the kernel's cost hint.
    pub flops_per_second: f64,
}

impl Record {
    /// Whether larger is better.
    pub fn is_rate(&self) -> bool {
        self.unit.ends_with("/s") || self.is_ratio()
    }

    /// What runs have measured, without targets.
    pub(crate) fn new(
        bench: &'static str,
        mode: Mode,
        unit: &'static str,
        tasks: u32,
        samples: &[Sample],
    ) -> Record {
        let mut values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        let mut p99s: Vec<f64> = samples.iter().filter_map(|sample| sample.p99).collect();
        Record {
            bench,
            mode,
            transport: None,
            value: median(&mut values),
            unit,
            runs: values.len(),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            p99: (!p99s.is_empty()).then(|| median(&mut p99s)),
            tasks,
            target: None,
            p99_target: None,
            met: None,
            kernel: None,
        }
    }

    /// Whether it compares with a floor.
    pub fn is_ratio(&self) -> bool {
        self.unit == "ratio"
    }

    /// Adds the targets, and whether they are met.
    pub(crate) fn with_targets(mut self, target: f64, p99_target: Option<f64>) -> Self {
        let reached = if self.is_rate() { self.value >= target } else { self.value <= target };
        let p99 = p99_target.zip(self.p99).is_none_or(|(target, p99)| p99 <= target);
        self.target = Some(target);
        self.p99_target = p99_target;
        self.met = Some(reached && p99);
        self
    }
}

/// The median; the mean of the two in the middle where there are two.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The value below which so many of a hundred lie.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        let mut hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&mut hundred, 99), 99.0);
        assert_eq!(percentile(&mut [7.0], 99), 7.0);
    }
}
