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

#[test]
fn work_of_a_lost_device_is_done_elsewhere_and_the_node_says_what_is_left() {
    let mut cluster = Cluster::start(0);
    let faults = [("DRAWLOOM_SIM_FAULTS", "lost:1@2"), ("DRAWLOOM_SIM_QUIET", "1")];
    cluster.add_executor_in("gpus", &["--simulated-gpus", "2"], &faults);
    eventually("it has joined", || cluster.nodes().len() == 1);
    let task = |index: u32| {
        format!(
            "[[tasks]]\nname = \"t{index}\"\nkernel = \"fill\"\n\
             attributes = {{ shape = [64], value = 1.0 }}\nrequest = {{ gpu = 1 }}\n"
        )
    };
    let graph = GraphFile::new("many.toml", &(0..40).map(task).collect::<String>());
    let job = cluster.submit(graph.path());
    let said = cluster.say(&["--json", "watch", &job]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("device_lost"), "{}", said.out);
    assert_eq!(cluster.count(&job, "succeeded"), 40);
    let node = &cluster.nodes()[0];
    let in_service = |place: usize| node["devices"][place]["in_service"].as_bool();
    assert_eq!((in_service(0), in_service(1)), (Some(true), Some(false)));
    let table = cluster.say(&["nodes"]).out;
    assert!(table.contains("1 x Simulated GPU, 1 x Simulated GPU (out of service)"), "{table}");
    let both = "[[tasks]]\nname = \"both\"\nkernel = \"noop\"\nrequest = { gpu = 2 }\n";
    let said = cluster.say(&["submit", GraphFile::new("both.toml", both).path()]);
    assert_ne!(said.code, Some(0), "there is one left");
}
