//! Executors with simulated GPUs, as people see them.

use crate::harness::*;

#[test]
fn nodes_show_devices_and_say_that_they_are_simulated() {
    let mut cluster = Cluster::start(0);
    cluster.add_executor_with("gpus", &["--simulated-gpus", "2"]);
    eventually("it has joined", || cluster.nodes().len() == 1);
    let node = &cluster.nodes()[0];
    let devices = node["devices"].as_array().expect("a list");
    assert_eq!(devices.len(), 2);
    for (place, device) in devices.iter().enumerate() {
        assert_eq!(device["simulated"], true, "{device}");
        assert_eq!(device["compute_capability"], "8.0");
        assert!(device["uuid"].as_str().is_some_and(|uuid| uuid.starts_with("GPU-")), "{device}");
        let (offered, whole) = (&device["vram_bytes"], &device["memory_bytes"]);
        assert!(offered.as_u64() < whole.as_u64() && offered.as_u64() > Some(0), "{device}");
        assert_eq!(device["links"][0]["to"], 1 - place);
        assert_eq!(device["links"][0]["kind"], "numa_node");
    }
    let table = cluster.say(&["nodes"]).out;
    assert!(table.contains("2 x Simulated GPU"), "{table}");
}

#[test]
fn a_task_that_no_device_has_the_memory_for_is_refused_when_it_is_submitted() {
    let mut cluster = Cluster::start(0);
    cluster.add_executor_with("gpus", &["--simulated-gpus", "1"]);
    eventually("it has joined", || cluster.nodes().len() == 1);
    let graph = |vram: &str| {
        let task = "[[tasks]]\nname = \"big\"\nkernel = \"noop\"\n";
        let request = format!("request = {{ gpu = {{ vram = \"{vram}\" }} }}\n");
        GraphFile::new("big.toml", &format!("{task}{request}"))
    };
    let said = cluster.say(&["submit", graph("1TiB").path()]);
    assert_ne!(said.code, Some(0));
    for part in ["\"big\"", "1099511627776 bytes VRAM", "the largest with"] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    let said = cluster.say(&["submit", graph("1GiB").path()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}
