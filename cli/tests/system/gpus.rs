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
