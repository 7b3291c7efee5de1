//! A job of very many tasks of which none can run yet.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::measure::resident_mib;
use crate::record::{Mode, Record, Sample, Transport};
use crate::remote::Remote;
use crate::workload::waiting;

/// How many tasks wait.
const TASKS: u32 = 1_000_000;
/// How long a scheduler is left alone before its memory is measured.
const IDLE: Duration = Duration::from_millis(500);

/// Both figures: how long it takes to submit the graph, which is built already, and the bytes by
/// which the scheduler's resident memory grows, per task. Each run has a scheduler of its own.
pub(crate) async fn records(executable: &Path, runs: usize) -> Result<Vec<Record>> {
    let (mut seconds, mut bytes) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let cluster = Remote::start(executable, Transport::Tcp).await?;
        let client = cluster.client().await?;
        let scheduler = cluster.scheduler_pid().context("the scheduler has ended")?;
        tokio::time::sleep(IDLE).await;
        let before = resident_mib(scheduler)?;
        let graph = waiting(TASKS);
        let start = Instant::now();
        let job = client.submit(graph).await?;
        seconds.push(Sample::new(start.elapsed().as_secs_f64()));
        tokio::time::sleep(IDLE).await;
        let grown = (resident_mib(scheduler)? - before) * f64::from(1 << 20);
        bytes.push(Sample::new(grown / f64::from(TASKS)));
        job.cancel().await?;
    }
    let record = |unit, samples: &[Sample], target| {
        let record = Record::new("million_waiting", Mode::Remote, unit, TASKS, samples);
        Record { transport: Some(Transport::Tcp), ..record }.with_targets(target, None)
    };
    Ok(vec![record("s", &seconds, 10.0), record("B/task", &bytes, 400.0)])
}
