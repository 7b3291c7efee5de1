//! Executors with simulated GPUs, as people see them.

use crate::cluster::page;
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

#[test]
fn metrics_tell_how_devices_do() {
    let mut cluster = Cluster::start(0);
    let endpoint = cluster.scheduler.endpoint().to_owned();
    let place = ["--json", "executor", "--scheduler", &endpoint, "--metrics", "127.0.0.1:0"];
    let gpus = ["--simulated-gpus", "2"];
    cluster.executors.push(Server::start(&[&place[..], &gpus].concat()));
    eventually("it has joined", || cluster.nodes().len() == 1);
    let node = &cluster.nodes()[0];
    let uuid = node["devices"][1]["uuid"].as_str().expect("a uuid");
    let expected = [
        format!("executor_gpu_in_service{{gpu=\"{uuid}\"}} 1"),
        format!("executor_gpu_memory_bytes{{gpu=\"{uuid}\"}} {}", 16u64 << 30),
        format!("executor_gpu_memory_used_bytes{{gpu=\"{uuid}\"}} 0"),
        format!("executor_gpu_temperature_celsius{{gpu=\"{uuid}\"}} 35"),
        format!("executor_gpu_power_watts{{gpu=\"{uuid}\"}} 50"),
        format!("executor_gpu_throttled{{gpu=\"{uuid}\",reason=\"thermal\"}} 0"),
        format!("executor_gpu_ecc_errors_total{{gpu=\"{uuid}\",kind=\"uncorrected\"}} 0"),
        "# HELP executor_gpu_busy_percent".to_owned(),
    ];
    eventually("all is told", || {
        let page = page(&cluster.executors[0]);
        expected.iter().all(|line| page.contains(line))
    });
}

#[test]
fn without_a_driver_the_results_are_the_same_and_one_line_says_so() {
    let file = example("digits/digits.star");
    let small = ["-p", "epochs=1", "-p", "shards=2", "-p", "hidden=32"];
    let run = |more: &[&str]| {
        let mut command = drawloom();
        command.env("LD_LIBRARY_PATH", "").env("DRAWLOOM_LOG", "info");
        let all = [&["--json", "run", &file], &small[..], more].concat();
        let output = command.args(all).output().expect("drawloom starts");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{err}");
        let out = String::from_utf8(output.stdout).expect("UTF-8");
        let last = out.lines().last().expect("a report");
        let report: serde_json::Value = serde_json::from_str(last).expect("JSON");
        (report["outputs"].clone(), err)
    };
    let (with, told) = run(&[]);
    let lines = told.lines().filter(|line| line.contains("GPU")).collect::<Vec<_>>();
    if lines.iter().any(|line| line.contains("offers a GPU")) {
        return; // This machine has a driver.
    }
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("there is no libcuda"), "{lines:?}");
    let (without, told) = run(&["--no-gpus"]);
    assert_eq!(with, without);
    assert!(!told.contains("GPU"), "nobody asked: {told}");
}
