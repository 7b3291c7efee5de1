//! Trains a classifier and follows the loss while the job runs.
//!
//! ```sh
//! cargo run -p drawloom-cluster --example training
//! ```
//!
//! Points of three clouds are told apart by a linear model. One job holds all steps; the losses
//! and the accuracy are typed handles whose results come as soon as their tasks have succeeded.
#![allow(clippy::print_stdout)]

use std::error::Error;

use drawloom_client::{Attributes, GraphBuilder, Output, Tensor, attributes};
use drawloom_cluster::Embedded;

const CLOUDS: usize = 3;
const POINTS: usize = 600;
const STEPS: usize = 200;
const CENTRES: [[f32; 2]; CLOUDS] = [[0.0, 2.0], [-2.0, -1.0], [2.0, -1.0]];

/// Points around the centres, and whose they are.
fn clouds() -> (Vec<f32>, Vec<i64>) {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut points, mut labels) = (Vec::new(), Vec::new());
    for point in 0..POINTS {
        let label = point % CLOUDS;
        // Twelve uniform numbers add up to nearly a normal one.
        let mut noise = || (0..12).map(|_| random.f32()).sum::<f32>() - 6.0;
        points.extend(CENTRES[label].map(|centre| centre + 0.7 * noise()));
        labels.push(label as i64);
    }
    (points, labels)
}

struct Training {
    losses: Vec<(usize, Output<f32>)>,
    accuracy: Output<f32>,
}

/// Every step of the training.
fn describe(graph: &mut GraphBuilder) -> Result<Training, Box<dyn Error>> {
    let (points, labels) = clouds();
    let x = graph.value("points", Tensor::new([POINTS as u64, 2], points)?);
    let labels = graph.value("labels", labels);
    let mut w = graph.value("w", Tensor::new([2, CLOUDS as u64], vec![0f32; 2 * CLOUDS])?);
    let mut b = graph.value("b", vec![0f32; CLOUDS]);
    let lr = attributes([("lr", 0.5)]);
    let mut losses = Vec::new();
    for step in 1..=STEPS {
        let product = graph.call::<Tensor<f32>>("matmul", Attributes::new(), (x, w));
        let logits = graph.call::<Tensor<f32>>("bias_add", Attributes::new(), (product, b));
        let loss = graph.call::<f32>("cross_entropy", Attributes::new(), (logits, labels));
        let error = graph.output_of::<Tensor<f32>>(loss.task(), 1);
        let turned = attributes([("transpose_a", true)]);
        let gradient = graph.call::<Tensor<f32>>("matmul", turned, (x, error));
        w = graph.call::<Tensor<f32>>("sgd", lr.clone(), (w, gradient)).into();
        let rows = attributes([("axes", vec![0i64])]);
        let gradient = graph.call::<Vec<f32>>("sum", rows, error);
        b = graph.call::<Vec<f32>>("sgd", lr.clone(), (b, gradient)).into();
        if step % 40 == 0 {
            graph.keep(format!("loss {step}"), loss);
            losses.push((step, loss));
        }
    }
    let product = graph.call::<Tensor<f32>>("matmul", Attributes::new(), (x, w));
    let logits = graph.call::<Tensor<f32>>("bias_add", Attributes::new(), (product, b));
    let accuracy = graph.call::<f32>("accuracy", Attributes::new(), (logits, labels));
    graph.keep("accuracy", accuracy);
    Ok(Training { losses, accuracy })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = Embedded::start(Default::default()).await?;
    let mut graph = GraphBuilder::new("training");
    let Training { losses, accuracy } = describe(&mut graph)?;
    // Checked here: a handle of another type than its kernel makes is refused before it is sent.
    let job = cluster.client().submit(graph.build_checked()?).await?.share();
    for (step, loss) in losses {
        println!("step {step}: loss {:.4}", job.result(loss).await?);
    }
    let report = job.wait().await?;
    println!("{} tasks {}", report.succeeded, report.state);
    let accuracy = job.result(accuracy).await?;
    println!("accuracy {accuracy:.3}");
    cluster.stop().await;
    if accuracy < 0.9 { Err("it has not learnt to tell the clouds apart".into()) } else { Ok(()) }
}
