//! Looking at a cluster as it works.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Cluster, GraphFile, drawloom, eventually, say};

const SLEEPER: &str =
    "name: sleeper\ntasks:\n  - { name: s, process: { argv: [sleep, \"600\"] } }\n";

#[test]
fn one_look_shows_executors_and_jobs() {
    let cluster = Cluster::start(2);
    let file = GraphFile::new("sleeper.yaml", SLEEPER);
    let job = cluster.submit(file.path());
    eventually("the process runs", || cluster.count(&job, "running") == 1);
    for arguments in [&["top", "--once"][..], &["top"]] {
        let said = cluster.say(arguments);
        assert_eq!(said.code, Some(0), "{}", said.err);
        for part in
            ["2 executor(s), 1/2 cores busy, 1 job(s) running", "x0", "x1", "sleeper", "0/1"]
        {
            assert!(said.out.contains(part), "{part:?} is not in {}", said.out);
        }
        assert!(!said.out.contains('\x1b'), "no codes where there is no terminal");
    }
    let look = cluster.say(&["--json", "top", "--once"]).last();
    assert_eq!((&look["running_jobs"], &look["jobs"][0]["job"]), (&1.into(), &job.into()));
    assert_eq!(look["executors"].as_array().map(Vec::len), Some(2));
}

#[test]
fn programs_get_a_line_for_every_interval_with_rates() {
    let cluster = Cluster::start(1);
    let mut command = drawloom();
    command.args(["--endpoint", cluster.scheduler.endpoint()]);
    command.args(["--json", "top", "--interval", "0.1"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("drawloom starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let looks: Vec<Value> = lines
        .take(3)
        .map(|line| serde_json::from_str(&line.expect("text")).expect("JSON"))
        .collect();
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert_eq!(looks[0]["tasks_per_second"], Value::Null);
    assert_eq!(looks[2]["tasks_per_second"], 0.0);
}

#[test]
fn bad_intervals_are_refused() {
    for interval in ["0", "-1", "soon", "nan", "1e300"] {
        let said = say(&["top", &format!("--interval={interval}")]);
        assert_eq!(said.code, Some(2), "{interval}");
        assert!(said.err.contains("seconds"), "{}", said.err);
    }
}
