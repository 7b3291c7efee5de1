//! `drawloom nodes`: the executors.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use drawloom_client::ExecutorView;
use drawloom_model::{Capacity, DeviceCapacity, DeviceInfo, DeviceKind, ExecutorId};
use serde_json::{Map, Value, json};

use super::connect;
use crate::args::Global;
use crate::error::BadInput;
use crate::output::note;
use crate::{output, text};

const EXAMPLES: &str = "\
Examples:
  drawloom nodes
  drawloom nodes --json
  drawloom nodes --drain up-1     empty an executor, by its name or id, so that it can leave";

/// List the executors, or empty one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Nodes {
    /// Give this executor nothing more and let it end once its objects have moved away
    #[arg(long, value_name = "NAME")]
    drain: Option<String>,
}

impl Nodes {
    /// Asks and prints.
    ///
    /// # Errors
    /// There is no such executor, or no scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        let cluster = client.cluster().await?;
        if let Some(name) = &self.drain {
            client.drain(find(&cluster.executors, name)?).await?;
            note!("{name} is being emptied");
            return Ok(ExitCode::SUCCESS);
        }
        if global.json {
            for view in &cluster.executors {
                output::json(&to_json(view))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<[String; 9]> = cluster.executors.iter().map(row).collect();
        let headings = [
            "ID",
            "NAME",
            "CORES FREE",
            "MEMORY",
            "DEVICES",
            "RUNNING",
            "QUEUED",
            "OBJECTS",
            "ADDRESS",
        ];
        output::table(headings, &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn find(executors: &[ExecutorView], name: &str) -> Result<ExecutorId> {
    let matches =
        |view: &&ExecutorView| view.info.name == name || view.executor.to_string() == name;
    let mut found = executors.iter().filter(matches);
    match (found.next(), found.next()) {
        (Some(view), None) => Ok(view.executor),
        (Some(_), Some(_)) => {
            bail!(BadInput(format!("several executors are named {name:?}; give an id")))
        }
        (None, _) => bail!(BadInput(format!("no executor is named {name:?}"))),
    }
}

fn row(view: &ExecutorView) -> [String; 9] {
    let capacity = &view.info.capacity;
    let draining = if view.draining { " (draining)" } else { "" };
    [
        view.executor.to_string(),
        format!("{}{draining}", view.info.name),
        format!("{}/{}", text::milli(view.free.cpu_milli), text::milli(capacity.cpu_milli)),
        text::bytes(capacity.memory_bytes),
        device_counts(&view.info.devices, &capacity.devices),
        view.running.to_string(),
        view.queued.to_string(),
        objects(view),
        view.info.address.clone(),
    ]
}

/// How many devices there are of each model, such as `2 x H100`; simulated ones say that they are,
/// and so do those that are out of service.
fn device_counts(devices: &[DeviceInfo], offers: &[DeviceCapacity]) -> String {
    let names = devices.iter().zip(offers).map(|(device, offered)| {
        let told = device.name.to_ascii_lowercase().contains("simulated");
        let simulated = if device.is_simulated && !told { " (simulated)" } else { "" };
        let out = if offered.is_out_of_service() { " (out of service)" } else { "" };
        format!("{}{simulated}{out}", device.name)
    });
    let mut counts: Vec<(String, usize)> = Vec::new();
    for name in names {
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let counts = counts.iter().map(|(name, count)| format!("{count} x {name}"));
    let text = counts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "-".to_owned() } else { text }
}

/// How many objects it has, and how much of them is on disk.
fn objects(view: &ExecutorView) -> String {
    let held = format!("{}, {}", view.objects, text::bytes(view.object_bytes));
    match view.spilled_bytes {
        0 => held,
        spilled => format!("{held} ({} on disk)", text::bytes(spilled)),
    }
}

fn to_json(view: &ExecutorView) -> Value {
    let offers = view.info.capacity.devices.iter().zip(&view.free.devices);
    let devices = view.info.devices.iter().zip(offers);
    let devices: Vec<Value> =
        devices.map(|(info, (offered, free))| device_json(info, offered, free)).collect();
    let taints: Vec<String> = view.info.taints.iter().map(ToString::to_string).collect();
    json!({
        "executor": view.executor.0, "name": view.info.name, "address": view.info.address,
        "capacity": capacity_json(&view.info.capacity), "free": capacity_json(&view.free),
        "devices": devices, "labels": view.info.labels, "taints": taints,
        "running": view.running, "queued": view.queued, "draining": view.draining,
        "objects": view.objects, "object_bytes": view.object_bytes,
        "spilled_bytes": view.spilled_bytes,
        "busy_core_seconds": view.busy_core_seconds, "tasks_ended": view.tasks_ended,
    })
}

fn device_json(info: &DeviceInfo, offered: &DeviceCapacity, free: &DeviceCapacity) -> Value {
    let kind = match info.kind {
        DeviceKind::Cuda => "cuda",
    };
    let links = info.links.iter();
    let links: Vec<Value> =
        links.map(|link| json!({ "to": link.to.0, "kind": link.kind.name() })).collect();
    let (major, minor) = (offered.compute_capability / 10, offered.compute_capability % 10);
    json!({
        "name": info.name, "kind": kind, "simulated": info.is_simulated, "uuid": info.uuid,
        "in_service": !offered.is_out_of_service(),
        "pci": info.pci, "slice_of": info.slice_of, "numa_node": info.numa_node, "links": links,
        "compute_capability": format!("{major}.{minor}"), "memory_bytes": info.memory_bytes,
        "vram_bytes": offered.vram_bytes, "free_vram_bytes": free.vram_bytes,
        "share": f64::from(offered.milli) / 1000.0, "free_share": f64::from(free.milli) / 1000.0,
    })
}

fn capacity_json(capacity: &Capacity) -> Value {
    let custom: Map<String, Value> = capacity
        .custom
        .iter()
        .map(|(name, milli)| (name.to_string(), json!(*milli as f64 / 1000.0)))
        .collect();
    json!({
        "cores": capacity.cpu_milli as f64 / 1000.0, "memory_bytes": capacity.memory_bytes,
        "devices": capacity.devices.len(), "custom": custom,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_counted_by_model_and_simulated_ones_say_so() {
        let device =
            |name: &str, is_simulated| DeviceInfo { is_simulated, ..DeviceInfo::named(name) };
        let whole = DeviceCapacity { milli: 1000, vram_bytes: 1, compute_capability: 80 };
        assert_eq!(device_counts(&[], &[]), "-");
        let mixed = [
            device("H100", false),
            device("H100", true),
            device("Simulated GPU", true),
            device("H100", false),
            device("H100", false),
        ];
        assert_eq!(
            device_counts(&mixed, &[whole, whole, whole, whole, DeviceCapacity::NONE]),
            "2 x H100, 1 x H100 (simulated), 1 x Simulated GPU, 1 x H100 (out of service)"
        );
    }
}
