//! What becomes of jobs when executors go.

use crate::harness::{Cluster, GraphFile, eventually};

/// Processes that are still there when something happens, and end soon after.
fn sleepers(count: usize, seconds: f64) -> GraphFile {
    let tasks: Vec<String> = (0..count)
        .map(|index| format!("  - {{name: s{index}, process: {{argv: [sleep, \"{seconds}\"]}}}}"))
        .collect();
    GraphFile::new("sleepers.yaml", &format!("tasks:\n{}\n", tasks.join("\n")))
}

#[test]
fn work_of_a_killed_executor_is_done_elsewhere() {
    let mut cluster = Cluster::start(2);
    let file = sleepers(6, 0.5);
    let job = cluster.submit(file.path());
    eventually("both executors are busy", || cluster.count(&job, "running") == 2);
    cluster.executors[0].kill();
    let watched = cluster.say(&["--json", "watch", &job]);
    assert_eq!(watched.code, Some(0), "{}", watched.out);
    let retried: Vec<_> =
        watched.json().into_iter().filter(|event| event["event"] == "task_retried").collect();
    assert!(!retried.is_empty());
    assert!(retried.iter().all(|event| event["failure"]["kind"] == "executor_lost"));
    assert_eq!(cluster.nodes().len(), 1);
}

#[test]
fn a_drained_executor_leaves_and_loses_nothing() {
    let mut cluster = Cluster::start(2);
    let file = sleepers(6, 0.3);
    let job = cluster.submit(file.path());
    eventually("both executors are busy", || cluster.count(&job, "running") == 2);
    let drained = cluster.say(&["nodes", "--drain", "x0"]);
    assert_eq!(drained.code, Some(0), "{}", drained.err);
    assert_eq!(cluster.executors[0].wait(), Some(0));
    let watched = cluster.say(&["--json", "watch", &job]);
    assert_eq!(watched.code, Some(0));
    assert!(watched.json().iter().all(|event| event["event"] != "task_retried"));
    assert_eq!(cluster.nodes().len(), 1);
}

#[test]
fn an_executor_that_is_told_to_end_drains_first() {
    let mut cluster = Cluster::start(2);
    let file = sleepers(4, 0.3);
    let job = cluster.submit(file.path());
    eventually("both executors are busy", || cluster.count(&job, "running") == 2);
    cluster.executors[1].signal("TERM");
    assert_eq!(cluster.executors[1].wait(), Some(0));
    assert_eq!(cluster.say(&["watch", &job]).code, Some(0));
}
