//! Builds a graph, runs it in a cluster inside this process, and reads its output.
//!
//! ```sh
//! cargo run --release -p drawloom-cluster --example sdk
//! ```
//!
//! Against a cluster that runs elsewhere, only the client differs:
//! `Client::connect("http://127.0.0.1:7070").await?`.

use std::error::Error;

use drawloom_client::{GraphBuilder, attributes};
use drawloom_cluster::{Config, Embedded};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Embedded::start(Config::default()).await?;
    let client = cluster.client();

    let mut graph = GraphBuilder::new("checksums");
    let parts: Vec<_> = (0..4)
        .map(|part| graph.task("busy", attributes([("iterations", 100_000 * (part + 1))])).add())
        .collect();
    let sum = graph
        .task("sum_n", Default::default())
        .inputs(parts.iter().map(|part| part.output(0)))
        .name("sum")
        .add();
    graph.output("checksum", sum.output(0));

    let mut job = client.submit(graph.build()).await?;
    while let Some((seq, event)) = job.next_event().await? {
        eprintln!("{seq}: {event:?}");
    }
    let value = job.get("checksum").await?;
    eprintln!("checksum: {} of {} bytes", value.object_type, value.data.len());
    cluster.stop().await;
    Ok(())
}
