//! Calls of an actor: one at a time, and many in flight.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Context as _, Result};
use drawloom_client::{ActorHandle, Client, GraphBuilder, JobHandle};
use drawloom_model::{ActorSpec, Attributes};

use crate::record::{Mode, Record, Sample, Transport, median, percentile};

/// How many calls warm up before latencies are measured, and how many are measured.
const WARM_UP: u32 = 100;
const LATENCIES: u32 = 1000;
/// How many calls are in flight at a time, and how many there are in all.
const IN_FLIGHT: usize = 10_000;
const CALLS: usize = 200_000;

/// Both figures of one cluster: the latency of calls, and how many are served a second.
pub(crate) async fn records(client: &Client, mode: Mode, runs: usize) -> Result<Vec<Record>> {
    let (job, actor) = counter(client).await?;
    let (mut latencies, mut rates) = (Vec::new(), Vec::new());
    // The first run warms up.
    rate(&actor).await?;
    for _ in 0..runs {
        latencies.push(latency(&actor).await?);
        rates.push(Sample::new(rate(&actor).await?));
    }
    job.cancel().await?;
    let transport = (mode == Mode::Remote).then_some(Transport::Tcp);
    let (seconds, p99, rate) = match mode {
        Mode::Remote => (200e-6, 1e-3, 80e3),
        Mode::Embedded => (15e-6, 100e-6, 300e3),
    };
    let record = |unit, calls, samples: &[Sample]| Record {
        transport,
        ..Record::new("actor_calls", mode, unit, calls, samples)
    };
    let latency = record("s", LATENCIES, &latencies);
    let throughput = record("calls/s", CALLS as u32, &rates);
    Ok(vec![latency.with_targets(seconds, Some(p99)), throughput.with_targets(rate, None)])
}

async fn counter(client: &Client) -> Result<(JobHandle, ActorHandle)> {
    let mut graph = GraphBuilder::new("actor calls");
    graph.options().open = true;
    let actor = graph.actor(ActorSpec::native("counter", Attributes::new())).add();
    let job = client.submit(graph.build()).await?;
    let handle = client.actor((job.id(), actor.index())).await?;
    Ok((job, handle))
}

async fn latency(actor: &ActorHandle) -> Result<Sample> {
    for _ in 0..WARM_UP {
        actor.call("add").await?;
    }
    let mut seconds = Vec::with_capacity(LATENCIES as usize);
    for _ in 0..LATENCIES {
        let start = Instant::now();
        actor.call("add").await?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let p99 = percentile(&mut seconds, 99);
    Ok(Sample { value: median(&mut seconds), p99: Some(p99) })
}

async fn rate(actor: &ActorHandle) -> Result<f64> {
    let start = Instant::now();
    let mut pending = VecDeque::with_capacity(IN_FLIGHT);
    for _ in 0..CALLS {
        if pending.len() == IN_FLIGHT {
            pending.pop_front().context("calls are in flight")?.await?;
        }
        pending.push_back(actor.call("add").start());
    }
    for call in pending {
        call.await?;
    }
    Ok(CALLS as f64 / start.elapsed().as_secs_f64())
}
