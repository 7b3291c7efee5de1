//! What other systems need for the same work, and what the design asks for.
//!
//! The peers' figures were measured once on a quiet machine of two cores (medians of three): read
//! them as ratios. StarPU 1.3 runs C functions in its own process, so it stands beside the
//! embedded mode; Ray 2.60 and a Python process pool run Python functions in other processes and
//! stand beside the remote mode.

use crate::measurement::{Measurement, Mode, Peer};

/// Bench, mode, target, the best peer and its figure.
type Row = (&'static str, Mode, f64, Option<(&'static str, f64)>);

const ROWS: [Row; 12] = [
    ("noop_throughput", Mode::Remote, 100_000.0, Some(("HyperQueue (no worker code)", 27_000.0))),
    ("noop_throughput", Mode::Embedded, 400_000.0, Some(("StarPU", 300_000.0))),
    ("sync_latency", Mode::Remote, 200e-6, Some(("Python ProcessPool", 350e-6))),
    ("sync_latency", Mode::Embedded, 15e-6, Some(("StarPU", 15e-6))),
    ("chain", Mode::Remote, 30e-3, Some(("Parsl", 2.2))),
    ("chain", Mode::Embedded, 5e-3, Some(("StarPU", 1.8e-3))),
    ("tree", Mode::Remote, 0.4, Some(("Ray", 18.6))),
    ("tree", Mode::Embedded, 0.08, Some(("StarPU", 77e-3))),
    ("forkjoin", Mode::Remote, 0.4, Some(("Ray", 10.2))),
    ("forkjoin", Mode::Embedded, 0.08, Some(("StarPU", 35e-3))),
    ("cold_start", Mode::Embedded, 0.1, Some(("StarPU", 20e-3))),
    ("idle_memory", Mode::Remote, 40.0, Some(("HyperQueue", 30.0))),
];

/// The target over a Unix socket, which is lower than over TCP.
const UNIX_LATENCY: f64 = 150e-6;

/// Adds target and peer to a measurement.
pub(crate) fn compare(measurement: &mut Measurement) {
    let key = (measurement.bench, measurement.mode);
    let Some((_, _, target, peer)) = ROWS.iter().find(|row| (row.0, row.1) == key) else { return };
    measurement.target = Some(*target);
    measurement.peer = peer.map(|(name, value)| Peer { name, value });
    if measurement.transport == Some("unix") {
        measurement.target = Some(UNIX_LATENCY);
    }
}
