//! Actors from a program: a type of one's own, called straight, and a parameter server.
//!
//! ```sh
//! cargo run -p drawloom-cluster --example actors
//! ```
#![allow(clippy::print_stdout)]

use drawloom_client::{GraphBuilder, attributes};
use drawloom_cluster::{Config, Embedded};
use drawloom_executor::{Actor, ActorTypes, Context};
use drawloom_model::{ActorSpec, Attributes, Failure, FailureKind, Value};

/// Remembers the longest text that it was given.
#[derive(Default)]
struct Longest(String);

impl Actor for Longest {
    fn call(
        &mut self,
        method: &str,
        arguments: &[Value],
        _context: &mut Context<'_>,
    ) -> Result<Vec<Value>, Failure> {
        match (method, arguments) {
            ("offer", [text]) => {
                let text = String::from_utf8_lossy(&text.data).into_owned();
                if text.len() > self.0.len() {
                    self.0 = text;
                }
                Ok(Vec::new())
            }
            ("get", []) => Ok(vec![Value::blob(self.0.clone().into_bytes())]),
            _ => {
                let message = format!("no method {method} of {} argument(s)", arguments.len());
                Err(Failure::new(FailureKind::Application, message))
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut actors = ActorTypes::default();
    actors.register("longest", |_| Ok(Longest::default()));
    let executor = drawloom_executor::Config { actors, ..Default::default() };
    let cluster = Embedded::start(Config { executor, ..Config::default() }).await?;
    let client = cluster.client();

    // The job stays open for as long as its actors are wanted.
    let mut graph = GraphBuilder::new("actors");
    graph.options().open = true;
    let longest = graph.actor(ActorSpec::native("longest", Attributes::new())).add();
    let weights = graph.literal("weights", Value::scalar_f32(4.0));
    let server = ActorSpec::native("parameter_server", attributes([("lr", 0.25)]));
    let server = graph.actor(server).input(weights).max_restarts(2).add();
    let job = client.submit(graph.build()).await?;

    // Calls go straight to the actor; many may be in flight, and they run in order.
    let longest = client.actor((job.id(), longest.index())).await?;
    let offers = ["warp", "weft", "drawloom", "heddle"];
    let offers = offers.map(|text| longest.call("offer").arg(Value::blob(text)).start());
    for offer in offers {
        offer.await?;
    }
    let found = longest.call("get").await?;
    println!("longest: {}", String::from_utf8_lossy(&found[0].data));

    // Gradient descent on (w - 1)^2, whose gradient is 2 (w - 1).
    let server = client.actor((job.id(), server.index())).await?;
    for _ in 0..20 {
        let weights = server.call("get").await?;
        let weight = f32::from_le_bytes(weights[0].data[..].try_into()?);
        server.call("apply").arg(Value::scalar_f32(2.0 * (weight - 1.0))).await?;
    }
    let weights = server.call("get").await?;
    println!("weight: {:.4}", f32::from_le_bytes(weights[0].data[..].try_into()?));

    job.close().await?;
    println!("job: {}", job.wait().await?.state);
    cluster.stop().await;
    Ok(())
}
