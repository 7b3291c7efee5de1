//! What was measured of every way to run something, as a table or JSON.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use drawloom_model::MeasuredCost;
use drawloom_scheduler::read_costs;
use serde_json::{Value, json};

use crate::args::Global;
use crate::commands::{collect, connect};
use crate::error::BadInput;
use crate::{output, text};

/// Shows costs in the order of names: those that a scheduler kept in a directory, or those of the
/// scheduler that runs; of one name alone where one is given.
///
/// # Errors
/// There is no such file, or no scheduler.
pub async fn show(global: &Global, kept: Option<&Path>, name: Option<&str>) -> Result<()> {
    let mut costs = match kept {
        Some(directory) => read_costs(directory).map_err(|error| BadInput(error.to_string()))?,
        None => {
            let client = connect(global).await?;
            collect(0, |page| client.costs(page)).await?.0
        }
    };
    costs.retain(|cost| name.is_none_or(|name| *cost.way.name == *name));
    costs.sort_by(|a, b| {
        (&a.way, &a.device_class, a.size_bytes).cmp(&(&b.way, &b.device_class, b.size_bytes))
    });
    if global.json {
        for cost in &costs {
            output::json(&to_json(cost))?;
        }
        return Ok(());
    }
    let headings =
        ["KERNEL", "KIND", "VARIANT", "DEVICE", "SIZE FROM", "MEAN", "DEVIATION", "SAMPLES"];
    let rows: Vec<[String; 8]> = costs.iter().map(row).collect();
    output::table(headings, &rows)?;
    Ok(())
}

fn row(cost: &MeasuredCost) -> [String; 8] {
    let span = |nanos| text::span(Duration::from_nanos(nanos));
    [
        cost.way.name.to_string(),
        cost.way.kind.name().to_owned(),
        cost.way.variant(),
        cost.device_class.to_string(),
        text::bytes(cost.size_bytes),
        span(cost.mean_nanos),
        span(cost.deviation_nanos),
        cost.samples.to_string(),
    ]
}

fn to_json(cost: &MeasuredCost) -> Value {
    let way = &cost.way;
    json!({
        "name": way.name, "kind": way.kind.name(), "variant": way.variant(),
        "cores": way.cpu_milli as f64 / 1e3, "gpus": way.devices,
        "gpu_share": f64::from(way.device_milli) / 1e3, "device_class": cost.device_class,
        "size_bytes": cost.size_bytes, "input_bytes": cost.input_bytes,
        "output_bytes": cost.output_bytes, "mean_s": cost.mean_nanos as f64 / 1e9,
        "deviation_s": cost.deviation_nanos as f64 / 1e9, "samples": cost.samples,
    })
}

#[cfg(test)]
mod tests {
    use drawloom_model::{RunKind, Way};

    use super::*;

    #[test]
    fn a_cost_is_one_row() {
        let cost = MeasuredCost {
            way: Way {
                name: "matmul".into(),
                kind: RunKind::Kernel,
                cpu_milli: 1000,
                devices: 1,
                device_milli: 500,
            },
            device_class: "H100".into(),
            size_bytes: 1 << 20,
            input_bytes: 1_000_000,
            output_bytes: 500_000,
            mean_nanos: 12_300_000,
            deviation_nanos: 40_000,
            samples: 7,
        };
        let expected =
            ["matmul", "kernel", "1 core, 0.5 GPU", "H100", "1.0 MiB", "12.3 ms", "40 us", "7"];
        assert_eq!(row(&cost), expected);
        assert_eq!(
            (&to_json(&cost)["gpus"], &to_json(&cost)["mean_s"]),
            (&json!(1), &json!(0.0123))
        );
    }
}
