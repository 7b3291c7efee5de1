//! Answers many requests, each a small graph of its own, so many at a time.
//!
//! ```sh
//! cargo run -p drawloom-cluster --example inference_batches
//! ```
//!
//! The weights are put once and shared by every graph. A bound on what is in flight keeps memory
//! and latency in check: beyond what the cores can do, more at once only means longer waits.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::{Duration, Instant};

use drawloom_client::{Attributes, Client, Data as _, GraphBuilder, ObjectId, Tensor};
use drawloom_cluster::Embedded;
use tokio::task::JoinSet;

const REQUESTS: usize = 500;
const IN_FLIGHT: usize = 32;
const BATCH: u64 = 8;
const FEATURES: u64 = 64;
const HIDDEN: u64 = 32;
const CLASSES: u64 = 10;

fn random(extents: [u64; 2], seed: u64) -> Result<Tensor<f32>, Box<dyn Error>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let count = extents[0] * extents[1];
    Ok(Tensor::new(extents, (0..count).map(|_| random.f32() - 0.5).collect())?)
}

/// Where the model's weights are.
#[derive(Clone, Copy)]
struct Model {
    first: ObjectId,
    second: ObjectId,
}

/// The most likely class of each row of a batch.
async fn infer(
    client: &Client,
    model: Model,
    batch: Tensor<f32>,
) -> Result<Vec<i64>, drawloom_client::Error> {
    let mut graph = GraphBuilder::new("inference");
    let x = graph.value("batch", batch);
    let first = graph.external_of::<Tensor<f32>>(model.first);
    let second = graph.external_of::<Tensor<f32>>(model.second);
    let hidden = graph.call::<Tensor<f32>>("matmul", Attributes::new(), (x, first));
    let hidden = graph.call::<Tensor<f32>>("relu", Attributes::new(), hidden);
    let logits = graph.call::<Tensor<f32>>("matmul", Attributes::new(), (hidden, second));
    let classes = graph.call::<Vec<i64>>("argmax", Attributes::new(), logits);
    graph.keep("classes", classes);
    let job = client.submit(graph.build()).await?.share();
    job.result(classes).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Embedded::start(Default::default()).await?;
    let client = cluster.client();
    let model = Model {
        first: client.put(random([FEATURES, HIDDEN], 1)?.into_value()).await?,
        second: client.put(random([HIDDEN, CLASSES], 2)?.into_value()).await?,
    };
    let start = Instant::now();
    let mut running = JoinSet::new();
    let mut latencies: Vec<Duration> = Vec::new();
    for request in 0..REQUESTS {
        if running.len() == IN_FLIGHT
            && let Some(latency) = running.join_next().await
        {
            latencies.push(latency??);
        }
        let batch = random([BATCH, FEATURES], 100 + request as u64)?;
        let client = client.clone();
        running.spawn(async move {
            let start = Instant::now();
            let classes = infer(&client, model, batch).await?;
            assert_eq!(classes.len() as u64, BATCH);
            Ok::<_, drawloom_client::Error>(start.elapsed())
        });
    }
    while let Some(latency) = running.join_next().await {
        latencies.push(latency??);
    }
    let rate = REQUESTS as f64 / start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let (median, p99) = (latencies[REQUESTS / 2], latencies[REQUESTS * 99 / 100]);
    println!("{REQUESTS} requests of {BATCH} rows, {IN_FLIGHT} in flight: {rate:.0} requests/s");
    println!("latency: median {median:.2?}, p99 {p99:.2?}");
    for object in [model.first, model.second] {
        client.release(object).await?;
    }
    cluster.stop().await;
    Ok(())
}
