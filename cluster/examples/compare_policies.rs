//! Runs the same graphs under each placement policy and compares their makespans.
//!
//! ```sh
//! cargo run -p drawloom-cluster --example compare_policies
//! ```
//!
//! Every policy gets a fresh embedded cluster, so none profits from what another has measured. One
//! executor leaves a policy little choice; what is compared here is what deciding costs.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use drawloom_client::{Attributes, Client, GraphBuilder, JobState, TaskGraph, attributes};
use drawloom_cluster::{Config, Embedded};
use drawloom_scheduler_core::policy::POLICIES;

const RUNS: usize = 5;

/// Tasks that do not know of each other.
fn independent() -> TaskGraph {
    let mut graph = GraphBuilder::new("independent");
    for _ in 0..2000 {
        graph.task("busy", attributes([("iterations", 1000)])).add();
    }
    graph.build()
}

/// Ten times a hundred tasks and one that waits for them all.
fn fork_join() -> TaskGraph {
    let mut graph = GraphBuilder::new("fork-join");
    let mut join = graph.task("noop", Attributes::new()).add();
    for _ in 0..10 {
        let parts: Vec<_> = (0..100)
            .map(|_| graph.task("busy", attributes([("iterations", 1000)])).after(join).add())
            .collect();
        let joining = parts
            .into_iter()
            .fold(graph.task("noop", Attributes::new()), |task, part| task.after(part));
        join = joining.add();
    }
    graph.build()
}

/// One after another.
fn chain() -> TaskGraph {
    let mut graph = GraphBuilder::new("chain");
    let mut last = graph.task("noop", Attributes::new()).add();
    for _ in 0..1000 {
        last = graph.task("noop", Attributes::new()).after(last).add();
    }
    graph.build()
}

async fn makespan(client: &Client, graph: TaskGraph) -> Result<Duration, Box<dyn Error>> {
    let job = client.submit(graph).await?;
    let id = job.id();
    let report = job.wait().await?;
    if report.state != JobState::Succeeded {
        return Err(format!("{id} {}", report.state).into());
    }
    Ok(client.describe(id).await?.job.makespan().ok_or("it has ended")?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<12} {:<18} {:>12}", "graph", "policy", "median");
    for make in [independent, fork_join, chain] {
        for policy in POLICIES {
            let mut config = Config::default();
            config.scheduler.core.policy = policy.to_owned();
            let cluster = Embedded::start(config).await?;
            let client = cluster.client();
            let mut spans = Vec::new();
            for _ in 0..RUNS {
                spans.push(makespan(&client, make()).await?);
            }
            cluster.stop().await;
            spans.sort_unstable();
            println!("{:<12} {policy:<18} {:>12.2?}", make().name, spans[RUNS / 2]);
        }
    }
    Ok(())
}
